"""A key is found in its line, however the file is written."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.problems import ConfigurationError, KeyPath
from recorder.toml_source import TomlSource

TEXT = '''\
top = 1
"quoted key" = 2
a.b.c = 3

[table] # comment
text = """
[not.a.table]
key = 5
"""
list = [
    1, # ]
    "]",
]
inline = { x = 1, y = { z = 2 } }

  [ table . "sub table" ]
  key = '#'
[[array]]
id = 1
[[array]]
[array.inner]
id = 2
[[array.more]]
id = 3
[[array]]
id = 4
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 1),
        (("quoted key",), 2),
        (("a", "b", "c"), 3),
        (("a", "b"), 3),
        (("table",), 5),
        (("table", "text"), 6),
        (("table", "list"), 10),
        (("table", "list", 1), 10),
        (("table", "inline", "y", "z"), 14),
        (("table", "sub table"), 16),
        (("table", "sub table", "key"), 17),
        (("array",), 18),
        (("array", 0, "id"), 19),
        (("array", 1), 20),
        (("array", 1, "inner", "id"), 22),
        (("array", 1, "more", 0, "id"), 24),
        (("array", 2, "id"), 26),
        (("table", "missing"), 5),
        (("array", 2, "missing", "deeper"), 25),
        (("missing",), None),
        ((), None),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_key_is_found_in_its_line(path: KeyPath, line: int | None, newline: str) -> None:
    source = TomlSource("file.toml", TEXT.replace("\n", newline))

    assert source.line(path) == line


@given(st.lists(st.sampled_from(["", "# x", "k{} = 1", 'k{} = """\n\n"""', "k{} = [\n]", "[[t]]", "[u{}]"])))
def test_every_key_of_a_file_is_found(statements: list[str]) -> None:
    text = "\n".join(statement.replace("{}", str(number)) for number, statement in enumerate(statements))
    source = TomlSource("file.toml", text)
    lines = text.split("\n")

    for path in source.paths():
        line = source.line(path)
        name = next(part for part in reversed(path) if isinstance(part, str))
        assert line is not None
        assert name in lines[line - 1]


def test_a_statement_too_long_to_look_into_costs_no_more_than_its_line() -> None:
    source = TomlSource("file.toml", "before = 1\nlong = [\n" + "1,\n" * 5000 + "]\nafter = 2\n")

    assert source.line(("before",)) == 1
    assert source.line(("after",)) is None


@given(st.text())
def test_any_text_is_toml_or_a_problem(text: str) -> None:
    tables: dict[str, Any] | None
    try:
        tables = tomllib.loads(text)
    except ValueError:
        with pytest.raises(ConfigurationError, match="is not TOML"):
            TomlSource("file.toml", text)
    else:
        assert TomlSource("file.toml", text).tables == tables

"""What can be wrong with a configuration, said so that it can be put right at night.

A problem names the file, the line, the key, what is wrong and what to write instead; it fits one line. All
problems of a start are raised together. Knows neither which keys there are nor what they mean.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

KeyPath = tuple[str | int, ...]
"""Where a key stands: names of tables, and positions (from 0) in arrays of tables."""

Layout = Mapping[tuple[str, ...], Sequence[str]]
"""The known keys of every table, by the names that lead to it."""

_SHOWN_LENGTH = 60
_OF_ANOTHER_TYPE: Mapping[str, str] = {
    "string_type": "not text; put it in quotes",
    "bool_type": "neither true nor false; write one of them, without quotes",
    "float_type": "not a number; write one without quotes",
    "list_type": 'not a list; write ["...", "..."]',
}
"""By pydantic's name of what is wrong, which follows the value."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that must be put right.

    Attributes:
        file: the file as the operator named it, or `environment`.
        line: counted from 1; None where there is no line to name.
        key: such as `recording.segment` or `conference[2].id`, counted from 1; empty for the whole file.
        message: what is wrong and what to do. Holds no credential.
    """

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return _one_line(": ".join(part for part in (place, self.key, self.message) if part))


class ConfigurationError(Exception):
    """Nothing can be started: `problems` has all that is wrong, at least one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def key_name(path: KeyPath) -> str:
    """Write a path the way people count: `("conference", 1, "id")` is `conference[2].id`."""
    name = ""
    for part in path:
        name += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if name else part
    return name


def shown(value: object) -> str:
    """A value of a TOML file as it may stand in a message: short, on one line."""
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case bool() | str():
            text = json.dumps(value, ensure_ascii=False)
        case _:
            text = str(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."


def layout(model: type[BaseModel]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The keys of a model and, one level down, of the models it holds."""
    tables: dict[tuple[str, ...], tuple[str, ...]] = {(): tuple(model.model_fields)}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            tables[name,] = tuple(field.annotation.model_fields)
    return tables


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None when none is near."""
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower()[:_SHOWN_LENGTH], by_lower_case, n=1)
    return by_lower_case[near[0]] if near else None


def unknown_key(path: KeyPath, known: Layout) -> str:
    """What to say of a key that no model knows: the one that was meant, or the table where it belongs."""
    *above, key = (part for part in path if isinstance(part, str))
    here = known.get(tuple(above), ())
    meant = nearest(key, here)
    if meant is not None:
        return f'unknown key; did you mean "{meant}"?'
    for table, keys in known.items():
        if key in keys:
            return f"unknown key here; it belongs {_in_table(table)}"
    return f"unknown key; known here: {', '.join(here)}" if here else "unknown key; remove it"


def explain(
    error: ValidationError, model: type[BaseModel], known: Layout, table: KeyPath = ()
) -> list[tuple[KeyPath, str]]:
    """Say what `error` found in words of a TOML file: the path of each key, and the message.

    `model` is the one that was validated, on the content of `table`; the `examples` of its fields show how a
    missing key is written.
    """
    said: list[tuple[KeyPath, str]] = []
    for detail in error.errors(include_url=False):
        path, value = (*table, *detail["loc"]), detail["input"]
        match detail["type"]:
            case "default_factory_not_called":
                continue  # for another key is wrong, and that is told
            case "extra_forbidden":
                message = unknown_key(path, known)
            case "missing":
                message = f"missing; write for example {path[-1]} = {_example(model, detail['loc'])}"
            case "value_error":
                message = str(detail["ctx"]["error"])
            case "model_type" | "dict_type":
                message = f"{shown(value)} is not a table; write [{key_name(path)}] above its keys"
            case kind if kind in _OF_ANOTHER_TYPE:
                message = f"{shown(value)} is {_OF_ANOTHER_TYPE[kind]}"
            case _:
                message = detail["msg"]
        said.append((path, message))
    return said


def _example(model: type[BaseModel], path: KeyPath) -> str:
    field = None
    for part in path:
        field = model.model_fields[str(part)]
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
    return json.dumps(field.examples[0]) if field is not None and field.examples else '"..."'


def _in_table(table: Sequence[str]) -> str:
    return f"in the table [{'.'.join(table)}]" if table else "above the first [table] of the file"


def _one_line(text: str) -> str:
    """Keep a message on its line, and control characters of a file off the operator's terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)

"""One TOML file: its tables, and the line each of its keys stands on.

`tomllib` gives no positions. They are found only once there is a problem to report: a statement is the
shortest run of lines that `tomllib` accepts by itself, so that no second grammar of TOML is needed here.
Knows nothing of what the keys mean.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from recorder.problems import ConfigurationError, KeyPath, Problem, key_name

_MAX_STATEMENT = 200
"""Lines. None of our values is that long, and looking further would take quadratic time."""

_MAX_DEPTH = 8
"""Names in a path. Ours have three at most."""

_PLACE = re.compile(r"^(?P<message>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)


class TomlSource:
    """A TOML file that has been read.

    Attributes:
        file: the file as the operator named it.
        tables: its content.

    Raises:
        ConfigurationError: `text` is not TOML.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._text = text
        try:
            self.tables: dict[str, Any] = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError([_syntax_problem(file, text, error)]) from None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            ConfigurationError: it cannot be read, or is not TOML in UTF-8.
        """
        file = str(path)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise ConfigurationError(
                [Problem(file, None, "", "there is no such file; create it or name another")]
            ) from None
        except (OSError, ValueError) as error:
            message = f"cannot be read: {reason(error)}"
            raise ConfigurationError([Problem(file, None, "", message)]) from None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            message = "has bytes that are not UTF-8; save the file as UTF-8"
            raise ConfigurationError([Problem(file, line, "", message)]) from None
        return cls(file, text)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem with the key at `path`, with its line where that can be told."""
        return Problem(self.file, self.line(path), key_name(path), message)

    def paths(self) -> Iterator[KeyPath]:
        """The paths of all tables, keys and entries, in no particular order."""
        return _paths(self.tables)

    def line(self, path: KeyPath) -> int | None:
        """The line of a key, or that of the nearest table around it, or None."""
        for length in range(min(len(path), _MAX_DEPTH), 0, -1):
            if line := self._lines.get(path[:length]):
                return line
        return None

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        lines: dict[KeyPath, int] = {}
        entries: dict[KeyPath, int] = {}  # how many tables of each array have begun
        table: KeyPath = ()
        for number, statement in _statements(self._text):
            if statement.lstrip().startswith("["):
                table = _enter(tomllib.loads(statement), entries)
                paths: Iterator[KeyPath] = iter([()])
            else:
                paths = _paths(tomllib.loads(statement))
            for path in paths:
                whole = (table + path)[:_MAX_DEPTH]
                for length in range(1, len(whole) + 1):
                    lines.setdefault(whole[:length], number)
        return lines


def reason(error: Exception) -> str:
    """Why the system refused, without the errno and the path, which the message has already."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The statements of a valid file, each with the number of its first line."""
    begun = 1
    lines: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not lines:
            begun = number
        lines.append(line)
        statement = "\n".join(lines)
        try:
            tomllib.loads(statement)
        except ValueError:
            if len(lines) > _MAX_STATEMENT:
                return
        else:
            yield begun, statement
            lines = []


def _enter(header: dict[str, Any], entries: dict[KeyPath, int]) -> KeyPath:
    """The path of the table that `[a.b]` or `[[a.b]]` opens; an array's entries are counted in `entries`."""
    path: KeyPath = ()
    value: Any = header
    while value:
        name, value = next(iter(value.items()))
        path += (name,)
        if isinstance(value, list):
            entries[path] = entries.get(path, 0) + 1
            value = value[0]
        if path in entries:
            path += (entries[path] - 1,)
    return path


def _paths(tables: dict[str, Any]) -> Iterator[KeyPath]:
    """The paths of all keys, in inline tables as well. Not recursive: dotted keys may nest without limit."""
    waiting: list[tuple[KeyPath, Any]] = [((), tables)]
    while waiting:
        path, value = waiting.pop()
        if path:
            yield path
        if len(path) >= _MAX_DEPTH:
            continue
        if isinstance(value, dict):
            waiting.extend(((*path, name), inner) for name, inner in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, place), inner) for place, inner in enumerate(value))


def _syntax_problem(file: str, text: str, error: Exception) -> Problem:
    if isinstance(error, RecursionError):
        return Problem(file, None, "", "is nested too deeply to be read")
    match = _PLACE.match(str(error))
    if match is None:
        return Problem(file, None, "", f"is not TOML: {error}")
    line = int(match["line"]) if match["line"] else text.rstrip("\n").count("\n") + 1
    message = match["message"]
    return Problem(file, line, "", f"is not TOML: {message[:1].lower()}{message[1:]}; text needs quotes")

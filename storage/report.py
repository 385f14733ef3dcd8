"""How `recordings` prints: tables for people, JSON for programs. Decides nothing and reads nothing."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from storage.layout import SAMPLE_RATE, Problem
from storage.names import WatchId
from storage.presence import PlatformFacts

_PIPE_WIDTH = 10_000
"""Columns where there is no terminal: nothing that follows may find a line broken or cut."""


def console(*, stderr: bool = False) -> Console:
    """Where to print. Text from manifests is printed as it is, whatever it looks like."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def progress(counted: ProgressColumn) -> Progress:
    """A bar on a terminal, with what is counted, and nothing elsewhere."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        counted,
        TimeRemainingColumn(),
        console=console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def print_json(value: dict[str, Any], *, stderr: bool = False) -> None:
    """One JSON object."""
    (sys.stderr if stderr else sys.stdout).write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def print_problems(problems: Iterable[Problem]) -> None:
    """What is missing or damaged, on standard error."""
    for problem in problems:
        console(stderr=True).print(f"{problem.key}: {printable(problem.message)}")


def watch_json(watch: WatchId) -> dict[str, str]:
    """A watch, for programs."""
    return {"kind": watch.kind.value, "id": watch.id}


def problems_json(problems: Iterable[Problem]) -> list[dict[str, str]]:
    """What is missing or damaged, for programs."""
    return [{"key": problem.key, "message": problem.message} for problem in problems]


def table(*headings: str) -> Table:
    """A table; without a terminal, without lines and of any width."""
    on_terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if on_terminal else None, pad_edge=on_terminal)
    for heading in headings:
        # A broken id cannot be copied; a broken name can be read.
        table.add_column(heading, no_wrap=heading == "id", overflow="fold")
    return table


def present(platform: PlatformFacts | None) -> str:
    """How many were there in a segment, for people: at its start, at most, and at its end."""
    if platform is None or platform.participants_most is None:
        return ""
    start, most, end = (
        "?" if count is None else str(count)
        for count in (
            platform.participants_at_start,
            platform.participants_most,
            platform.participants_at_end,
        )
    )
    return most if start == most == end else f"{start} to {end}, {most} at most"


def printable(text: str) -> str:
    """Text of others without what a terminal would take for a command."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def iso(at: datetime | None) -> str | None:
    """An instant for programs: ISO 8601 in UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") if at else None


def instant(at: datetime | None) -> str:
    """An instant for people, in UTC, to the millisecond."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] if at else ""


def length(samples: int) -> str:
    """A number of samples as hours, minutes and seconds, to the millisecond."""
    milliseconds = round(samples * 1000 / SAMPLE_RATE)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60}:{minutes % 60:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"

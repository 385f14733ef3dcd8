"""What `check` says of settings that are in order: for people as a table, for programs as JSON.

Never holds a secret: of the credential it tells the kind.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recorder.config import Settings
from recorder.problems import Problem
from recorder.redaction import Redaction
from recorder.values import format_duration
from recorder.watchlist import Pattern

_WIDTH = 240
"""Columns where there is no terminal to fit into; no line is broken then."""

_UUID_WIDTH = 36


def show_settings(settings: Settings, redaction: Redaction) -> None:
    """Print what would be recorded, and where to, on stdout."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(settings):
        facts.add_row(name, Text(redaction.text(value)))
    console.print(facts)
    if settings.nothing_watched:
        console.print(f"\nNothing would be recorded: {settings.nothing_watched}.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("what", "id", "name", "encapsulation", "codec"):
        table.add_column(column, no_wrap=column == "id", min_width=_UUID_WIDTH if column == "id" else None)
    for watch in settings.watches:
        table.add_row(
            watch.watch_id.kind.value,
            watch.watch_id.id,
            Text(watch.name or "-"),
            watch.encapsulation.value,
            watch.codec.value,
        )
    if settings.watches:
        console.print()
        console.print(table)
    if settings.watches.patterns:
        console.print()
        console.print(_patterns(settings.watches.patterns))


def _patterns(patterns: Iterable[Pattern]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("discovered by name", "type", "but not", "encapsulation", "codec"):
        table.add_column(column)
    for pattern in patterns:
        table.add_row(
            Text(pattern.name),
            pattern.type.value,
            Text(", ".join(pattern.exclude) or "-"),
            pattern.encapsulation.value,
            pattern.codec.value,
        )
    return table


def as_json(settings: Settings) -> dict[str, Any]:
    """What would be recorded: durations in seconds, paths as text."""
    return {
        "ok": True,
        "config": str(settings.path),
        "watchlist": str(settings.watchlist),
        "credential": settings.credential.kind.value,
        "voipbin": settings.voipbin.model_dump(mode="json"),
        "recording": settings.recording.model_dump(mode="json"),
        "storage": settings.storage.model_dump(mode="json"),
        "metrics": settings.metrics.model_dump(mode="json"),
        "status": settings.status.model_dump(mode="json"),
        "listed": settings.watches.listed,
        "watches": [
            {
                "kind": watch.watch_id.kind.value,
                "id": watch.watch_id.id,
                "name": watch.name,
                "encapsulation": watch.encapsulation.value,
                "codec": watch.codec.value,
            }
            for watch in settings.watches
        ],
        "patterns": [
            {
                "name": pattern.name,
                "type": pattern.type.value,
                "exclude": list(pattern.exclude),
                "encapsulation": pattern.encapsulation.value,
                "codec": pattern.codec.value,
            }
            for pattern in settings.watches.patterns
        ],
        "warnings": [asdict(warning) for warning in settings.warnings],
    }


def problems_as_json(problems: Iterable[Problem]) -> dict[str, Any]:
    """Why nothing would be recorded."""
    return {"ok": False, "problems": [asdict(problem) for problem in problems]}


def _facts(settings: Settings) -> list[tuple[str, str]]:
    voipbin, recording, storage = settings.voipbin, settings.recording, settings.storage
    length = format_duration(recording.segment)
    endpoint = f" at {storage.endpoint_url}" if storage.endpoint_url else ""
    return [
        ("configuration", str(settings.path)),
        ("watch list", f"{settings.watchlist} ({_count(settings)} to record)"),
        ("platform", voipbin.url),
        ("credential", f"{settings.credential.kind.value} (found, not shown)"),
        ("segments", f"{recording.format} of {length}, as recorder {recording.recorder}"),
        ("spool", str(recording.spool)),
        ("store", f"{storage.url}{endpoint}"),
    ]


def _count(settings: Settings) -> str:
    """How many watches are recorded here, and of how many."""
    shard, watches = settings.recording.shard, settings.watches
    count = f"shard {shard}: {len(watches)} of {watches.listed}" if shard else str(len(watches))
    return f"{count}, and what {len(watches.patterns)} patterns name" if watches.patterns else count

"""The status for people: a line, a few facts and a table of the watches. Knows not how it was got."""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recorder.state import State
from recorder.status import Status, WatchStatus, duration, headline

_COLOURS = {
    State.RECORDING: "green",
    State.DEGRADED: "yellow",
    State.BLOCKED: "bold red",
    State.WAITING: "dim",
    State.IDLE: "dim",
    State.CONNECTING: "cyan",
    State.ENDED: "dim",
}
_MEGABYTE = 1_000_000
_FIRST = (State.BLOCKED, State.DEGRADED)
"""States that are shown above the others: somebody must, or may have to, act."""
_LAST = (State.ENDED,)
"""States that are shown below them."""


def status_table(status: Status) -> RenderableType:
    """All of it."""
    states = dict.fromkeys(State, 0)
    for watch in status.watches:
        states[watch.state] += 1
    line = headline(states, status.spool, status.phase, away=status.uploads.away)
    parts: list[RenderableType] = [Text(f"{status.recorder} {status.version}: {line}"), _facts(status)]
    if status.watches:
        parts += [Text(""), _watches(status.watches)]
    return Group(*parts)


def _facts(status: Status) -> Table:
    spool, uploads = status.spool, status.uploads
    facts = Table.grid(padding=(0, 2))
    waits = f"{duration(spool.seconds)} of audio ({spool.bytes / _MEGABYTE:.1f} MB) not in the bucket"
    facts.add_row("spool", f"{waits}; {spool.free_bytes / _MEGABYTE:.0f} MB free")
    failed = sum(uploads.failures.values())
    facts.add_row("uploads", f"{uploads.uploaded} segments to {uploads.store}, {failed} attempts failed")
    if uploads.problem:
        facts.add_row("store", Text(uploads.problem, "yellow"))
    for each in status.patterns:
        found = f"names {each.conferences} conferences" if each.conferences else "names no conference now"
        facts.add_row("pattern", Text(f"{each.pattern} {found}", "" if each.conferences else "yellow"))
    if spool.aside:
        facts.add_row("aside", Text(f"{spool.aside} files that a person must look at", "bold red"))
    if status.trouble:
        facts.add_row("platform", Text(status.trouble, "bold red"))
    for standstill in status.standstills:
        facts.add_row("stuck", Text(standstill, "bold red"))
    return facts


def _watches(watches: tuple[WatchStatus, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    columns = ("watch", "state", "for", "recorded", "gaps", "last audio", "codec", "jitter", "drift", "why")
    for column in columns:
        table.add_column(column, no_wrap=column not in ("watch", "why"))
    now = datetime.now(UTC)
    for watch in sorted(watches, key=lambda each: (each.state not in _FIRST, each.state in _LAST)):
        silent = sum(watch.silence.values())
        table.add_row(
            Text(watch.name or f"{watch.kind} {watch.id}"),
            Text(watch.state.value, _COLOURS[watch.state]),
            duration(max(0.0, (now - watch.since).total_seconds())),
            duration(watch.recorded),
            f"{watch.gaps} ({duration(silent)})" if watch.gaps or silent else "0",
            "-" if watch.last_audio is None else f"{duration(watch.last_audio)} ago",
            watch.codec or "-",
            "-" if watch.jitter_ms is None else f"{watch.jitter_ms:.1f} ms",
            "-" if watch.drift_ppm is None else f"{watch.drift_ppm:+.0f} ppm",
            Text(watch.why),
        )
    return table

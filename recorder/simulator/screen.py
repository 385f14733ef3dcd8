"""What the demo shows: a live table on a terminal, a line for each event elsewhere, and the verdict.

Fed with the daemon's own log lines; knows nothing else of the daemon.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from recorder.core.media import SAMPLE_RATE
from recorder.simulator.verdict import Verdict

_STATES: Final[Mapping[str, str]] = {
    "stream connected": "connected",
    "audio began": "recording",
    "stream lost": "lost, reconnecting",
    "no stream": "waiting",
}
_PIPE_WIDTH: Final = 160
_WORTH_A_LINE: Final = frozenset({"stream connected", "stream lost", "no stream", "gap", "segment uploaded"})


class _Row:
    """What is known of one watch while it is recorded."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = "connecting"
        self.codec = ""
        self.sealed = 0
        self.uploaded = 0
        self.samples = 0
        self.silence = 0


class Screen:
    """Standard output, for people."""

    def __init__(self) -> None:
        # Where there is no terminal nothing may be cut to the width of one.
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
        self._rows: dict[str, _Row] = {}
        self._live: Live | None = None

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, soft_wrap=True, markup=False)

    def fail(self, message: str) -> None:
        """Why there is no verdict."""
        self._console.print(f"the demo failed: {message}", style="bold red", soft_wrap=True, markup=False)

    @contextmanager
    def live(self, watches: Sequence[tuple[str, str]]) -> Iterator[None]:
        """While open, what is shown of `watches` (as in the log, and name) follows the log."""
        self._rows = {watch: _Row(name) for watch, name in watches}
        if not self._console.is_terminal:
            yield
            return
        with Live(get_renderable=self._table, console=self._console, refresh_per_second=8) as self._live:
            yield
        self._live = None

    def show(self, line: str) -> None:
        """Follow one line of the daemon's log."""
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            self.say(line)
            return
        event = entry.get("event", "")
        watch, row = self._row_of(entry)
        if row:
            _follow(row, event, entry)
        if entry.get("level") in ("error", "critical"):
            self.say(line)
        elif not self._live and event in _WORTH_A_LINE:
            details = ", ".join(
                f"{key} {entry[key]}" for key in ("reason", "samples", "seconds", "key") if key in entry
            )
            self.say(f"  {row.name if row else watch:12} {event}{': ' if details else ''}{details}")

    def show_verdicts(self, verdicts: Sequence[Verdict], recordings: Path) -> None:
        """The result, and where the files are."""
        table = Table(title="samples sent by the platform, and fetched back from the bucket")
        for heading in ("watch", "wire", "codec", "streams", "segments"):
            table.add_column(heading)
        for heading in ("sent", "silence", "fetched", "differing"):
            table.add_column(heading, justify="right")
        for verdict in verdicts:
            silence = ", ".join(f"{count} {reason}" for reason, count in verdict.silence.items())
            table.add_row(
                verdict.programme.tape.name,
                verdict.encapsulation,
                verdict.programme.codec.value,
                str(verdict.connections),
                str(verdict.segments),
                str(verdict.sent),
                silence or "0",
                str(verdict.fetched),
                str(verdict.differing),
                style=None if verdict.identical else "bold red",
            )
        self._console.print(table)
        good = sum(verdict.identical for verdict in verdicts)
        seconds = sum(verdict.sent for verdict in verdicts) / SAMPLE_RATE
        self.say(
            f"{good} of {len(verdicts)} recordings equal what was sent, sample by sample ({seconds:.1f} s)"
        )
        self.say(f"listen to them: {recordings}/*.wav")

    def _row_of(self, entry: Mapping[str, Any]) -> tuple[str, _Row | None]:
        """The watch that an entry is about: it names it, or an object key that does."""
        watch = str(entry.get("watch", ""))
        if not watch and "/" in str(entry.get("key", "")):
            folder, id_, *_ = str(entry["key"]).split("/")
            watch = f"{folder.removesuffix('s')} {id_}"
        return watch, self._rows.get(watch)

    def _table(self) -> Table:
        table = Table()
        for heading in ("watch", "state", "codec"):
            table.add_column(heading, min_width=12)
        for heading in ("sealed", "uploaded", "recorded", "silence of ours"):
            table.add_column(heading, justify="right")
        for row in self._rows.values():
            table.add_row(
                row.name,
                row.state,
                row.codec,
                str(row.sealed),
                str(row.uploaded),
                f"{row.samples / SAMPLE_RATE:.1f} s",
                f"{row.silence / SAMPLE_RATE:.2f} s",
            )
        return table


def _follow(row: _Row, event: str, entry: Mapping[str, Any]) -> None:
    row.state = _STATES.get(event, row.state)
    if event == "codec detected":
        row.codec = str(entry["codec"])
    elif event == "segment sealed":
        row.sealed += 1
        row.samples += int(entry["samples"])
        row.silence += int(entry["silence"])
    elif event == "segment uploaded":
        row.uploaded += 1

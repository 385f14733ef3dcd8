"""What `recordings` prints: tables for people, JSON for programs. Decides nothing and reads nothing."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from storage.layout import SAMPLE_RATE, Problem
from storage.manifest import SegmentManifest
from storage.names import WatchId
from storage.retrieval import FetchResult

_PIPE_WIDTH = 10_000
"""Columns where there is no terminal: nothing that follows may find a line broken or cut."""


@dataclass(frozen=True, slots=True)
class WatchSummary:
    """One watch in a list. `name` is the last it had; `samples` and `silence` are counts of samples."""

    watch: WatchId
    name: str | None
    first: datetime | None
    last: datetime | None
    segments: int
    samples: int
    silence: int
    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, watch: WatchId, entries: Iterable[SegmentManifest | Problem]) -> "WatchSummary":
        """Sum up the segments of a watch."""
        name, first, last = None, None, None
        segments, samples, silence = 0, 0, 0
        problems = []
        for entry in entries:
            if isinstance(entry, Problem):
                problems.append(entry)
                continue
            name = entry.watch.name or name
            first = first or entry.started_at
            last = max(last, entry.ended_at) if last else entry.ended_at
            segments += 1
            samples += entry.samples
            silence += entry.silence
        return cls(watch, name, first, last, segments, samples, silence, tuple(problems))


def console(*, stderr: bool = False) -> Console:
    """Where to print. Text from manifests is printed as it is, whatever it looks like."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def print_watches(summaries: Sequence[WatchSummary]) -> None:
    """A table of watches."""
    if not summaries:
        console().print("nothing was recorded")
        return
    table = _table("kind", "id", "name", "first (UTC)", "last (UTC)", "segments", "recorded", "silence")
    for summary in summaries:
        table.add_row(
            summary.watch.kind,
            summary.watch.id,
            _printable(summary.name or ""),
            _instant(summary.first),
            _instant(summary.last),
            str(summary.segments),
            _length(summary.samples),
            _length(summary.silence) if summary.silence else "",
        )
    console().print(table)


def print_segments(watch: WatchId, segments: Sequence[SegmentManifest]) -> None:
    """A table of the segments of one watch."""
    if not segments:
        console().print(f"{watch}: no segments")
        return
    table = _table("start (UTC)", "length", "recorder", "codec", "silence", "closed by", "opened after")
    for segment in segments:
        after = segment.opened_after
        table.add_row(
            _instant(segment.started_at),
            _length(segment.samples),
            segment.recorder,
            _printable(segment.codec),
            ", ".join(f"{reason} {_length(samples)}" for reason, samples in _by_reason(segment).items()),
            segment.closed_by,
            f"{after.reason} {_length(round(after.seconds * SAMPLE_RATE))}" if after else "",
        )
    out = console()
    out.print(f"{watch}{_name(segments[-1])}: {len(segments)} segments")
    out.print(table)


def print_fetched(result: FetchResult, output: Path) -> None:
    """What was fetched, and the ledger of what in it is silence."""
    out = console()
    out.print(
        f"{output}: {_length(result.samples)} out of {len(result.segments)} segments,"
        f" from {_instant(result.started_at)} to {_instant(result.ended_at)}"
    )
    for overlap in result.overlaps:
        out.print(
            f"from {_instant(overlap.started_at)} to {_instant(overlap.ended_at)} both {overlap.taken} and"
            f" {overlap.left_out} recorded; the audio is that of {overlap.taken}"
        )
    if not result.silence:
        out.print("no silence but the conference's own")
        return
    table = _table("start (UTC)", "in the file", "length", "silence because")
    for silence in result.silence:
        table.add_row(
            _instant(silence.started_at), _length(silence.at), _length(silence.samples), silence.reason
        )
    out.print(table)


def print_problems(problems: Iterable[Problem]) -> None:
    """What is missing or damaged, on standard error."""
    for problem in problems:
        console(stderr=True).print(f"{problem.key}: {_printable(problem.message)}")


def watches_json(store_url: str, summaries: Iterable[WatchSummary]) -> dict[str, Any]:
    """The list of watches. Instants are ISO 8601, durations are seconds."""
    return {
        "store": store_url,
        "watches": [
            {
                **_watch_json(summary.watch),
                "name": summary.name,
                "first": _iso(summary.first),
                "last": _iso(summary.last),
                "segments": summary.segments,
                "seconds": summary.samples / SAMPLE_RATE,
                "silence_seconds": summary.silence / SAMPLE_RATE,
                "problems": _problems_json(summary.problems),
            }
            for summary in summaries
        ],
    }


def segments_json(
    watch: WatchId, segments: Iterable[SegmentManifest], problems: Iterable[Problem]
) -> dict[str, Any]:
    """The segments of a watch, as their manifests say it."""
    return {
        "watch": _watch_json(watch),
        "segments": [segment.model_dump(mode="json", by_alias=True) for segment in segments],
        "problems": _problems_json(problems),
    }


def fetched_json(watch: WatchId, result: FetchResult, output: Path) -> dict[str, Any]:
    """What was fetched. `at` and `samples` count samples of the file."""
    return {
        "watch": _watch_json(watch),
        "output": str(output),
        "started_at": _iso(result.started_at),
        "ended_at": _iso(result.ended_at),
        "sample_rate": SAMPLE_RATE,
        "samples": result.samples,
        "complete": result.complete,
        "silence": [
            {
                "at": silence.at,
                "samples": silence.samples,
                "reason": silence.reason,
                "started_at": _iso(silence.started_at),
            }
            for silence in result.silence
        ],
        "overlaps": [
            {
                "started_at": _iso(overlap.started_at),
                "ended_at": _iso(overlap.ended_at),
                "taken": overlap.taken,
                "left_out": overlap.left_out,
            }
            for overlap in result.overlaps
        ],
        "segments": [segment.audio.key for segment in result.segments],
        "problems": _problems_json(result.problems),
    }


def _watch_json(watch: WatchId) -> dict[str, str]:
    return {"kind": watch.kind.value, "id": watch.id}


def _problems_json(problems: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"key": problem.key, "message": problem.message} for problem in problems]


def _table(*headings: str) -> Table:
    """A table; without a terminal, without lines and of any width."""
    on_terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if on_terminal else None, pad_edge=on_terminal)
    for heading in headings:
        # A broken id cannot be copied; a broken name can be read.
        table.add_column(heading, no_wrap=heading == "id", overflow="fold")
    return table


def _by_reason(segment: SegmentManifest) -> Counter[str]:
    silence: Counter[str] = Counter()
    for entry in segment.ledger:
        silence[entry.reason.value] += entry.samples
    return silence


def _name(segment: SegmentManifest) -> str:
    return f" ({_printable(segment.watch.name)})" if segment.watch.name else ""


def _printable(text: str) -> str:
    """Text of others without what a terminal would take for a command."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") if at else None


def _instant(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] if at else ""


def _length(samples: int) -> str:
    """A number of samples as hours, minutes and seconds, to the millisecond."""
    milliseconds = round(samples * 1000 / SAMPLE_RATE)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60}:{minutes % 60:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"

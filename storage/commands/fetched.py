"""How `recordings fetch` says what it fetched: a table for people, JSON for programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from storage import report
from storage.copying import CopyResult
from storage.layout import SAMPLE_RATE, Joint, Overlap
from storage.manifest import names_of
from storage.names import WatchId
from storage.report import instant, iso, length, table
from storage.retrieval import FetchResult

PIPE = Path("-")
"""Standard output, as a file to write. What is said goes to standard error then."""


def print_fetched(result: FetchResult, output: Path) -> None:
    """What was fetched, who gave it, and the ledger of what in it is silence."""
    out = report.console(stderr=output == PIPE)
    out.print(
        f"{output}: {length(result.samples)} out of {len(result.segments)} segments,"
        f" from {instant(result.started_at)} to {instant(result.ended_at)}"
    )
    if len({source.recorder for source in result.sources}) > 1:
        rows = table("start (UTC)", "in the file", "length", "audio of", "joined")
        for source in result.sources:
            rows.add_row(
                instant(source.started_at),
                length(source.at),
                length(source.samples),
                source.recorder,
                _joined(source.joint),
            )
        out.print(rows)
    if not result.silence:
        out.print("no silence but the conference's own")
    else:
        rows = table("start (UTC)", "in the file", "length", "silence because")
        for silence in result.silence:
            began = instant(silence.started_at)
            rows.add_row(began, length(silence.at), length(silence.samples), silence.reason)
        out.print(rows)
    if result.left_out:
        _print_left_out(result.left_out, out)


def _print_left_out(left_out: Sequence[Overlap], out: Console) -> None:
    """What one recorder recorded at times that other audio of its own has, and how to have it."""
    samples = sum(overlap.samples for overlap in left_out)
    out.print(
        f"{length(samples)} more of these times are in the bucket and not in the file: a recorder gave times"
        " twice, as one does whose clock was set back. --segments DIR instead of -o FILE copies all of it"
    )
    rows = table("start (UTC)", "not in the file", "out of segment")
    for overlap in left_out:
        for cut in overlap.cuts:
            rows.add_row(instant(cut.started_at), length(cut.heard), cut.segment.name.stem)
    out.print(rows)


def _joined(joint: Joint | None) -> str:
    if joint is None:
        return ""
    if joint.labels_apart is None:
        return f"by their clocks: {joint.why_not}"
    return f"by their audio; its clock is {joint.labels_apart * 1000 / SAMPLE_RATE:+.1f} ms"


def fetched_json(watch: WatchId, result: FetchResult, output: Path) -> dict[str, Any]:
    """What was fetched. `at` and `samples` count samples of the file, `labels_apart` of a clock.

    In overlaps, `samples` and `segments` are what one recorder recorded and the file has not: none where
    there are two.

    `platform` is what each segment's manifest has of it: see `storage.presence`.
    """
    return {
        "watch": report.watch_json(watch),
        "names": names_of(result.segments),
        "output": str(output),
        "started_at": iso(result.started_at),
        "ended_at": iso(result.ended_at),
        "sample_rate": SAMPLE_RATE,
        "samples": result.samples,
        "complete": result.complete,
        "silence": [
            {
                "at": silence.at,
                "samples": silence.samples,
                "reason": silence.reason,
                "started_at": iso(silence.started_at),
            }
            for silence in result.silence
        ],
        "sources": [
            {
                "at": source.at,
                "samples": source.samples,
                "recorder": source.recorder,
                "started_at": iso(source.started_at),
                "aligned": bool(source.joint and source.joint.labels_apart is not None),
                "labels_apart": source.joint and source.joint.labels_apart,
                "why_not": (source.joint and source.joint.why_not) or None,
            }
            for source in result.sources
        ],
        "overlaps": [
            {
                "started_at": iso(overlap.started_at),
                "ended_at": iso(overlap.ended_at),
                "taken": overlap.taken,
                "left_out": overlap.left_out,
                "samples": overlap.samples,
                "segments": [cut.segment.audio.key for cut in overlap.cuts],
            }
            for overlap in result.overlaps
        ],
        "segments": [segment.audio.key for segment in result.segments],
        "platform": [
            {"segment": segment.audio.key, **segment.platform.model_dump(mode="json")}
            for segment in result.segments
            if segment.platform
        ],
        "problems": report.problems_json(result.problems),
    }


def copied_json(watch: WatchId, result: CopyResult, folder: Path) -> dict[str, Any]:
    """What was copied. `size` is that of the audio, in bytes."""
    return {
        "watch": report.watch_json(watch),
        "output": str(folder),
        "size": result.size,
        "complete": result.complete,
        "segments": [segment.audio.key for segment in result.segments],
        "problems": report.problems_json(result.problems),
    }

"""`recordings list`: what was recorded, or the segments of one conference or call."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer

from storage import report
from storage.catalog import Catalog
from storage.commands import options
from storage.layout import SAMPLE_RATE, Problem
from storage.manifest import SegmentManifest
from storage.names import WatchId, WatchKind
from storage.report import instant, iso, length, printable, table
from storage.store import ObjectStore


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


def list_recordings(
    context: typer.Context,
    *,
    id_: options.OptionalId = None,
    start: options.From = None,
    end: options.To = None,
    kind: options.Kind = None,
    as_json: options.Json = False,
    store: options.Store = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    config: options.Config = None,
) -> None:
    """List what was recorded, or the segments of one conference or call.

    \b
    recordings list
    recordings list 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00
    recordings list --json | jq .watches[].id
    """  # noqa: D301 -- as above
    options.check_range(start, end)
    opened = options.open_store(options.place_of(store, endpoint_url, region, config).over(context.obj))
    catalog = Catalog(opened)
    if id_ is None:
        _list_watches(opened, catalog, (start, end), kind, as_json=as_json)
        return
    watch = options.find_watch(opened, catalog, id_, kind)
    entries = list(catalog.segments(watch, start, end))
    problems = [entry for entry in entries if isinstance(entry, Problem)]
    segments = [entry for entry in entries if isinstance(entry, SegmentManifest)]
    if as_json:
        report.print_json(_segments_json(watch, segments, problems))
    else:
        _print_segments(watch, segments)
    options.end(problems)


def _list_watches(
    store: ObjectStore,
    catalog: Catalog,
    between: tuple[datetime | None, datetime | None],
    kind: WatchKind | None,
    *,
    as_json: bool,
) -> None:
    watches = (watch for watch in catalog.watches() if kind in {None, watch.kind})
    summaries = [WatchSummary.of(watch, catalog.segments(watch, *between)) for watch in watches]
    summaries = [summary for summary in summaries if summary.segments or summary.problems]
    if as_json:
        report.print_json(_watches_json(store.url, summaries))
    else:
        _print_watches(summaries)
    options.end([problem for summary in summaries for problem in summary.problems])


def _print_watches(summaries: Sequence[WatchSummary]) -> None:
    """A table of watches."""
    if not summaries:
        report.console().print("nothing was recorded")
        return
    rows = table("kind", "id", "name", "first (UTC)", "last (UTC)", "segments", "recorded", "silence")
    for summary in summaries:
        rows.add_row(
            summary.watch.kind,
            summary.watch.id,
            printable(summary.name or ""),
            instant(summary.first),
            instant(summary.last),
            str(summary.segments),
            length(summary.samples),
            length(summary.silence) if summary.silence else "",
        )
    report.console().print(rows)


def _print_segments(watch: WatchId, segments: Sequence[SegmentManifest]) -> None:
    """A table of the segments of one watch."""
    if not segments:
        report.console().print(f"{watch}: no segments")
        return
    rows = table("start (UTC)", "length", "recorder", "codec", "silence", "closed by", "opened after")
    for segment in segments:
        after = segment.opened_after
        rows.add_row(
            instant(segment.started_at),
            length(segment.samples),
            segment.recorder,
            printable(segment.codec),
            ", ".join(f"{reason} {length(samples)}" for reason, samples in _by_reason(segment).items()),
            segment.closed_by,
            f"{after.reason} {length(round(after.seconds * SAMPLE_RATE))}" if after else "",
        )
    out = report.console()
    out.print(f"{watch}{_name(segments[-1])}: {len(segments)} segments")
    out.print(rows)


def _watches_json(store_url: str, summaries: Iterable[WatchSummary]) -> dict[str, Any]:
    """The list of watches. Instants are ISO 8601, durations are seconds."""
    return {
        "store": store_url,
        "watches": [
            {
                **report.watch_json(summary.watch),
                "name": summary.name,
                "first": iso(summary.first),
                "last": iso(summary.last),
                "segments": summary.segments,
                "seconds": summary.samples / SAMPLE_RATE,
                "silence_seconds": summary.silence / SAMPLE_RATE,
                "problems": report.problems_json(summary.problems),
            }
            for summary in summaries
        ],
    }


def _segments_json(
    watch: WatchId, segments: Iterable[SegmentManifest], problems: Iterable[Problem]
) -> dict[str, Any]:
    """The segments of a watch, as their manifests say it."""
    return {
        "watch": report.watch_json(watch),
        "segments": [segment.model_dump(mode="json", by_alias=True) for segment in segments],
        "problems": report.problems_json(problems),
    }


def _by_reason(segment: SegmentManifest) -> Counter[str]:
    silence: Counter[str] = Counter()
    for entry in segment.ledger:
        silence[entry.reason.value] += entry.samples
    return silence


def _name(segment: SegmentManifest) -> str:
    return f" ({printable(segment.watch.name)})" if segment.watch.name else ""

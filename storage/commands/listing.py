"""`recordings list`: what was recorded, or the segments or days of one conference or call."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from storage import report
from storage.catalog import Catalog, Survey
from storage.commands import options
from storage.coverage import Coverage, cover, cover_by_day
from storage.layout import SAMPLE_RATE, Problem
from storage.lookup import is_pattern
from storage.manifest import SegmentManifest, names_of
from storage.names import WatchId, WatchKind
from storage.report import instant, iso, length, present, printable, table
from storage.store import ObjectStore


class By(StrEnum):
    """What the rows of one watch are."""

    SEGMENT = "segment"
    DAY = "day"


_By = Annotated[By | None, typer.Option("--by", help="What to list of one watch.  [default: segment]")]


@dataclass(frozen=True, slots=True)
class WatchSummary:
    """One watch in a list. `names` are all that it had, of watch list and platform, the last first."""

    watch: WatchId
    names: tuple[str, ...]
    segments: int
    coverage: Coverage
    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, watch: WatchId, survey: Survey) -> "WatchSummary":
        """Sum up what there is of a watch."""
        coverage = cover(survey.layout) if survey.layout else Coverage()
        return cls(watch, names_of(survey.segments), len(survey.segments), coverage, survey.problems)

    @property
    def name(self) -> str | None:
        """The last that it had."""
        return next(iter(self.names), None)


def list_recordings(
    context: typer.Context,
    *,
    id_: options.OptionalId = None,
    start: options.From = None,
    end: options.To = None,
    by: _By = None,
    kind: options.Kind = None,
    as_json: options.Json = False,
    store: options.Store = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    config: options.Config = None,
) -> None:
    """List what was recorded, or the segments or days of one conference or call; by a pattern, all it fits.

    Coverage is the audio that was recorded, in percent of it and of all silence, from the first to the last
    audio, in which there may have been more: disconnected, crash, stopped, missing ... Time in which a
    recorder listened and nothing came (idle, start) does not count. What two recorders have counts once.

    \b
    recordings list
    recordings list 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00
    recordings list 'board*'
    recordings list 1ed12456 --by day --from 2026-11-01 --to 2026-12-01
    recordings list --json | jq .watches[].id
    """  # noqa: D301 -- click reads \b as "do not rewrap"
    options.check_range(start, end)
    opened = options.open_store(options.place_of(store, endpoint_url, region, config).over(context.obj))
    catalog = Catalog(opened)
    if id_ is None:
        if by is not None:
            raise typer.BadParameter("--by is for one conference or call: say which")
        watches = catalog.watches(kinds=[kind] if kind else WatchKind)
        _list_watches(opened, catalog, watches, (start, end), as_json=as_json)
        return
    if by is None and is_pattern(id_):
        _list_watches(
            opened, catalog, options.find_watches(opened, catalog, id_, kind), (start, end), as_json=as_json
        )
        return
    watch = options.find_watch(opened, catalog, id_, kind)
    survey = catalog.survey(watch, start, end)
    if by is By.DAY:
        days = cover_by_day(survey.layout) if survey.layout else {}
        if as_json:
            report.print_json(_days_json(watch, days, survey.problems))
        else:
            _print_days(watch, days)
    elif as_json:
        report.print_json(_segments_json(watch, survey.segments, survey.problems))
    else:
        _print_segments(watch, survey.segments)
    options.end(survey.problems)


def _list_watches(
    store: ObjectStore,
    catalog: Catalog,
    watches: Iterable[WatchId],
    between: tuple[datetime | None, datetime | None],
    *,
    as_json: bool,
) -> None:
    summaries = [WatchSummary.of(watch, catalog.survey(watch, *between)) for watch in watches]
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
    rows = table(
        *("kind", "id", "name", "first (UTC)", "last (UTC)", "segments", "recorded", "silence", "coverage")
    )
    for summary in summaries:
        rows.add_row(
            summary.watch.kind,
            summary.watch.id,
            printable(summary.name or ""),
            instant(summary.coverage.first),
            instant(summary.coverage.last),
            str(summary.segments),
            *_counts(summary.coverage),
        )
    report.console().print(rows)


def _print_days(watch: WatchId, days: Mapping[date, Coverage]) -> None:
    """A table of the days of one watch."""
    if not days:
        report.console().print(f"{watch}: nothing was recorded")
        return
    rows = table("day (UTC)", "first", "last", "segments", "recorded", "silence", "coverage", "because")
    for day, coverage in days.items():
        rows.add_row(
            day.isoformat(),
            instant(coverage.first)[11:],
            instant(coverage.last)[11:],
            str(coverage.segments),
            *_counts(coverage),
            _reasons(coverage.silence),
        )
    out = report.console()
    out.print(f"{watch}: {len(days)} days")
    out.print(rows)


def _counts(coverage: Coverage) -> tuple[str, str, str]:
    """Recorded, silence and coverage, as in the help of the command."""
    silence = length(coverage.doubtful) if coverage.doubtful else ""
    return length(coverage.heard), silence, _percent(coverage)


def _percent(coverage: Coverage) -> str:
    """Rounded down: what is shown as 100 is all of it."""
    percent = coverage.percent
    return "" if percent is None else f"{math.floor(percent * 100) / 100:.2f}%"


def _print_segments(watch: WatchId, segments: Sequence[SegmentManifest]) -> None:
    """A table of the segments of one watch."""
    if not segments:
        report.console().print(f"{watch}: no segments")
        return
    observed = any(segment.platform for segment in segments)
    headings = ("start (UTC)", "length", "recorder", "codec", "silence", "closed by", "opened after")
    rows = table(*headings, *(["participants"] if observed else []))
    for segment in segments:
        after = segment.opened_after
        rows.add_row(
            instant(segment.started_at),
            length(segment.samples),
            segment.recorder,
            printable(segment.codec),
            _reasons(_by_reason(segment)),
            segment.closed_by,
            f"{after.reason} {length(round(after.seconds * SAMPLE_RATE))}" if after else "",
            *([present(segment.platform)] if observed else []),
        )
    out = report.console()
    names = ", ".join(map(printable, names_of(segments)))
    out.print(f"{watch}{f' ({names})' if names else ''}: {len(segments)} segments")
    out.print(rows)


def _watches_json(store_url: str, summaries: Iterable[WatchSummary]) -> dict[str, Any]:
    """The list of watches. Instants are ISO 8601, durations are seconds."""
    return {
        "store": store_url,
        "watches": [
            {
                **report.watch_json(summary.watch),
                "name": summary.name,
                "names": summary.names,
                "segments": summary.segments,
                **_coverage_json(summary.coverage),
                "problems": report.problems_json(summary.problems),
            }
            for summary in summaries
        ],
    }


def _days_json(watch: WatchId, days: Mapping[date, Coverage], problems: Iterable[Problem]) -> dict[str, Any]:
    """The days of a watch."""
    return {
        "watch": report.watch_json(watch),
        "days": [
            {"day": day.isoformat(), "segments": coverage.segments, **_coverage_json(coverage)}
            for day, coverage in days.items()
        ],
        "problems": report.problems_json(problems),
    }


def _coverage_json(coverage: Coverage) -> dict[str, Any]:
    """Seconds that were recorded, and of silence that counts; all silence by reason; and the coverage."""
    return {
        "first": iso(coverage.first),
        "last": iso(coverage.last),
        "seconds": coverage.heard / SAMPLE_RATE,
        "silence_seconds": coverage.doubtful / SAMPLE_RATE,
        "silence": {reason: samples / SAMPLE_RATE for reason, samples in coverage.silence.items()},
        "coverage_percent": coverage.percent,
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


def _reasons(silence: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {length(samples)}" for reason, samples in silence.items())

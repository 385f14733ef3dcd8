"""From the manifests of one recorder to one line of samples: cuts, and what is silence between them and why.

Pure: knows no store, no file and no second recorder.

Within a run, samples are what counts: a segment that continues the one before it follows it to the sample,
and its `started_at` is only a label. The label moves against the count as the sender's clock drifts, by some
milliseconds from one segment to the next. An instant is therefore looked up in the last segment that began at
or before it, so that a cut at T ends where the next cut, from T on, begins.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from storage.layout import (
    CLOCK,
    CORRUPT,
    LABEL_TOLERANCE,
    MISSING,
    UNACCOUNTED,
    Cut,
    Layout,
    Overlap,
    Pause,
    Problem,
    to_samples,
)
from storage.manifest import ClosedBy, OpenedAfter, OpenedAfterReason, SegmentManifest
from storage.names import SegmentName, are_of_one_life
from storage.succession import after_damaged

_RESTARTS = frozenset({OpenedAfterReason.CRASH, OpenedAfterReason.STOPPED})


def lay_out(
    segments: Sequence[SegmentManifest],
    problems: Sequence[Problem] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    orphans: Collection[SegmentName] = (),
    linked: Collection[SegmentName] = (),
) -> Layout | None:
    """Lay out the segments of one recorder from `start` to `end` (not included); None: all of it.

    `segments` are in the order of their names and may reach beyond the range. `problems` are those of
    manifests in it, `orphans` the segments whose predecessor is known to be missing, and `linked` those of
    which it is known to be there. None is returned where there is neither a segment nor a range.
    """
    damaged = set(after_damaged([each.name for each in segments], [problem.name for problem in problems]))
    runs = _runs(segments, {*orphans, *damaged})
    if start is None:
        start = min((run.started_at for run in runs), default=end)
    if end is None:
        end = max((run.ended_at for run in runs), default=start)
    if start is None or end is None:
        return None
    line = _Line(start, end, problems, orphans, linked)
    for run in runs:
        line.add(run)
    lost = _lost_before(segments, {*orphans} - damaged, start, end)
    return replace(line.finish(), orphans=tuple(lost))


def _lost_before(
    segments: Iterable[SegmentManifest], orphans: Collection[SegmentName], start: datetime, end: datetime
) -> Iterator[Problem]:
    """The orphans that begin in the range: what is lost before them is at least in part of it."""
    for segment in segments:
        if segment.name in orphans and start < segment.name.started_at < end:
            message = "the segment that its recorder sealed before it is not in the store"
            yield Problem(segment.name, segment.key, message)


class _Run:
    """Segments of one recorder that follow each other to the sample."""

    def __init__(self, segments: Sequence[SegmentManifest]) -> None:
        self.segments = segments
        self.started_at = segments[0].started_at
        self.ended_at = segments[-1].ended_at
        self.recorder = segments[0].recorder

    def cuts(self, start: datetime, end: datetime) -> Iterator[Cut]:
        """The samples from one instant to another."""
        first, first_sample = self._find(start)
        last, last_sample = self._find(end)
        for index in range(first, last + 1):
            segment = self.segments[index]
            cut = Cut(
                segment,
                first_sample if index == first else 0,
                last_sample if index == last else segment.samples,
            )
            if cut.samples:
                yield cut

    def _find(self, at: datetime) -> tuple[int, int]:
        """Which segment an instant falls in, and at which of its samples."""
        if at <= self.started_at:
            return 0, 0
        index = max((i for i, segment in enumerate(self.segments) if segment.started_at <= at), default=0)
        segment = self.segments[index]
        return index, min(max(to_samples(at - segment.started_at), 0), segment.samples)


def _runs(segments: Iterable[SegmentManifest], apart: Collection[SegmentName]) -> list[_Run]:
    """Runs of each recorder, in the order of their labels; the segments in `apart` begin a new one.

    A segment follows the one that its recorder opened before it, which has another label before it where the
    clock was set back; across two lives of a recorder, it follows the one that ended then.
    """
    found: list[list[SegmentManifest]] = []
    in_life = sorted(
        (each for each in segments if each.samples), key=lambda each: (each.recorder, each.number)
    )
    for segment in in_life:
        if found and _follows(found[-1][-1], segment, apart):
            found[-1].append(segment)
        else:
            found.append([segment])
    runs: list[list[SegmentManifest]] = []
    furthest: dict[str, list[SegmentManifest]] = {}
    for run in sorted(found, key=lambda run: run[0].started_at):
        before = furthest.get(run[0].recorder)
        is_other_life = before and not are_of_one_life(before[-1].name, run[0].name)
        if before and is_other_life and _follows(before[-1], run[0], apart):
            before += run
            continue
        runs.append(run)
        if before is None or run[-1].ended_at > before[-1].ended_at:
            furthest[run[0].recorder] = run
    return [_Run(run) for run in runs]


def _follows(before: SegmentManifest, segment: SegmentManifest, apart: Collection[SegmentName]) -> bool:
    distance = segment.started_at - before.ended_at
    if before.recorder != segment.recorder or abs(distance) > LABEL_TOLERANCE:
        return False
    # One recorder records one thing at a time: labels that overlap a little are a little wrong.
    return distance <= timedelta(0) or (segment.opened_after is None and segment.name not in apart)


def _in_order(opened_after: OpenedAfter, ended_at: datetime) -> Iterator[tuple[str, datetime]]:
    """The reasons of an absence that ended then and the instants they reach to, where they have an order.

    Across a restart they have: what was before it, the time without a recorder, and what came after. In one
    life of a recorder they may have taken turns.
    """
    if not _RESTARTS & opened_after.by_reason.keys():
        return
    at = ended_at - timedelta(seconds=opened_after.seconds)
    for reason, seconds in opened_after.by_reason.items():
        at += timedelta(seconds=seconds)
        yield reason.value, at


class _Line:
    """A layout that is being made, from left to right."""

    def __init__(
        self,
        start: datetime,
        end: datetime,
        problems: Sequence[Problem],
        orphans: Collection[SegmentName],
        linked: Collection[SegmentName],
    ) -> None:
        self._start = start
        self._end = end
        self._problems = problems
        self._orphans = orphans
        self._linked = linked
        self._at = start
        self._pieces: list[Cut | Pause] = []
        self._overlaps: list[Overlap] = []
        self._last: _Run | None = None

    def add(self, run: _Run) -> None:
        """Add what a run has beyond what is there already."""
        start = max(run.started_at, self._start)
        end = min(run.ended_at, self._end)
        if start >= end:
            if run.ended_at <= self._start:
                self._last = run  # says why the range begins with silence, if it does
            return
        if start < self._at and self._last is not None:
            until = min(self._at, end)
            cuts = tuple(run.cuts(start, until))
            self._overlaps.append(Overlap(start, until, self._last.recorder, run.recorder, cuts))
        if end <= self._at:
            return
        if start > self._at:
            self._wait_for(run.segments[0], start)
        self._pieces.extend(run.cuts(self._at, end))
        self._at = end
        self._last = run

    def finish(self) -> Layout:
        """The layout, with silence up to its end."""
        if self._at < self._end:
            self._pause(self._end, self._reason_after())
        return Layout(
            self._start, self._end, tuple(self._pieces), tuple(self._overlaps), tuple(self._problems)
        )

    def _pause(self, until: datetime, reason: str) -> None:
        samples = to_samples(until - self._at)
        if samples:
            self._pieces.append(Pause(self._at, samples, reason))
        self._at = until

    def _wait_for(self, segment: SegmentManifest, start: datetime) -> None:
        """Account for the time until `start`, at which `segment` begins.

        A segment answers for the seconds that it says it was opened after. What lies before them, as the time
        between two lives of a recorder, is what came of the segment before.
        """
        reason = self._reason_before(segment)
        if segment.opened_after and reason == segment.opened_after.reason.value:
            answered = min(segment.opened_after.seconds, (start - self._at).total_seconds())
            since = start - timedelta(seconds=answered)
            if since - self._at > LABEL_TOLERANCE:
                self._pause(since, self._reason_after())
            for part, until in _in_order(segment.opened_after, start):
                self._pause(max(self._at, min(until, start)), part)
        self._pause(start, reason)

    def _reason_before(self, segment: SegmentManifest) -> str:
        if self._is_damaged(segment.started_at):
            return CORRUPT
        if segment.name in self._orphans:
            return MISSING
        if segment.opened_after is None:
            return CLOCK if segment.name in self._linked else MISSING
        return segment.opened_after.reason.value

    def _reason_after(self) -> str:
        if self._is_damaged(self._end):
            return CORRUPT
        if self._last is None:
            return UNACCOUNTED
        closed_by = self._last.segments[-1].closed_by
        # After those two, a segment follows as soon as there is audio: it may still be on its way.
        return UNACCOUNTED if closed_by in {ClosedBy.GRID, ClosedBy.CODEC} else closed_by.value

    def _is_damaged(self, until: datetime) -> bool:
        """Whether a segment with a damaged manifest began since the last one and before `until`."""
        since = self._last.segments[-1].started_at if self._last else None
        begun = (problem.name.started_at for problem in self._problems)
        return any((since is None or since <= at) and at < until for at in begun)

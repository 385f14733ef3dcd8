"""From the lines of several recorders of one conference to one: each fills the silence of the others.

Pure. The audio of a recorder is given as long as it goes on, and then that of another that has what follows;
so there are as few joints as can be. What nobody has is silence, for the reason of who knows most about it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from storage.frame import Frame, Measured
from storage.layout import (
    CLOCK,
    CORRUPT,
    MISSING,
    UNACCOUNTED,
    Cut,
    Joint,
    Layout,
    Overlap,
    Pause,
    to_duration,
    to_samples,
)
from storage.manifest import GapReason, OpenedAfterReason
from storage.names import SegmentName
from storage.stretches import Gap, Stretch, take_apart

NO_OVERLAP = "they do not overlap"

_RANKS = (
    MISSING,
    CORRUPT,
    OpenedAfterReason.IDLE.value,  # it listened, so it knows more than those that did not
    *(reason.value for reason in GapReason),
    *(reason.value for reason in OpenedAfterReason),
    CLOCK,
    UNACCOUNTED,
)
"""Of several reasons for the same silence, the first of these is given."""

_RANK = {reason: rank for rank, reason in reversed(list(enumerate(_RANKS)))}


@dataclass(frozen=True, slots=True)
class _Span:
    """Samples `start` to `end` (not included) of the frame, which a stretch has."""

    start: int
    end: int
    node: int


@dataclass(frozen=True, slots=True)
class _Silence:
    """The same which a recorder does not have, why not, and the label of the first."""

    start: int
    end: int
    reason: str
    started_at: datetime


class Merge:
    """Several recorders' lines in one frame.

    Args:
        lines: by recorder; each may reach beyond what is asked for later.
        measured: how far stretches are apart, as audio shows, by their places in `stretches`.
        why_not: for pairs of stretches, in that order, why audio shows nothing.

    Attributes:
        stretches: those of all recorders.
    """

    def __init__(
        self,
        lines: Mapping[str, Layout],
        measured: Iterable[Measured] = (),
        why_not: Mapping[tuple[int, int], str] | None = None,
    ) -> None:
        self.stretches: list[Stretch] = []
        self._gaps: list[tuple[list[int], list[Gap]]] = []
        for recorder in sorted(lines):
            stretches, gaps = take_apart(recorder, lines[recorder])
            first = len(self.stretches)
            self.stretches += stretches
            self._gaps.append(([*range(first, len(self.stretches))], gaps))
        self._why_not = why_not or {}
        self._frame = Frame(self.stretches, measured)
        self._silences = [silence for nodes, gaps in self._gaps for silence in self._place(nodes, gaps)]
        self._nodes_of: dict[SegmentName, list[tuple[int, int]]] = {}
        for node, stretch in enumerate(self.stretches):
            for cut in stretch.cuts:
                self._nodes_of.setdefault(cut.segment.name, []).append((cut.start, node))
        self._start = 0

    def between(self, start: datetime, end: datetime, lines: Iterable[Layout]) -> Layout:
        """What lies between two instants. From then on, samples are counted from the first of them."""
        self._start = self._frame.at(start)
        samples = max(self._frame.at(end) - self._start, 0)
        overlaps = [
            overlap.between(start, end)
            for line in lines
            for overlap in line.overlaps
            if overlap.started_at < end and overlap.ended_at > start
        ]
        pieces = self.instead(0, samples, {})
        return Layout(
            start,
            end,
            tuple(pieces),
            tuple(sorted([*overlaps, *self._overlaps(samples)], key=lambda each: each.started_at)),
            tuple(problem for line in lines for problem in line.problems),
            self,
            tuple(each for line in lines for each in line.orphans if start < each.name.started_at < end),
        )

    def instead(self, at: int, samples: int, unusable: Mapping[SegmentName, str]) -> list[Cut | Pause]:
        """See `layout.Others`."""
        spans, silences = self._usable(unusable)
        start, end = self._start + at, self._start + at + samples
        pieces: list[Cut | Pause] = []
        for taken, until in _sweep(spans, start, end):
            if taken is None:
                pieces += _explain(silences, start, until)
            else:
                stretch, place = self.stretches[taken.node], self._frame.places[taken.node]
                pieces += stretch.between(start - place, until - place)
            start = until
        return pieces

    def joint(self, before: Cut, after: Cut) -> Joint:
        """See `layout.Others`."""
        one, other = self._find(before), self._find(after)
        if not self._frame.shown(one, other):
            return Joint(None, self._why_not.get((min(one, other), max(one, other)), NO_OVERLAP))
        stretch, place = self.stretches[other], self._frame.places[other]
        at = place + stretch.sample_at(after.started_at)
        label = self.stretches[one].label(at - self._frame.places[one])
        return Joint(to_samples(after.started_at - label))

    def _find(self, cut: Cut) -> int:
        """The stretch that a cut is of."""
        return max(entry for entry in self._nodes_of[cut.segment.name] if entry[0] <= cut.start)[1]

    def _usable(self, unusable: Mapping[SegmentName, str]) -> tuple[list[_Span], list[_Silence]]:
        """What there is to be heard, and what is silence, without some segments."""
        spans: list[_Span] = []
        silences = list(self._silences)
        for node, stretch in enumerate(self.stretches):
            place = self._frame.places[node]
            start = place
            for begins, cut in zip(stretch.starts, stretch.cuts, strict=True):
                reason = unusable.get(cut.segment.name)
                if reason is None:
                    continue
                first = place + begins
                if start < first:
                    spans.append(_Span(start, first, node))
                start = first + cut.samples
                silences.append(_Silence(first, start, reason, cut.started_at))
            if start < place + stretch.samples:
                spans.append(_Span(start, place + stretch.samples, node))
        return spans, silences

    def _place(self, nodes: Sequence[int], gaps: Iterable[Gap]) -> Iterator[_Silence]:
        """The silence of one recorder, in the frame: from the stretch before it to the one that follows."""
        gaps = list(gaps)
        for index, gap in enumerate(gaps):
            start = self._place_of(nodes, gap)
            end = start + gap.pause.samples
            if gap.after < len(nodes):
                following = self._frame.places[nodes[gap.after]]
                last = index + 1 == len(gaps) or gaps[index + 1].after != gap.after
                end = following if last else min(end, following)
            if start < end:
                yield _Silence(start, end, gap.pause.reason, gap.pause.started_at)

    def _place_of(self, nodes: Sequence[int], gap: Gap) -> int:
        if gap.after:
            before = nodes[gap.after - 1]
            stretch = self.stretches[before]
            return self._frame.end(before) + gap.at - stretch.at - stretch.samples
        if nodes:
            return self._frame.places[nodes[0]] + gap.at - self.stretches[nodes[0]].at
        return self._frame.at(gap.pause.started_at)

    def _overlaps(self, samples: int) -> Iterator[Overlap]:
        """Where audio of more than one recorder was there, and which was left out."""
        start, end = self._start, self._start + samples
        spans, _ = self._usable({})
        for taken, until in _sweep(spans, start, end):
            for span in spans:
                if taken is None or self.stretches[span.node].recorder == self.stretches[taken.node].recorder:
                    continue
                first, last = max(start, span.start), min(until, span.end)
                if first < last:
                    stretch, place = self.stretches[taken.node], self._frame.places[taken.node]
                    yield Overlap(
                        stretch.label(first - place),
                        stretch.label(last - place),
                        stretch.recorder,
                        self.stretches[span.node].recorder,
                    )
            start = until


def _sweep(spans: Sequence[_Span], start: int, end: int) -> Iterator[tuple[_Span | None, int]]:
    """What is to be heard from `start` on and until where, up to `end`; None is silence."""
    spans = sorted((span for span in spans if span.end > start and span.start < end), key=lambda s: s.start)
    at, index = start, 0
    reaching: _Span | None = None
    while at < end:
        furthest = reaching if reaching and reaching.end > at else None
        while index < len(spans) and spans[index].start <= at:
            if spans[index].end > (furthest.end if furthest else at):
                furthest = spans[index]
            index += 1
        reaching = furthest
        if furthest is not None:
            until = min(furthest.end, end)
        else:
            until = min(spans[index].start, end) if index < len(spans) else end
        yield furthest, until
        at = until


def _explain(silences: Iterable[_Silence], start: int, end: int) -> Iterator[Pause]:
    """Silence that nobody fills, with the best of the reasons there are."""
    here = [silence for silence in silences if silence.start < end and silence.end > start]
    edges = {start, end, *(each.start for each in here), *(each.end for each in here)}
    cuts = sorted(edge for edge in edges if start <= edge <= end)
    known = Pause(datetime.max.replace(tzinfo=UTC), 0, UNACCOUNTED)
    for first, last in pairwise(cuts):
        there = [silence for silence in here if silence.start <= first and silence.end >= last]
        best = min(there, key=lambda each: _RANK.get(each.reason, 0), default=None)
        if best is None:  # a sample or so between what two recorders say
            known = Pause(known.started_at + to_duration(known.samples), last - first, known.reason)
        else:
            known = Pause(best.started_at + to_duration(first - best.start), last - first, best.reason)
        yield known

"""One recorder's line, taken apart: stretches of audio that hang together to the sample, and gaps between.

Pure. Within a stretch nothing is silence of ours, so that what another recorder has of the same audio lies at
one distance from it, whatever the labels say.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.layout import Cut, Layout, Pause, to_duration, to_samples


@dataclass(frozen=True, slots=True)
class Stretch:
    """Audio of one recorder without silence of ours; `at` is where it begins in that recorder's line."""

    recorder: str
    at: int
    cuts: tuple[Cut, ...]
    starts: tuple[int, ...]
    """At which sample of the stretch each of its cuts begins."""
    samples: int

    @property
    def started_at(self) -> datetime:
        """The label of its first sample."""
        return self.cuts[0].started_at

    @property
    def ended_at(self) -> datetime:
        """The label just after its last sample."""
        return self.label(self.samples)

    def label(self, sample: int) -> datetime:
        """The label of one of its samples, or of one beyond its ends."""
        index = max(bisect_right(self.starts, sample) - 1, 0)
        index = min(index, len(self.cuts) - 1)
        away = sample - self.starts[index]
        started_at = self.cuts[index].started_at
        return started_at + to_duration(away) if away >= 0 else started_at - to_duration(-away)

    def sample_at(self, instant: datetime) -> int:
        """The sample that has a label; beyond its ends, where it would be."""
        index = bisect_right(self.cuts, instant, key=lambda cut: cut.started_at) - 1
        if index < 0:
            return to_samples(instant - self.started_at)
        last = index == len(self.cuts) - 1
        sample = self.starts[index] + to_samples(instant - self.cuts[index].started_at)
        return sample if last else min(sample, self.starts[index + 1])

    def between(self, start: int, stop: int) -> Iterator[Cut]:
        """Its samples `start` to `stop` (not included)."""
        for begins, cut in zip(self.starts, self.cuts, strict=True):
            first, last = max(start - begins, 0), min(stop - begins, cut.samples)
            if first < last:
                yield cut.part(first, last)


@dataclass(frozen=True, slots=True)
class Gap:
    """Silence of ours in a recorder's line, from its sample `at` on; `after` counts the stretches before."""

    recorder: str
    at: int
    after: int
    pause: Pause


def take_apart(recorder: str, line: Layout) -> tuple[list[Stretch], list[Gap]]:
    """The stretches and the gaps of a line, each in order."""
    stretches: list[Stretch] = []
    gaps: list[Gap] = []
    open_cuts: list[Cut] = []

    def close(at: int) -> None:
        if open_cuts:
            stretches.append(_stretch(recorder, at, open_cuts))
            open_cuts.clear()

    at = 0
    for piece in _pieces(line):
        if isinstance(piece, Cut):
            if open_cuts and not _follows(open_cuts[-1], piece):
                close(at)
            open_cuts.append(piece)
        else:
            close(at)
            gaps.append(Gap(recorder, at, len(stretches), piece))
        at += piece.samples
    close(at)
    return stretches, gaps


def _follows(before: Cut, cut: Cut) -> bool:
    """Whether no sample is between them. Where two labels of one recorder overlap, some were left out."""
    return before.stop == before.segment.samples and cut.start == 0


def _stretch(recorder: str, end: int, cuts: Sequence[Cut]) -> Stretch:
    starts, samples = [], 0
    for cut in cuts:
        starts.append(samples)
        samples += cut.samples
    return Stretch(recorder, end - samples, tuple(cuts), tuple(starts), samples)


def _pieces(line: Layout) -> Iterator[Cut | Pause]:
    """The pieces of a line, and silence within segments as pieces of their own."""
    for piece in line.pieces:
        if isinstance(piece, Pause):
            yield piece
            continue
        at = piece.start
        for entry in piece.segment.ledger:
            first, last = max(entry.start, piece.start), min(entry.end, piece.stop)
            if first >= last:
                continue
            if at < first:
                yield Cut(piece.segment, at, first)
            started_at = piece.segment.started_at + to_duration(first)
            yield Pause(started_at, last - first, entry.reason.value)
            at = last
        if at < piece.stop:
            yield Cut(piece.segment, at, piece.stop)

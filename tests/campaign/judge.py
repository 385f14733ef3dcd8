"""The judge: what was handed to the transports against what a bucket gives back, by place on the tape.

A sample that was heard has one place in its conference. Where two that follow each other in the bucket do not
follow each other there, audio was lost, and the bucket must say so, at that place and to that length. Knows
no daemon, no store and no fault.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from recorder.simulator.record import Run
from recorder.simulator.verdict import Fetched
from storage.layout import FAILURES, UNACCOUNTED
from tests.campaign.tape import MarkedTape, Samples

NO_REASONS = FAILURES | {UNACCOUNTED}
"""What a bucket says of silence that it cannot account for. Such is lost, and not reported."""

Stretch = tuple[int, int]
"""From one position of the conference to another, not included."""


@dataclass(frozen=True)
class Judgement:
    """One watch. Counts of samples.

    Attributes:
        sent: handed to transports.
        lost: of the conference, between the first and the last that are in the bucket: those that are not.
        reported: what the bucket says of the same, with a reason.
        dropped: of each connection, those that were sent on it and are not in the bucket.
        carried: by each connection.
        wrong: in the bucket, and never sent, or there twice, or in another order, or called silence and none.
        astray: by how many the bucket is wrong about the length of the gap of which it is most wrong.
        worst: that gap: how many samples after the first of the conference it is, how long it was, and how
            long it is said to have been.
    """

    sent: int
    lost: int
    reported: int
    dropped: tuple[int, ...]
    carried: tuple[int, ...]
    wrong: int
    astray: int
    worst: tuple[int, int, int] = (0, 0, 0)

    @property
    def disagreement(self) -> int:
        """By how many the reported differ from the lost, over all gaps."""
        return abs(self.lost - self.reported)


@dataclass
class _Line:
    """The bucket's line of samples, followed from its first to its last."""

    tape: MarkedTape
    begin: int
    end: int | None = None
    lost: int = 0
    reported: int = 0
    wrong: int = 0
    astray: int = 0
    worst: tuple[int, int, int] = (0, 0, 0)
    recorded: list[Stretch] = field(default_factory=list)
    _silent: int = 0  # since the last sample that was heard
    _accounted: int = 0  # of these

    def pause(self, samples: int, *, accounted: bool) -> None:
        self._silent += samples
        self._accounted += samples if accounted else 0

    def hear(self, block: Samples) -> None:
        while len(block):
            position = self._follows(block)
            if position is None:
                found = self.tape.find(block)
                unknown = len(block) if found is None else found[0]
                self.wrong += unknown
                block = block[unknown:]
                if found is None:
                    return
                position = self._unrolled(found[1])
            count = self._alike(block, position)
            self._take(position, position + count)
            block = block[count:]

    def _follows(self, block: Samples) -> int | None:
        """The position of a block that goes on where the last one ended."""
        if self.end is None or self._silent or block[0] != self.tape.at(self.end, 1)[0]:
            return None
        return self.end

    def _unrolled(self, on_tape: int) -> int:
        """The position of a place on the tape that is nearest after the last, or shortly before it."""
        length = len(self.tape)
        if self.end is None:
            return self.begin + (on_tape - self.begin) % length
        ahead = (on_tape - self.end) % length
        return self.end + (ahead if ahead <= length * 3 // 4 else ahead - length)

    def _alike(self, block: Samples, position: int) -> int:
        different = np.flatnonzero(block != self.tape.at(position, len(block)))
        return int(different[0]) if len(different) else len(block)

    def _take(self, begin: int, end: int) -> None:
        if self.end is not None:
            missing = begin - self.end
            self.wrong += min(end - begin, max(0, -missing))
            self.lost += max(0, missing)
            self._weigh(max(0, missing))
            self.reported += self._accounted
        self._silent = self._accounted = 0
        self.recorded.append((begin, end))
        self.end = max(end, self.end or end)

    def _weigh(self, missing: int) -> None:
        astray = abs(missing - self._accounted)
        if astray > self.astray:
            assert self.end is not None
            self.astray, self.worst = astray, (self.end - self.begin, missing, self._accounted)


def judge(tape: MarkedTape, connections: Sequence[Iterable[Run]], fetched: Fetched) -> Judgement:
    """Compare what was sent of `tape`, connection by connection, with what was fetched."""
    sent = [[(run.position, run.end) for run in runs] for runs in connections]
    everything = _union(stretch for each in sent for stretch in each)
    line = _Line(tape, begin=everything[0][0] if everything else 0)
    for content in _contents(fetched):
        match content:
            case (samples, reason):
                line.pause(samples, accounted=reason not in NO_REASONS)
            case block:
                line.hear(block)
    recorded = _union(line.recorded)
    carried = tuple(sum(end - begin for begin, end in each) for each in sent)
    return Judgement(
        sent=sum(carried),
        lost=line.lost,
        reported=line.reported,
        dropped=tuple(_beyond(each, recorded) for each in sent),
        carried=carried,
        wrong=line.wrong + _beyond(recorded, everything) + (0 if fetched.silent() else 1),
        astray=line.astray,
        worst=line.worst,
    )


def _contents(fetched: Fetched) -> Iterator[Samples | tuple[int, str]]:
    """What was fetched, in order: samples that were heard, and the lengths and reasons of silence."""
    at = 0
    for start, count, reason in fetched.silence:
        if start > at:
            yield fetched.samples[at:start]
        yield count, reason
        at = start + count
    if at < len(fetched.samples):
        yield fetched.samples[at:]


def _union(stretches: Iterable[Stretch]) -> list[Stretch]:
    united: list[Stretch] = []
    for begin, end in sorted(stretches):
        if united and begin <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        elif begin < end:
            united.append((begin, end))
    return united


def _beyond(stretches: Iterable[Stretch], within: Sequence[Stretch]) -> int:
    """How many of `stretches` lie in none of `within`, which is in order and does not overlap."""
    beyond = 0
    for begin, end in stretches:
        covered = sum(max(0, min(end, last) - max(begin, first)) for first, last in within)
        beyond += end - begin - covered
    return beyond

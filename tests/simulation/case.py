"""One watch of a world: what was said to it against the segments that were recorded of it.

Every sample is looked for on the tape, every silence in what was said and when. Knows no bucket and no spool.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storage.manifest import GapReason, OpenedAfterReason, SegmentManifest
from tests.simulation.plan import Death
from tests.simulation.platform import READ_INTERVAL, Said, Truth
from tests.simulation.tape import SAMPLE_RATE, find
from tests.simulation.world import Outcome, wall_offset
from tests.virtual import BEGIN

PLACE: Final = 0.35
"""Seconds by which audio may be off its place, beside half a message: tolerances of gaps, labels, jitter."""
TAKEN: Final = 1.5
"""Seconds of audio before a kill that it may take: two reads, and what is gathered for the disk."""
RECOVERY: Final = 1.0
"""Seconds that a start may take before anything is watched. More where the disk is slow."""
SLOWEST: Final = 300e-6
"""Seconds a second by which two clocks may drift apart."""
SETTLES: Final = 5.0
"""Seconds for which a new connection that brings nothing counts as none."""
KNOWN_WITHIN: Final = 20.0
"""Seconds after which the recorder knows that somebody is there, or that nobody can be asked."""
WEIGHED: Final = 9.0
"""Seconds after audio set in for which it may be held: until its codec is known and its place decided."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it was found, wherever it was; `life` is an index of the outcome's lives."""

    manifest: SegmentManifest
    samples: NDArray[np.int16]
    life: int

    @property
    def order(self) -> tuple[int, int]:
        return self.life, self.manifest.number


@dataclass(slots=True)
class Verdict:
    """What was found: everything that breaks the promise, and some figures."""

    faults: list[str]
    segments: int = 0
    heard: int = 0
    taken: int = 0
    given_up: int = 0
    silence: int = 0
    in_spool: int = 0


class Case:
    """One watch: what was said to it against what was recorded of it."""

    def __init__(self, outcome: Outcome, truth: Truth, segments: list[Segment], verdict: Verdict) -> None:
        self._outcome = outcome
        self._truth = truth
        self._segments = segments
        self._verdict = verdict
        self._said = truth.said
        self._firsts = [said.first for said in truth.said]
        self._tape = truth.tape.heard(truth.samples)
        self._late = 0.0  # seconds by which a part of the segment may seem late
        self._silence = 0.0  # seconds of the ledger since the last audio
        self._given_up = 0  # samples since the last audio that the ledger says the disk did not take
        self._timeless = False  # whether only a wall clock that was stepped knows how long ago that was
        self._at = 0  # samples of the tape that have been found
        self._wave_began = {said.wave: said.at for said in reversed(truth.said)}
        # Gaps are whole messages: what that leaves of one is made good in the next.
        self._longest = max((each.samples for each in truth.said), default=0) / SAMPLE_RATE
        self._ends = {each.life: each.first + each.samples for each in truth.said}
        self._delays = list(_least_delays(truth.said))

    def judge(self) -> None:
        """Add what breaks the promise to the verdict."""
        for before, segment in zip([None, *self._segments], self._segments, strict=False):
            last, bridged = self._at - 1, self._silence
            self._segment(segment)
            heard = segment.manifest.samples - segment.manifest.silence
            if heard and not self._timeless:
                self._absence(before, segment, self._at - heard, last, bridged)
            elif not heard and (after := segment.manifest.opened_after):
                # The disk took nothing of it. What the time before it was shows when audio is found again.
                self._silence += after.seconds
                self._timeless |= bool(self._outcome.plan.steps) and (
                    before is None or before.life != segment.life
                )
            self._timeless &= not heard
        self._take(self._truth.samples, None)

    def _fault(self, text: str, segment: Segment | None = None) -> None:
        place = f" in {segment.manifest.name.stem} (life {segment.life})" if segment else ""
        self._verdict.faults.append(text + place)

    def _segment(self, segment: Segment) -> None:
        """Find every piece of its audio on the tape, and in its place."""
        at = 0
        self._late = 0.0
        for entry in segment.manifest.ledger:
            self._piece(segment, at, segment.samples[at : entry.start])
            at = entry.start + entry.samples
            if segment.samples[entry.start : at].any():
                self._fault(f"audio in a silence at sample {entry.start}", segment)
            self._reason(segment, entry.start, at, entry.reason)
            self._silence += entry.samples / SAMPLE_RATE
            self._given_up += entry.samples if entry.reason is GapReason.DISK else 0
            self._verdict.silence += entry.samples
        self._piece(segment, at, segment.samples[at:])

    def _piece(self, segment: Segment, start: int, piece: NDArray[np.int16]) -> None:
        if not len(piece):
            return
        self._silence = 0.0
        if not np.array_equal(piece, self._tape[self._at : self._at + len(piece)]):
            found = find(piece, self._tape, self._at)
            if found is None:
                repeated = find(piece, self._tape, 0)
                what = "was there already" if repeated is not None else "was never said"
                self._fault(f"{len(piece)} samples at sample {start}: {what}", segment)
                return
            self._take(found, segment)
            if not np.array_equal(piece, self._tape[found : found + len(piece)]):
                same = piece[: len(self._tape) - found] == self._tape[found : found + len(piece)]
                self._fault(f"samples differ after {int(np.argmin(same))} at sample {start}", segment)
        self._place(segment, start, self._at)
        self._place(segment, start + len(piece) - 1, self._at + len(piece) - 1)
        self._at += len(piece)
        self._verdict.heard += len(piece)
        self._given_up = 0

    def _take(self, until: int, segment: Segment | None) -> None:
        """See that what is missing before sample `until` of the tape is what a kill may take."""
        while self._at < until:
            said = self._of(self._at)
            missing = min(until, said.first + said.samples) - self._at
            if self._given_up:
                missing = min(missing, self._given_up)
                self._given_up -= missing
                self._verdict.given_up += missing
            elif not self._may_be_taken(said):
                self._fault(
                    f"lost: {missing} samples from {self._at} of the tape on, said at {said.at:.3f}"
                    f" in life {said.life}",
                    segment,
                )
            else:
                self._verdict.taken += missing
            self._at += missing

    def _may_be_taken(self, said: Said) -> bool:
        life = self._outcome.lives[said.life]
        if life.death is Death.STOPPED:
            return False
        bound = TAKEN + 2 * said.samples / SAMPLE_RATE
        if any(spell.begin - 5 <= life.ended < spell.end + 10 for spell in self._outcome.plan.slow_disk):
            bound += 10.0
        if self._ends[said.life] - said.first <= bound * SAMPLE_RATE:
            return True
        return life.ended - self._wave_began[said.wave] < WEIGHED

    def _of(self, sample: int) -> Said:
        return self._said[bisect_right(self._firsts, sample) - 1]

    def _spoken(self, sample: int) -> float:
        said = self._of(sample)
        return said.spoken + (sample - said.first) / said.rate

    def _time(self, segment: Segment, sample: int, near: float) -> float:
        """When a sample was recorded by the segment's label, as seconds of the world."""
        label = segment.manifest.started_at + timedelta(seconds=sample / SAMPLE_RATE)
        offsets = {
            wall_offset(self._outcome.plan, began)
            for began, _, life in self._truth.connected
            if life == segment.life and began <= near + 60
        }
        times = [(label - BEGIN - offset).total_seconds() for offset in offsets]
        return min(times, key=lambda time: abs(time - near), default=(label - BEGIN).total_seconds())

    def _place(self, segment: Segment, sample: int, of_tape: int) -> None:
        said, spoken = self._of(of_tape), self._spoken(of_tape)
        if said.life != segment.life:
            self._fault(f"sample {sample} was said in life {said.life}", segment)
        off = self._time(segment, sample, spoken) - spoken
        # What came late and was followed by nothing in time seems to have been spoken late, and what
        # continues it in its segment with it.
        self._late = max(self._late, self._delays[bisect_right(self._firsts, of_tape) - 1])
        bound = PLACE + SLOWEST * sample / SAMPLE_RATE + self._longest / 2
        bound += self._truth.programme.gathers * READ_INTERVAL
        if not -bound <= off <= bound + self._late:
            self._fault(f"sample {sample} is {off:+.3f} s off its place, said at {said.at:.3f}", segment)

    def _reason(self, segment: Segment, start: int, end: int, reason: GapReason) -> None:
        """See that a silence is for the reason that it is given."""
        near = self._spoken(max(0, min(self._at, self._truth.samples) - 1))
        since = self._time(segment, start, near) - 1
        until = since + (end - start) / SAMPLE_RATE + 2
        if reason is GapReason.DISCONNECTED:
            is_true = self._unconnected(since - SETTLES, until) > 0
        elif reason is GapReason.STALLED:
            is_true = any(began < until and ended > since for began, ended, _ in self._truth.connected)
        elif reason is GapReason.DISK:
            is_true = any(
                spell.begin < until + 10 + self._outcome.plan.idle_after and since - 10 < spell.end
                for spell in self._outcome.plan.full_disk
            )
        else:
            is_true = any(talk.lossy for talk in self._truth.programme.talks)
        if not is_true:
            self._fault(f"{end - start} samples at {start} are not {reason.value}", segment)

    def _unconnected(self, since: float, until: float) -> float:
        """Seconds without a connection between two moments."""
        connected = sum(
            max(0.0, min(ended, until) - max(began, since)) for began, ended, _ in self._truth.connected
        )
        return until - since - connected

    def _away(self, since: float, until: float) -> tuple[float, float]:
        """Seconds, at least and at most, that count as without a connection: not those with nobody there."""
        most = self._unconnected(since, until)
        if not self._outcome.plan.observed:
            return most, most
        stays = self._outcome.knowledge.presences[self._truth.programme.watch.watch_id].stays
        spans = [(max(since, stay.begin), min(until, stay.end)) for stay in stays]
        missed = [self._unconnected(begin, end) - KNOWN_WITHIN for begin, end in spans if begin < end]
        return sum(max(0.0, seconds) for seconds in missed), most

    def _absence(
        self, before: Segment | None, segment: Segment, first: int, last: int, bridged: float
    ) -> None:
        """See that the time before a segment is accounted for, and by what it was.

        `first` is the sample of the tape that it begins with, `last` that which was found last, less than 0
        where none was; `bridged` is how much silence stands in the ledger since that.
        """
        opened_after = segment.manifest.opened_after
        begun = before is None or before.life != segment.life
        if opened_after is None:
            if before is None or begun:
                self._fault("the first of a life does not say what was before it", segment)
            else:
                self._continues(before, segment)
            return
        said = self._of(first)
        bound = 2 * PLACE + said.samples / said.rate + READ_INTERVAL + self._late
        now = self._spoken(first) - _leading(segment) / SAMPLE_RATE
        if last < 0:
            since = self._watched_since(segment.life, now) + bridged
            bound += RECOVERY
        elif begun or any(self._of(last).at < s.end < said.at for s in self._truth.programme.unwatched):
            if self._outcome.plan.steps:
                return  # how long nobody lived, only the wall clock can tell
            since = self._spoken(last) + bridged
            bound += RECOVERY + self._of(last).samples / SAMPLE_RATE
            bound += self._delays[bisect_right(self._firsts, last) - 1]
        else:
            heard = self._of(last)
            since = heard.spoken + heard.samples / heard.rate + bridged
            bound += heard.samples / heard.rate + self._delays[bisect_right(self._firsts, last) - 1]
            least, most = self._away(heard.at, max(heard.at, said.at))
            named = opened_after.by_reason.get(OpenedAfterReason.DISCONNECTED, 0.0)
            # What was silent on a connection before it was lost is bridged as if there had been none.
            off = bound + bridged + self._outcome.plan.idle_after
            if not max(0.0, least - bridged) - off <= named <= max(0.0, most - bridged) + off:
                self._fault(f"{named} s without a connection were {least:.3f} to {most:.3f} s", segment)
        if abs(opened_after.seconds - (now - since)) > bound + SLOWEST * (now - since):
            self._fault(f"{opened_after.seconds} s of absence were {now - since:.3f} s", segment)

    def _continues(self, before: Segment, segment: Segment) -> None:
        apart = (segment.manifest.started_at - before.manifest.ended_at).total_seconds()
        offsets = {wall_offset(self._outcome.plan, began) for began, _, _ in self._truth.connected}
        steps = {(one - other).total_seconds() for one in offsets for other in offsets}
        bound = PLACE + self._longest + READ_INTERVAL
        if all(abs(apart - step) > bound + self._late for step in steps):
            self._fault(f"continues what ended {apart:.3f} s before", segment)

    def _watched_since(self, life: int, now: float) -> float:
        watched = (spell.end for spell in self._truth.programme.unwatched if spell.end <= now)
        return max(self._outcome.lives[life].began, *watched, 0.0)


def _leading(segment: Segment) -> int:
    """Samples of silence that a segment begins with: what the disk did not take of its audio."""
    at = 0
    for entry in segment.manifest.ledger:
        if entry.start != at:
            break
        at += entry.samples
    return at


def _least_delays(said: list[Said]) -> Iterator[float]:
    """For each message, the least time that it or any after it in its wave took to come."""
    least: dict[int, float] = {}
    delays = []
    for each in reversed(said):
        delay = each.at - each.spoken - each.samples / each.rate
        least[each.wave] = min(least.get(each.wave, delay), delay)
        delays.append(least[each.wave])
    return reversed(delays)

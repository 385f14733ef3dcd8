"""The judge of a day: what was promised, against what was there, what was recorded, and what was asked for.

What is promised of a watch, by the seconds with somebody in it:

- what was sent is in the bucket, to the sample, and nothing else is;
- what was not sent to us is silence of the right length there, for the reason that we did not listen; but
  for what lies before we could know that somebody had come, which has a bound, and what comes after the last
  audio;
- nobody is asked for a stream of a conference that is known to be empty, nor often for any;
- the stream of one that is over is closed within seconds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from recorder.simulator import Ended
from storage.manifest import OpenedAfterReason
from storage.names import WatchId
from tests.day.ground import Outcome, Recorded
from tests.day.spans import Span, both, length, minus, touches
from tests.day.truth import Sent, Truth, TruthOf

PROMPT: Final = 3.0
"""Seconds from the first participant to the first audio, while API and events are there. Up to 1.2 of them
are the platform's own: an event is late, and a stream is set up."""
POLLED: Final = 8.0
"""The same while there is the API alone: a list every three, and what no list has every five."""
STALE: Final = 23.0
"""The same of those who are in another bridge than the stream that stands."""
CLOSED: Final = 5.0
"""Seconds from the end of a conference until its stream is closed, while the API is there."""
RETRIED: Final = 5.0
"""Seconds that a stream that was cut may be missing, unless nobody is let in: all may be cut at once."""
THROTTLED: Final = 12.0
"""Seconds after a time in which all were sent away until the last of ours has asked again."""
FORGIVEN: Final = 0.3
"""Seconds by which a length may be wrong: everything shares one machine."""
AT_ONCE: Final = 0.1
"""Seconds within which two things happen together."""
ASKED_AGAIN: Final = 65.0
"""Seconds after an outage until the API is asked again: as long as others who are sent away may wait."""
READ_LATE: Final = 0.5
"""Seconds until it is read that a stream has ended; until then it stood."""
MOST_A_SECOND: Final = 17
MOST_IN_TEN: Final = 6
"""Streams of one watch that may be asked for within ten seconds, whatever happens."""
_NO_REASONS: Final = frozenset({OpenedAfterReason.IDLE, OpenedAfterReason.START})


@dataclass
class Judgement:
    """One watch. Seconds.

    Attributes:
        present: with somebody in it.
        sent: that the platform sent us.
        late: from each first participant to the first audio.
        missed: with somebody in it, and nothing sent to us.
        idle: of those, such as the bucket calls idle.
        closing: from each end until its stream was closed.
        streams: that were asked for.
    """

    watch: WatchId
    story: str
    present: float = 0.0
    sent: float = 0.0
    late: list[float] = field(default_factory=list)
    missed: float = 0.0
    idle: float = 0.0
    closing: list[float] = field(default_factory=list)
    streams: int = 0
    silence: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def judge(outcome: Outcome) -> tuple[list[Judgement], list[str]]:
    """Every watch, and what is wrong with the day as a whole."""
    truth = Truth(outcome)
    return [_Case(outcome, truth, watch).judge() for watch in outcome.plan.watches], list(_of_all(truth))


def _of_all(truth: Truth) -> Iterator[str]:
    outcome = truth.outcome
    moments = [asked.at for asked in outcome.platform.asked]
    most = max(sum(1 for at in moments[n : n + 40] if at < first + 1) for n, first in enumerate(moments))
    if most > MOST_A_SECOND + math.ceil(MOST_A_SECOND * outcome.starving.platform):
        yield f"{most} requests within a second"
    for asked in outcome.platform.asked:
        if asked.status == 429 and not touches(truth.throttled, asked.at - 0.1, asked.at):
            yield f"429 for {asked.target} after {asked.at - outcome.began:.2f} s, where there was room"
    for _, end, until in truth.outages:
        if min(until, outcome.stopped) - end > ASKED_AGAIN:
            yield f"the API was there again after {end - outcome.began:.1f} s, and nobody asked it"
    if outcome.status or outcome.other:
        yield f"exit status {outcome.status}; {outcome.other}"
    yield from (str(line) for line in outcome.log if "nobody expected" in line["event"])
    if outcome.verdict:
        yield f"recordings verify: {outcome.verdict}"


class _Case:
    """One watch on trial."""

    def __init__(self, outcome: Outcome, truth: Truth, watch: WatchId) -> None:
        self._day = truth
        self._of: TruthOf = truth.of(watch)
        self._recorded: Recorded = outcome.recorded[watch]
        self._began, self._watching, self._stopped = outcome.began, outcome.watching, outcome.stopped
        self._forgiven = outcome.starving.seconds
        self._found = Judgement(watch, outcome.plan.stories[watch])

    def judge(self) -> Judgement:
        found, sent = self._found, self._of.sent
        found.present, found.sent = length(self._of.presence), sum(each.end - each.begin for each in sent)
        found.streams = len(self._of.asked)
        for by_reason in self._recorded.silences.values():
            for reason, seconds in by_reason.items():
                found.silence[reason] = found.silence.get(reason, 0.0) + seconds
        self._compare_samples()
        self._compare_silences(sent)
        self._judge_missed(sent)
        self._judge_closing()
        self._judge_asking()
        return found

    def _compare_samples(self) -> None:
        sent, heard = self._of.samples, self._recorded.heard
        if len(sent) != len(heard):
            self._blame(f"{len(sent)} samples were sent, and {len(heard)} are in the bucket")
        most = min(len(sent), len(heard))
        wrong = np.flatnonzero(sent[:most] != heard[:most])
        if len(wrong):
            self._blame(f"{len(wrong)} samples are not what was sent, from number {wrong[0]} on")

    def _compare_silences(self, sent: Sequence[Sent]) -> None:
        """Where nothing was sent for a while there is as much silence, and none where it went on."""
        true, at = dict[int, Span](), 0
        for before, after in pairwise(sent):
            at += before.samples
            true[at] = before.end, after.begin
        for at in sorted({*true, *self._recorded.silences} - {0}):
            if at == len(self._recorded.heard):
                self._judge_tail(sent[-1].end if sent else self._began, self._recorded.silences[at])
                continue
            begin, end = true.get(at, (0.0, 0.0))
            said = self._recorded.silences.get(at, {})
            if abs(sum(said.values()) - (end - begin)) > FORGIVEN + self._forgiven:
                self._blame(
                    f"{self._span(begin, end)}: {end - begin:.2f} s of silence are said to be"
                    f" {said or 'none'}, before sample {at}"
                )
                continue
            self._judge_reasons(begin, end, said)

    def _judge_tail(self, end: float, said: dict[str, float]) -> None:
        """An end is no gap, unless nobody could know that it was one."""
        over = [at for at in self._of.ends if abs(at - end) < AT_ONCE]
        if over and not touches([*self._day.blind, *self._day.deaf], end, end + CLOSED):
            self._blame(f"{self._span(end, end)}: it was over, and it says {said} after that")

    def _judge_reasons(self, begin: float, end: float, said: dict[str, float]) -> None:
        missed = both(self._of.presence, [(begin, end)])
        # A stream that stands does not bring anybody at once: that it was silent is what it says then.
        stood = [(each.began_at, each.ended_at or end) for each in self._of.connections]
        cut = minus([piece for piece in missed if not self._begins_with_a_join(piece)], stood)
        named = sum(seconds for reason, seconds in said.items() if reason not in _NO_REASONS)
        self._found.idle += max(0.0, length(missed) - named)
        if length(cut) > named + READ_LATE + FORGIVEN:
            self._blame(
                f"{self._span(begin, end)}: somebody was there for {length(cut):.2f} s, and it says {said}"
            )

    def _judge_missed(self, sent: Sequence[Sent]) -> None:
        """Somebody is heard soon after coming, and soon again after a stream was cut."""
        pieces = minus(self._of.presence, ((each.begin - AT_ONCE, each.end + AT_ONCE) for each in sent))
        self._found.missed = length(pieces)
        for first, last in self._of.presence:
            heard = min((each.begin for each in sent if each.end > first), default=last)
            if heard < last:
                self._found.late.append(max(0.0, heard - first))
        for begin, end in pieces:
            joined = self._begins_with_a_join((begin, end))
            limit = self._heard_by(begin) if joined else self._retried_by(begin)
            if end > limit:
                what = "came" if joined else "was not heard any more"
                self._blame(
                    f"{self._span(begin, end)}: somebody {what}, and nothing was sent to us within"
                    f" {limit - begin:.1f} s"
                )

    def _begins_with_a_join(self, piece: Span) -> bool:
        return any(abs(begin - piece[0]) <= AT_ONCE for begin, _ in self._of.presence)

    def _heard_by(self, joined: float) -> float:
        """When who came then is heard at the latest."""
        patience = PROMPT
        if touches(self._day.deaf, joined, joined) or joined - self._watching < PROMPT:
            patience = POLLED
        if any(self._is_first_after(restart, joined) for restart in self._of.restarts):
            patience = STALE
        if any(self._is_first_after(created, joined) for created in self._of.overtaken):
            patience = STALE
        return self._unless_blind(joined, patience)

    def _is_first_after(self, moment: float, joined: float) -> bool:
        between = [begin for begin, _ in self._of.presence if moment < begin < joined - AT_ONCE]
        return moment < joined and not between

    def _retried_by(self, cut: float) -> float:
        return self._unless_blind(cut, RETRIED)

    def _unless_blind(self, begin: float, patience: float) -> float:
        limit = begin + patience + self._forgiven
        for from_, until in sorted(self._day.blind):
            if from_ <= limit and until >= begin:
                limit = max(limit, until + max(patience, POLLED))
        for from_, until in sorted(self._day.crowded):
            if from_ <= limit and until >= begin:
                limit = max(limit, until + THROTTLED)
        return limit

    def _judge_closing(self) -> None:
        for over in self._of.ends:
            for stream in self._of.connections:
                until = stream.ended_at or self._stopped
                if stream.began_at <= over < until and stream.ended is not Ended.HUNG_UP:
                    self._found.closing.append(until - over)
                    if until > (limit := self._closed_by(over)):
                        self._blame(
                            f"its stream stood {until - over:.1f} s after its end, not {limit - over:.1f}"
                        )

    def _closed_by(self, over: float) -> float:
        if self._of.forgotten_by(over + CLOSED) and touches(self._day.wordless, over, over + CLOSED):
            return math.inf
        limit = over + CLOSED + self._forgiven
        for from_, until in sorted(self._day.blind):
            if from_ <= limit and until >= over:
                limit = max(limit, until + POLLED)
        return limit

    def _judge_asking(self) -> None:
        asked = self._of.asked
        for at in asked:
            untold = [*self._day.blind, *self._day.wordless]
            known = at > self._of.known_from and not touches(untold, at - THROTTLED, at)
            if known and not touches(self._of.presence, at - PROMPT - self._forgiven, at + 0.5):
                self._blame(f"after {at - self._began:.1f} s it was asked for, and nobody was in it")
        most = max((sum(1 for at in asked if first <= at < first + 10) for first in asked), default=0)
        if most > MOST_IN_TEN:
            self._blame(f"it was asked for {most} times within ten seconds")

    def _span(self, begin: float, end: float) -> str:
        return f"after {begin - self._began:.1f} s, for {end - begin:.1f} s"

    def _blame(self, fault: str) -> None:
        self._found.faults.append(fault)

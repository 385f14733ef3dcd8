"""What really was on the platform that day: who was there, what was sent, and when nobody could know it.

Instants are by `time.monotonic()`. Knows nothing of what was recorded.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recorder.core.media import SAMPLE_RATE
from recorder.simulator import (
    AsteriskRestarted,
    Away,
    CallBecame,
    CallStatus,
    Conference,
    ConferenceType,
    ConnectionRecord,
    Created,
    Crowded,
    Deleted,
    Deployed,
    Dialled,
    ErrorStyle,
    Forgotten,
    Happening,
    Refuse,
    Unannounced,
)
from storage.names import WatchId
from tests.day.ground import DELAY, Outcome
from tests.day.spans import Span, union

LIST: Final = "/v1.0/conferences"
EVENTS: Final = "/v1.0/ws"
_ANSWERS: Final = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
_OVER: Final = (CallStatus.TERMINATING, CallStatus.CANCELING, CallStatus.HANGUP)


@dataclass(frozen=True, slots=True)
class Sent:
    """So many samples without a pause, from when to when."""

    begin: float
    end: float
    samples: int


@dataclass(frozen=True)
class Truth:
    """Of the whole day."""

    outcome: Outcome

    @cached_property
    def blind(self) -> list[Span]:
        """From each time that the API began not to answer until a list was answered again."""
        return [(begin, until) for begin, _, until in self.outages]

    @cached_property
    def outages(self) -> list[tuple[float, float, float]]:
        """When the API began not to answer, when it would have again, and when it was asked and did."""
        return [(*spell, self._first(LIST, HTTPStatus.OK, spell[1])) for spell in self._spells(_blinds)]

    @cached_property
    def deaf(self) -> list[Span]:
        """From each time that events were not delivered until what was missed was asked for."""
        spells = self._spells(_deafens)
        return [
            (
                begin - DELAY,
                self._first(LIST, HTTPStatus.OK, self._first(EVENTS, HTTPStatus.SWITCHING_PROTOCOLS, end)),
            )
            for begin, end in spells
        ]

    @cached_property
    def wordless(self) -> list[Span]:
        """While the servers did not say whether there is an id."""
        ((at, each),) = (
            (self.outcome.began + each.at, each)
            for each in self.outcome.plan.day
            if isinstance(each, Deployed)
        )
        before, after = self.outcome.plan.age.errors, each.errors
        spans = [(self.outcome.watching - 1, at)] if before is ErrorStyle.BARE else []
        return spans + ([(at, math.inf)] if after is ErrorStyle.BARE else [])

    @cached_property
    def crowded(self) -> list[Span]:
        """While others used up the limit."""
        return self._spells(lambda each: isinstance(each, Crowded))

    @cached_property
    def throttled(self) -> list[Span]:
        """While 429 is the right answer."""
        return self._spells(_throttles)

    def of(self, watch: WatchId) -> "TruthOf":
        """Of one watch."""
        return TruthOf(self.outcome, watch)

    def _spells(self, of: Callable[[Happening], bool]) -> list[Span]:
        began = self.outcome.began
        return [
            (began + each.at, began + each.at + getattr(each, "seconds", 0.0))
            for each in self.outcome.plan.day
            if of(each)
        ]

    def _first(self, target: str, status: int, after: float) -> float:
        moments = (
            each.at
            for each in self.outcome.platform.asked
            if each.at >= after and (each.target, each.status) == (target, status)
        )
        return next(moments, math.inf)


def _blinds(each: Happening) -> bool:
    return isinstance(each, Crowded) or (isinstance(each, Away) and each.api)


def _deafens(each: Happening) -> bool:
    return isinstance(each, Deployed | Unannounced) or (isinstance(each, Away) and each.events)


def _throttles(each: Happening) -> bool:
    if isinstance(each, Away) and isinstance(each.trouble, Refuse):
        return each.trouble.status == HTTPStatus.TOO_MANY_REQUESTS
    return isinstance(each, Crowded)


@dataclass(frozen=True)
class TruthOf:
    """Of one watch, through all the conferences that had its id."""

    outcome: Outcome
    watch: WatchId

    @cached_property
    def connections(self) -> list[ConnectionRecord]:
        """Its streams, in order."""
        found = [each for _, record in self.outcome.platform.lives(self.watch) for each in record.connections]
        return sorted(found, key=lambda each: each.began_at)

    @property
    def sent(self) -> list[Sent]:
        """All that was sent."""
        return [
            Sent(run.sent_at, run.sent_at + run.count / SAMPLE_RATE, run.count)
            for connection in self.connections
            for run in connection.runs
        ]

    @property
    def samples(self) -> NDArray[np.int16]:
        """The same, to the sample."""
        return np.concatenate([np.zeros(0, np.int16), *(each.samples() for each in self.connections)])

    @cached_property
    def presence(self) -> list[Span]:
        """While somebody was to be heard, and the daemon watched."""
        begin, end = self.outcome.watching, self.outcome.stopped
        return union(
            (max(begin, stay.joined_at), min(end, stay.left_at or end))
            for resource, _ in self.outcome.platform.lives(self.watch)
            for stay in resource.stays
        )

    @property
    def ends(self) -> list[float]:
        """When a conference or call of that id was over, as the platform said."""
        return list(self._ends())

    def _ends(self) -> Iterator[float]:
        over = False
        for at, each in self._story():
            match each:
                case Created() | Dialled():
                    over = False
                case Deleted() | Forgotten():
                    over, was = True, over
                    if not was:
                        yield at
                case CallBecame(status=status) if status in _OVER:
                    over, was = True, over
                    if not was:
                        yield at

    def forgotten_by(self, moment: float) -> bool:
        """Whether nothing was known of that id any more."""
        return any(at <= moment for at, each in self._story() if isinstance(each, Forgotten))

    @property
    def overtaken(self) -> list[float]:
        """When one of that id was there again while a stream of the one before still stood."""
        lives = self.outcome.platform.lives(self.watch)
        created = [at for at, each in self._story() if isinstance(each, Created)]
        return [
            at
            for at, (_, record) in zip(created[1:], lives, strict=False)
            if any(stream.began_at < at < (stream.ended_at or math.inf) for stream in record.connections)
        ]

    @property
    def restarts(self) -> list[float]:
        """When Asterisk restarted."""
        return [at for at, each in self._story() if isinstance(each, AsteriskRestarted)]

    @property
    def known_from(self) -> float:
        """When it was answered for the first time what there is of that id."""
        path = f"/v1.0/{self.watch.prefix}".rstrip("/")
        created = [at for at, each in self._story() if isinstance(each, Created | Dialled)]
        listed_from = min(created, default=self.outcome.watching) if self._listed else math.inf
        return min(
            each.at
            for each in self.outcome.platform.asked
            if (each.target == path and each.status in _ANSWERS)
            or (each.target == LIST and each.status == HTTPStatus.OK and each.at >= listed_from)
        )

    @property
    def _listed(self) -> bool:
        first, _ = self.outcome.platform.lives(self.watch)[0]
        return isinstance(first, Conference) and first.type is ConferenceType.CONFERENCE

    @property
    def asked(self) -> list[float]:
        """When a stream was asked for."""
        path = f"/v1.0/{self.watch.prefix}media_stream"
        return [each.at for each in self.outcome.platform.asked if each.target == path]

    def _story(self) -> Iterator[tuple[float, Happening]]:
        for each in self.outcome.plan.day:
            programme = getattr(each, "programme", None)
            if self.watch in (getattr(each, "watch", None), programme and programme.watch):
                yield self.outcome.began + each.at, each

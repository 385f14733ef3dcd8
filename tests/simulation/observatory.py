"""What a simulated platform says of its conferences when it is asked, and what it announces.

It says the truth, late, and at times nothing; of its events some are lost. Knows no recorder, only its ports.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from datetime import timedelta
from typing import Final

from recorder.connection import ConnectionLost, ConnectionRefused, Setback
from recorder.core.snapshot import Snapshot
from recorder.platform import Unanswered, nothing
from storage.names import WatchId, WatchKind
from tests.simulation.presence import Knowledge, Presence
from tests.virtual import BEGIN

CUSTOMER: Final = "5e4a0680-804e-11ec-8477-2fea5968d85b"
LOSS: Final = 0.1
"""How likely an event is to get lost."""


class Observatory:
    """A `Platform` and an `Announcer` for one life of the daemon."""

    def __init__(self, knowledge: Knowledge, chance: random.Random) -> None:
        self._knowledge = knowledge
        self._chance = chance

    async def conferences(self, between: Callable[[], Awaitable[None]] = nothing) -> Sequence[Snapshot]:
        await self._answer()
        await between()
        shown = [_snapshot(watch, presence, _now()) for watch, presence in self._knowledge.presences.items()]
        return [each for each in shown if each.watch_id.kind is WatchKind.CONFERENCE and not each.over]

    async def get(self, watch_id: WatchId) -> Snapshot | None:
        await self._answer()
        return _snapshot(watch_id, self._knowledge.presences[watch_id], _now())

    async def close(self) -> None:
        await asyncio.sleep(0)

    async def open(self) -> "Events":
        await asyncio.sleep(self._chance.uniform(0.01, 0.2))
        if self._knowledge.is_away(_now()):
            raise ConnectionRefused(Setback.TRANSIENT, "HTTP 503")
        return Events(self._knowledge, random.Random(self._chance.getrandbits(64)))

    async def _answer(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.01, 0.3))
        if self._knowledge.is_away(_now()):
            raise Unanswered(Setback.TRANSIENT, "HTTP 503")


class Events:
    """One event socket: it ends when the next outage begins."""

    def __init__(self, knowledge: Knowledge, chance: random.Random) -> None:
        now = _now()
        self._chance = chance
        self._ends_at = min((spell.begin for spell in knowledge.outages if spell.begin > now), default=1e9)
        self._events = self._script(knowledge, now)

    async def subscribe(self, _topics: Collection[str]) -> None:
        await asyncio.sleep(0)

    async def receive(self) -> WatchId:
        at, watch = next(self._events, (self._ends_at, None))
        await asyncio.sleep(max(0.0, min(at, self._ends_at) - _now()))
        if watch is None or at >= self._ends_at:
            raise ConnectionLost("ended without a word")
        return watch

    async def close(self) -> None:
        await asyncio.sleep(0)

    def _script(self, knowledge: Knowledge, since: float) -> Iterator[tuple[float, WatchId]]:
        return iter(
            sorted(
                (at + self._chance.uniform(0.01, 0.5), watch)
                for watch, presence in knowledge.presences.items()
                for at in presence.changes
                if at > since and self._chance.random() >= LOSS
            )
        )


def _snapshot(watch: WatchId, presence: Presence, at: float) -> Snapshot:
    over, there = at >= presence.ended_at, presence.is_there(at)
    ended_at = BEGIN + timedelta(seconds=presence.ended_at) if over else None
    if watch.kind is WatchKind.CALL:
        status = "hangup" if over else "progressing" if there else "ringing"
        return Snapshot(watch, customer=CUSTOMER, status=status, ended_at=ended_at)
    return Snapshot(
        watch,
        customer=CUSTOMER,
        type="conference",
        status="terminated" if over else "progressing",
        participants=("somebody",) if there else (),
        ended_at=ended_at,
        deleted_at=ended_at,
    )


def _now() -> float:
    return asyncio.get_running_loop().time()

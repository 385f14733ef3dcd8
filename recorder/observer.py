"""Keeps up what is known of the conferences and calls that are watched: asks regularly, and when hinted at.

Two tasks for all watches: one asks, one listens to what is announced. A list of a hundred conferences costs a
request, whoever watches how many of them; what no list has is asked for by itself, a few at a time. If nobody
answers nothing is known any more, and recording goes on as if nobody had ever been asked.
"""

import contextlib
import math
import random
from collections.abc import Callable, Mapping
from typing import Final

import anyio
import structlog

from recorder import logs
from recorder.announcement import Announcements, Announcer, topics
from recorder.clock import Clock
from recorder.connection import ConnectionLost, ConnectionRefused, Setback
from recorder.core.backoff import Backoff, Pace
from recorder.core.snapshot import Known, Snapshot, Unseen
from recorder.platform import Platform, Unanswered
from storage.names import WatchId, WatchKind

INTERVAL: Final = 5.0
"""Seconds between two lists, while nothing is announced."""
INFORMED_INTERVAL: Final = 10.0
"""The same while the event socket stands. Events get lost, so it is no longer."""
SHARE: Final = 5.0
"""Requests a second, at most, that regular questions take of the budget: the streams need the rest."""
SINGLES: Final = 10
"""Conferences and calls that are asked for by themselves after a list: those longest not heard of."""
OVER_INTERVAL: Final = 600.0
"""Seconds that what is over, or not known to the platform, gives way to the others."""
PAGE_SIZE: Final = 100
"""Conferences that a request of a list brings."""
FORGIVEN: Final = 5.0
"""Seconds that a first failure may take from being made good until all that was known counts for nothing."""
GATHERING: Final = 0.1
"""Seconds in which hints are gathered: most come twice, and a meeting's participants come together. Where
there were many, the next are gathered for longer."""
PACES: Final[Mapping[Setback, Pace]] = {
    Setback.TRANSIENT: Pace(floor=1.0, base=3.0, cap=15.0),
    Setback.NOT_LIVE: Pace(floor=5.0, base=20.0, cap=300.0),
    Setback.REFUSED: Pace(floor=20.0, base=60.0, cap=300.0),
    Setback.THROTTLED: Pace(floor=1.0, base=5.0, cap=60.0),
}
_REPEAT_INTERVAL: Final = 60.0
_NEVER: Final = -math.inf

_log = structlog.stdlib.get_logger(__name__)

News = Callable[[WatchId, Known], None]
"""Called with what is known of a watch."""


class Observer:
    """Tells what becomes of the watches that it is given.

    Args:
        announcer: opens event sockets; None where none are wanted.
        news: told of every answer about a watch, also when it says the same again, and once when there are
            no more answers.
        chance: random numbers from 0 to 1, by which waiting is spread.
    """

    def __init__(
        self,
        platform: Platform,
        announcer: Announcer | None,
        news: News,
        *,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._platform = platform
        self._announcer = announcer
        self._news = news
        self._clock = clock
        self._chance = chance
        self._heard_of: dict[WatchId, float] = {}  # when, by the monotonic clock
        self._over: set[WatchId] = set()
        self._listed: set[WatchId] = set()  # the last time
        self._forgotten: set[WatchId] = set()  # of which it was told that nothing is known
        self._hints: dict[WatchId, None] = {}
        self._asked_for: tuple[WatchId, ...] = ()  # hints that are being followed
        self._look_at_all = False
        self._bell = anyio.Event()
        self._gathering = GATHERING
        self._customer = anyio.Event()
        self._customer_id = ""
        self._socket: Announcements | None = None
        self._subscribed: set[str] = set()
        self._repeats = logs.Repeats(_REPEAT_INTERVAL)
        self._answers = True

    def watch(self, watch: WatchId) -> None:
        """Tell of this one, too, from now on."""
        self._heard_of.setdefault(watch, _NEVER)
        self._look_at_all = True
        self._bell.set()

    def leave(self, watch: WatchId) -> None:
        """Tell of this one no more."""
        self._heard_of.pop(watch, None)
        self._over.discard(watch)
        self._forgotten.discard(watch)

    async def run(self) -> None:
        """Ask and listen, until cancelled."""
        async with anyio.create_task_group() as tasks:
            if self._announcer:
                tasks.start_soon(self._listen, self._announcer)
            await self._ask()

    # Asking

    async def _ask(self) -> None:
        """Question after question, for ever."""
        backoff, due = Backoff(), self._clock.monotonic()
        while True:
            await self._wait_until(due)
            try:
                if self._clock.monotonic() >= due or self._look_at_all:
                    due = self._clock.monotonic() + await self._look()
                else:
                    await self._follow_hints()
            except Unanswered as unanswered:
                delay = backoff.delay(PACES[unanswered.setback], self._chance())
                delay += unanswered.retry_after or 0.0
                self._forget(all_of_them=not self._answers or delay > FORGIVEN)
                self._say_unanswered(unanswered, delay)
                await anyio.sleep(delay)
                due = self._clock.monotonic()
            else:
                backoff = Backoff()
                self._say_answered()

    async def _wait_until(self, due: float) -> None:
        """Wait until it is time for a list, or there was a hint and a moment to gather the others."""
        with anyio.move_on_after(due - self._clock.monotonic()):
            await self._bell.wait()
            await anyio.sleep(self._gathering)
        self._bell = anyio.Event()

    async def _look(self) -> float:
        """Ask for the list, and for some that it does not have; return seconds from one list to the next."""
        self._look_at_all = False
        self._asked_for = tuple(self._hints)
        self._hints.clear()
        await self._subscribe()
        listed = {snapshot.watch_id: snapshot for snapshot in await self._platform.conferences()}
        for snapshot in listed.values():
            self._tell(snapshot.watch_id, snapshot)
        unlisted = sorted(self._heard_of.keys() - listed.keys(), key=self._turn)
        self._listed = listed.keys() & self._heard_of.keys()
        for watch in unlisted[:SINGLES]:
            self._tell(watch, await self._platform.get(watch))
        requests = len(listed) // PAGE_SIZE + 2 + min(len(unlisted), SINGLES)
        informed = self._socket is not None and len(unlisted) <= SINGLES
        return max(INFORMED_INTERVAL if informed else INTERVAL, requests / SHARE)

    def _turn(self, watch: WatchId) -> float:
        """When it is due to be asked for by itself. What is over seldom comes back."""
        if watch in self._listed:
            return _NEVER  # it was listed the last time: it has just ended, or been deleted
        return self._heard_of.get(watch, _NEVER) + (OVER_INTERVAL if watch in self._over else 0.0)

    async def _follow_hints(self) -> None:
        """Ask for what was hinted at, one by one unless a list costs less."""
        hints = [watch for watch in self._hints if watch in self._heard_of]
        if len(hints) > max(SINGLES, len(self._heard_of) // PAGE_SIZE):
            self._look_at_all = True
            self._bell.set()
            return
        self._asked_for = tuple(hints)
        self._hints.clear()
        self._gathering = max(GATHERING, len(hints) / SHARE)
        for watch in hints:
            self._tell(watch, await self._platform.get(watch))

    def _forget(self, *, all_of_them: bool) -> None:
        """Nobody answers. What was hinted at is not as it was known; the rest may be, for a moment."""
        for watch in tuple(self._heard_of) if all_of_them else (*self._asked_for, *self._hints):
            if watch in self._heard_of and watch not in self._forgotten:
                self._forgotten.add(watch)
                self._news(watch, Unseen.UNKNOWN)

    def _tell(self, watch: WatchId, snapshot: Snapshot | None) -> None:
        if snapshot and snapshot.customer and not self._customer.is_set():
            self._customer_id = snapshot.customer
            self._customer.set()
        if watch not in self._heard_of:
            return
        self._heard_of[watch] = self._clock.monotonic()
        self._forgotten.discard(watch)
        (self._over.add if snapshot is None or snapshot.over else self._over.discard)(watch)
        self._news(watch, Unseen.ABSENT if snapshot is None else snapshot)

    # Listening

    async def _listen(self, announcer: Announcer) -> None:
        """Event socket after event socket, for ever."""
        await self._customer.wait()
        backoff = Backoff()
        while True:
            setback, at_least = Setback.TRANSIENT, 0.0
            began = self._clock.monotonic()
            try:
                await self._hear(await announcer.open())
            except ConnectionRefused as refused:
                setback, at_least = refused.setback, refused.retry_after or 0.0
                self._say_deaf(str(refused))
            except ConnectionLost as lost:
                backoff.flowed(self._clock.monotonic() - began)
                self._say_deaf(str(lost))
            await anyio.sleep(at_least + backoff.delay(PACES[setback], self._chance()))

    async def _hear(self, socket: Announcements) -> None:
        """Gather the hints of one event socket, to its end."""
        self._socket, self._subscribed = socket, set()
        self._look_at_all = True  # what was announced before is missed
        self._bell.set()
        try:
            while True:
                self._hints[await socket.receive()] = None
                self._bell.set()
        finally:
            self._socket = None
            with anyio.CancelScope(shield=True):
                await socket.close()

    async def _subscribe(self) -> None:
        """Ask to be told of what is new among the watches."""
        conferences = [watch for watch in self._heard_of if watch.kind is WatchKind.CONFERENCE]
        if self._socket is None or not self._customer.is_set():
            return
        missing = set(topics(self._customer_id, conferences)) - self._subscribed
        if missing:
            with contextlib.suppress(ConnectionLost):  # who listens finds that out
                await self._socket.subscribe(sorted(missing))
                self._subscribed |= missing
                _log.info("listening to events", **{logs.COUNT: len(self._subscribed)})

    # Saying

    def _say_unanswered(self, unanswered: Unanswered, delay: float) -> None:
        self._answers = False
        self._say("the platform does not say what becomes of conferences", unanswered, delay)

    def _say_answered(self) -> None:
        if not self._answers:
            self._answers = True
            _log.info("the platform says again what becomes of conferences")

    def _say_deaf(self, reason: str) -> None:
        self._say("no events: conferences are asked about oftener", reason, None)

    def _say(self, event: str, reason: object, delay: float | None) -> None:
        held_back = self._repeats.admit(event, self._clock.monotonic())
        if held_back is not None:
            facts = {logs.REASON: str(reason), logs.SUPPRESSED: held_back}
            _log.warning(event, **facts, **({} if delay is None else {logs.DELAY: round(delay, 1)}))

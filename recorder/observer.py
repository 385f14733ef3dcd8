"""Keeps up what is known of the conferences and calls that are watched: asks regularly, and when hinted at.

Two tasks for all watches: one asks, one listens to what is announced. A list of a hundred conferences costs a
request, whoever watches how many of them; what no list has is asked for by itself, a few at a time. If nobody
answers nothing is known any more, and recording goes on as if nobody had ever been asked.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final

import anyio
import structlog

from recorder import logs
from recorder.announcement import Announcer, topics
from recorder.clock import Clock
from recorder.connection import Setback
from recorder.core.backoff import Backoff
from recorder.core.snapshot import Known, Snapshot, Unseen
from recorder.finder import Finder
from recorder.hearing import PACES, Hearing
from recorder.platform import Platform, Unanswered, Withheld
from recorder.turns import ABSENT_INTERVAL, NEVER, OVER_INTERVAL, Turns
from storage.names import WatchId, WatchKind

INTERVAL: Final = 3.0
"""Seconds between two lists, while nothing is announced. What has ended is closed within five."""
INFORMED_INTERVAL: Final = 5.0
"""The same while the event socket stands: an event may get lost."""
ALONE_INTERVAL: Final = 1.0
"""The same before there is any conference: until then it is not known whose events to listen to."""
SHARE: Final = 5.0
"""Requests a second, at most, that regular questions take of the budget: the streams need the rest."""
INFORMED_SHARE: Final = 2.0
"""The same while the event socket stands: what is announced goes first."""
SINGLES: Final = 10
"""Conferences and calls that are asked for by themselves after a list: those longest not heard of,
and as many of those hinted at."""
MOST_HINTS: Final = 10_000
"""Hints that wait to be followed, at most: the platform may be away for days."""
PAGE_SIZE: Final = 100
"""Conferences that a request of a list brings."""
FORGIVEN: Final = 5.0
"""Seconds that a first failure may take from being made good until all that was known counts for nothing."""
GATHERING: Final = 0.1
"""Seconds in which hints are gathered: most come twice, and a meeting's participants come together. After
many, the next are followed later."""
_REPEAT_INTERVAL: Final = 60.0

_log = structlog.stdlib.get_logger(__name__)

News = Callable[[WatchId, Known], None]
"""Called with what is known of a watch."""


class Observer:
    """Tells what becomes of the watches that it is given.

    Attributes:
        finder: told of everything, watched or not.

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
        self._hearing = Hearing(announcer, self._hint, clock=clock, chance=chance) if announcer else None
        self._news = news
        self._clock = clock
        self._chance = chance
        self.finder: Finder | None = None
        self._turns = Turns()
        self._shown: dict[WatchId, Snapshot] = {}  # what was last shown, watched or not, while that holds
        self._hints: dict[WatchId, None] = {}
        self._newer: set[WatchId] = set()  # asked for by themselves while a list came
        self._asked_for: dict[WatchId, None] = {}  # hints that are being followed, or wait for that
        self._failed: WatchId | None = None  # the last that there was no answer about
        self._look_at_all = False
        self._bell = anyio.Event()
        self._gathering = GATHERING
        self._followed_at = NEVER
        self._customer = ""
        self._repeats = logs.Repeats(_REPEAT_INTERVAL)
        self._answers = True

    def watch(self, watch: WatchId) -> None:
        """Tell of this one, too, from now on; at once what is known already."""
        if watch in self._shown:
            self._turns.add(watch, self._clock.monotonic())
            self._tell(watch, self._shown[watch])
        else:
            self._turns.add(watch)
            self._look_at_all = True
        self._bell.set()

    def leave(self, watch: WatchId) -> None:
        """Tell of this one no more."""
        self._turns.remove(watch)

    async def run(self) -> None:
        """Ask and listen, until cancelled."""
        async with anyio.create_task_group() as tasks:
            if self._hearing:
                tasks.start_soon(self._hearing.run)
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
            if not self._asked_for:
                await self._bell.wait()
            since = self._clock.monotonic() - self._followed_at
            await anyio.sleep(max(GATHERING, self._gathering - since))
        self._bell = anyio.Event()

    async def _look(self) -> float:
        """Ask for the list, and for some that it does not have; return seconds from one list to the next."""
        self._look_at_all = False
        self._take_up(self._all_meant())
        await self._subscribe()
        self._newer = set()
        listed = {each.watch_id: each for each in await self._platform.conferences(self._follow_meanwhile)}
        self._asked_for = {watch: None for watch in self._asked_for if watch not in listed}
        newer = {watch: self._shown[watch] for watch in self._newer if watch in self._shown}
        self._shown = {watch: listed[watch] for watch in listed.keys() - self._newer} | newer
        for watch in listed.keys() - self._newer:
            self._tell(watch, listed[watch])
        if self.finder:
            self.finder.listed(tuple(self._shown.values()))
        hinted = frozenset(self._asked_for)
        followed = await self._follow(SINGLES)
        due = [each for each in self._turns.take(listed, self._clock.monotonic()) if each not in hinted]
        for watch in due[:SINGLES]:
            await self._look_at(watch)
        requests = len(listed) // PAGE_SIZE + 2 + len(followed) + min(len(due), SINGLES)
        if self._searching and not self._customer:
            return max(ALONE_INTERVAL, requests / SHARE)
        informed = self._hearing is not None and self._hearing.stands and len(due) <= SINGLES
        if informed:
            return max(INFORMED_INTERVAL, requests / INFORMED_SHARE)
        return max(INTERVAL, requests / SHARE)

    async def _look_at(self, watch: WatchId) -> None:
        """Ask for one, and tell of it. That it is withheld is an answer, too: there may be others.

        So is a failure that comes again after a list that came: the platform answers, but not of this one.
        """
        try:
            snapshot = await self._platform.get(watch)
        except Unanswered as unanswered:
            again = watch == self._failed and unanswered.setback is Setback.TRANSIENT
            if not (again or isinstance(unanswered, Withheld)):
                self._failed = watch
                raise
            self._tell_withheld(watch, unanswered)
            return
        if watch == self._failed:
            self._failed = None
        if snapshot is None:
            self._shown.pop(watch, None)
        else:
            self._shown[watch] = snapshot
        self._tell(watch, snapshot)
        if self.finder and watch.kind is WatchKind.CONFERENCE:
            self.finder.shown(watch, snapshot)

    @property
    def _searching(self) -> bool:
        return self.finder is not None and self.finder.searching

    async def _follow_hints(self) -> None:
        """Ask for what was hinted at, one by one unless a list costs less."""
        await self._subscribe()
        hints = self._all_meant()
        if self._is_crowd(hints):
            self._look_at_all = True
            self._bell.set()
            return
        self._take_up(hints)
        await self._follow(max(SINGLES, len(hints)))

    async def _follow_meanwhile(self) -> None:
        """Between two pages of a list: hints do not wait for thousands that are as they were."""
        hints = self._all_meant()
        if self._is_crowd(hints):
            return  # that is worth another list
        self._take_up(hints)
        self._newer.update(await self._follow(len(hints)))

    def _take_up(self, hints: list[WatchId]) -> None:
        """These are followed now, before those that wait for it already."""
        self._asked_for = dict.fromkeys([*hints, *self._asked_for][:MOST_HINTS])
        self._hints.clear()

    async def _follow(self, most: int) -> Sequence[WatchId]:
        """Ask for the first of what was hinted at, one by one; what is not answered stays for later."""
        some = tuple(self._asked_for)[:most]
        if some:
            self._gathering = max(GATHERING, len(some) / SHARE)
            self._followed_at = self._clock.monotonic()
        for watch in some:
            await self._look_at(watch)
            self._asked_for.pop(watch, None)
        return some

    def _all_meant(self) -> list[WatchId]:
        return list(dict.fromkeys(filter(None, map(self._meant, self._hints))))

    def _is_crowd(self, hints: list[WatchId]) -> bool:
        return len(hints) > max(SINGLES, len(self._turns) // PAGE_SIZE)

    def _meant(self, hint: WatchId) -> WatchId | None:
        """What is to be asked about when something was announced, or None. Only the id is certain."""
        for kind in WatchKind:
            watch = WatchId(kind, hint.id)
            if watch in self._turns:
                return watch
        return hint if self._searching and hint.kind is WatchKind.CONFERENCE else None

    def _forget(self, *, all_of_them: bool) -> None:
        """Nobody answers. What was hinted at is not as it was known; the rest may be, for a moment."""
        self._shown.clear()
        for watch in tuple(self._turns) if all_of_them else (*self._asked_for, *self._hints):
            if self._turns.forget(watch):
                self._news(watch, Unseen.UNKNOWN)

    def _tell(self, watch: WatchId, snapshot: Snapshot | None) -> None:
        if snapshot and snapshot.customer and not self._customer:
            self._customer = snapshot.customer
            if self._hearing:
                self._hearing.begin()
        if watch not in self._turns:
            return
        now = self._clock.monotonic()
        if snapshot is None:
            self._turns.absent(watch, now)
        else:
            self._turns.heard_of(watch, now, OVER_INTERVAL if snapshot.over else 0.0)
        self._news(watch, Unseen.ABSENT if snapshot is None else snapshot)

    def _tell_withheld(self, watch: WatchId, withheld: Unanswered) -> None:
        """Whatever there is of this one, it is not said. Its stream is tried."""
        self._shown.pop(watch, None)
        if watch not in self._turns:
            return
        now, is_refused = self._clock.monotonic(), withheld.setback is Setback.REFUSED
        self._turns.heard_of(watch, now, OVER_INTERVAL if is_refused else ABSENT_INTERVAL)
        if self._repeats.admit(watch, now) is not None:
            facts = {logs.WATCH: str(watch), logs.REASON: str(withheld), "remedy": withheld.remedy}
            _log.warning("the platform does not say what becomes of this one", **facts)
        self._news(watch, Unseen.UNKNOWN)

    # Listening

    def _hint(self, about: WatchId | None) -> None:
        """Something was announced about one; None: from now on, and what was before is missed."""
        if about is None:
            self._look_at_all = True
        else:
            self._hints[about] = None
        self._bell.set()

    async def _subscribe(self) -> None:
        """Ask to be told of what is new among the watches."""
        if self._hearing and self._customer:
            await self._hearing.subscribe(topics(self._customer, self._turns, all_of_them=self._searching))

    # Saying

    def _say_unanswered(self, unanswered: Unanswered, delay: float) -> None:
        self._answers = False
        held_back = self._repeats.admit("unanswered", self._clock.monotonic())
        if held_back is not None:
            facts = {logs.REASON: str(unanswered), logs.SUPPRESSED: held_back, logs.DELAY: round(delay, 1)}
            _log.warning("the platform does not say what becomes of conferences", **facts)

    def _say_answered(self) -> None:
        if not self._answers:
            self._answers = True
            _log.info("the platform says again what becomes of conferences")

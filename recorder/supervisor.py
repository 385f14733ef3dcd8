"""Makes running tasks match the watch list. A watch that fails unexpectedly is begun again, alone."""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from recorder.core.backoff import Backoff, Pace
from recorder.journal import Journal
from recorder.tally import Tally
from recorder.watchlist import Watch, WatchList, WatchListDiff
from storage.names import WatchId

SLICE: Final = 50
"""Watches started or stopped in one turn of the loop, which takes some 10 ms: streams wait to be read."""
AFTER_A_BUG: Final = Pace(floor=1.0, base=5.0, cap=60.0)


class Supervisor:
    """Runs `record` once for each watch of a list, until the list says otherwise.

    Cancelling the task group that it is given stops all of them; each is trusted to finish what it holds.

    Attributes:
        watches: the list that is followed.

    Args:
        record: records one watch until it is cancelled, and tells its journal.
        open_journal: makes the journal of a watch.
        chance: random numbers from 0 to 1.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        record: Callable[[Watch, Journal], Awaitable[None]],
        open_journal: Callable[[Watch], Journal],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._tasks = tasks
        self._chance = chance
        self._record = record
        self._open_journal = open_journal
        self._ending: dict[_Running, WatchId] = {}
        self._ended = Tally()
        self.watches = WatchList()
        self._running: dict[WatchId, _Running] = {}

    async def apply(self, watches: WatchList) -> WatchListDiff:
        """Stop what is no longer wanted and start what is new; what stays the same is not touched.

        Goes on in between with what else runs, so a call must have returned before the next.
        """
        diff = WatchListDiff.between(self.watches, watches)
        self.watches = watches
        for some in _slices(diff.removed):
            for watch in some:
                running = self._running.pop(watch.watch_id)
                self._ending[running] = watch.watch_id
                running.scope.cancel()
            await anyio.lowlevel.checkpoint()
        ending = {watch_id: running.ended for running, watch_id in self._ending.items()}
        for some in _slices(diff.added):
            for watch in some:
                running = self._running[watch.watch_id] = _Running(self._open_journal(watch))
                self._tasks.start_soon(self._keep, watch, running, ending.get(watch.watch_id))
            await anyio.lowlevel.checkpoint()
        return diff

    @property
    def journals(self) -> tuple[Journal, ...]:
        """Those of what is watched now, in the order of the list as far as it was not edited."""
        return tuple(running.journal for running in self._running.values())

    def tally(self) -> Tally:
        """What there was of all watches since the start, those that are gone too."""
        total = Tally()
        total.add(self._ended)
        for running in (*self._running.values(), *self._ending):
            total.add(running.journal.tally)
        return total

    async def _keep(self, watch: Watch, running: "_Running", before: anyio.Event | None) -> None:
        backoff = Backoff()
        try:
            if before:  # what it has not sealed yet is what comes before ours: who begins is told of it
                with anyio.CancelScope(shield=True):
                    await before.wait()
            with running.scope:
                while True:
                    try:
                        await self._record(watch, running.journal)
                    except Exception as error:  # noqa: BLE001  whatever it is, the others must not suffer
                        delay = backoff.delay(AFTER_A_BUG, self._chance())
                        running.journal.failed(error, delay)
                        await anyio.sleep(delay)
        finally:
            running.ended.set()
            if self._ending.pop(running, None) is not None:
                self._ended.add(running.journal.tally)


def _slices(watches: tuple[Watch, ...]) -> Iterator[tuple[Watch, ...]]:
    for start in range(0, len(watches), SLICE):
        yield watches[start : start + SLICE]


@dataclass(frozen=True, slots=True, eq=False)
class _Running:
    """A watch that is being recorded, by the scope that ends it; `ended` is set when it has finished."""

    journal: Journal
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)

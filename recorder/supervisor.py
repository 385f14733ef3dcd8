"""Makes running tasks match the watch list. A watch that fails unexpectedly is begun again, alone."""

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import anyio
import anyio.lowlevel
import structlog
from anyio.abc import TaskGroup

from recorder import logs
from recorder.core.backoff import Backoff, Pace
from recorder.watchlist import Watch, WatchList, WatchListDiff
from storage.names import WatchId

SLICE: Final = 50
"""Watches started or stopped in one turn of the loop, which takes some 10 ms: streams wait to be read."""
AFTER_A_BUG: Final = Pace(floor=1.0, base=5.0, cap=60.0)

_log = structlog.stdlib.get_logger(__name__)


class Supervisor:
    """Runs `record` once for each watch of a list, until the list says otherwise.

    Cancelling the task group that it is given stops all of them; each is trusted to finish what it holds.

    Attributes:
        watches: the list that is followed.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        record: Callable[[Watch], Awaitable[None]],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._tasks = tasks
        self._chance = chance
        self._record = record
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
                self._running.pop(watch.watch_id).scope.cancel()
            await anyio.lowlevel.checkpoint()
        for some in _slices(diff.added):
            for watch in some:
                running = self._running[watch.watch_id] = _Running()
                self._tasks.start_soon(self._keep, watch, running.scope)
            await anyio.lowlevel.checkpoint()
        return diff

    async def _keep(self, watch: Watch, scope: anyio.CancelScope) -> None:
        backoff = Backoff()
        with scope:
            while True:
                try:
                    await self._record(watch)
                except Exception:  # noqa: BLE001  whatever it is, the other watches must not suffer from it
                    delay = backoff.delay(AFTER_A_BUG, self._chance())
                    _log.exception(
                        "a watch failed in a way nobody expected; it is begun again",
                        **{logs.WATCH: str(watch.watch_id), logs.DELAY: round(delay, 1)},
                    )
                    await anyio.sleep(delay)


def _slices(watches: tuple[Watch, ...]) -> Iterator[tuple[Watch, ...]]:
    for start in range(0, len(watches), SLICE):
        yield watches[start : start + SLICE]


class _Running:
    """A watch that is being recorded, by the scope that ends it."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()

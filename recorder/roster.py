"""Has recorded what the file of a watch list names, and what its patterns find while the daemon runs.

The one who tells the supervisor what to watch. Knows no file of a watch list and asks nobody.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import structlog

from recorder import limits, logs
from recorder.clock import Clock
from recorder.core.snapshot import Snapshot
from recorder.discovery import Discovery
from recorder.offload import Offload
from recorder.recollection import recall, remember
from recorder.shard import Shard
from recorder.supervisor import Supervisor
from recorder.watchlist import Pattern, WatchList, WatchListDiff
from storage.names import WatchId

REMEMBER_INTERVAL: Final = 5.0
"""Seconds between two writes of what was discovered."""
_REPEAT_INTERVAL: Final = 600.0

_log = structlog.stdlib.get_logger(__name__)


class Roster:
    """Of one daemon.

    Attributes:
        watches: what the file names, and its patterns.

    Args:
        folder: that of the spool, where what was discovered is kept.
        shard: the share of it that is ours.
    """

    def __init__(
        self, supervisor: Supervisor, *, clock: Clock, disk: Offload, folder: Path, shard: Shard | None
    ) -> None:
        self._supervisor = supervisor
        self._clock = clock
        self._disk = disk
        self._folder = folder
        self._discovery = Discovery(shard.holds) if shard else Discovery()
        self._applying = anyio.Lock()
        self._bell = anyio.Event()
        self._remembered: tuple[Snapshot, ...] | None = None
        self._unlooked = False  # whether these patterns have not seen a whole list yet
        self._repeats = logs.Repeats(_REPEAT_INTERVAL)
        self.watches = WatchList()

    async def apply(self, watches: WatchList) -> WatchListDiff:
        """Follow another list: what it names at once, and what its patterns find from now on."""
        first = self._remembered is None
        if first:
            self._remembered = await self._disk(recall, self._folder)
        async with self._applying:
            self.watches, self._unlooked = watches, True
            self._discovery.follow(watches)
            if first:
                self._discovery.recall(self._remembered or ())
            return await self._supervisor.apply(self._wanted())

    async def run(self) -> None:
        """Have recorded what is found, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._remember_regularly)
            while True:
                await self._bell.wait()
                self._bell = anyio.Event()
                async with self._applying:
                    wanted = self._wanted()
                    if wanted != self._supervisor.watches:
                        diff = await self._supervisor.apply(wanted)
                        if diff:
                            self._say_found(diff)

    @property
    def counts(self) -> tuple[tuple[Pattern, int], ...]:
        """How many conferences each pattern names, as was last seen."""
        return self._discovery.counts

    # What the observer tells

    @property
    def searching(self) -> bool:
        """Whether there is any pattern."""
        return bool(self.watches.patterns)

    def listed(self, conferences: Sequence[Snapshot]) -> None:
        """The platform has these, and of those that can be listed no others."""
        if not self.searching:
            return
        now = self._clock.monotonic()
        self._discovery.show_all(conferences, now)
        self._discovery.forget(now)
        if self._unlooked:
            self._unlooked = False
            self._say_unmatched()
        self._say_doubles()
        self._bell.set()

    def shown(self, watch_id: WatchId, conference: Snapshot | None) -> None:
        """The platform has this one, or knows none of that id."""
        if not self.searching:
            return
        now = self._clock.monotonic()
        if conference is None:
            self._discovery.miss(watch_id, now)
        else:
            self._discovery.show(conference, now)
        self._bell.set()

    def _wanted(self) -> WatchList:
        """What is to be recorded now, all together."""
        named, found = self.watches, self._discovery
        return WatchList((*named, *found.watches), named.elsewhere + found.elsewhere, named.patterns)

    async def _remember_regularly(self) -> None:
        while True:
            await anyio.sleep(REMEMBER_INTERVAL)
            living = self._discovery.living
            if living == self._remembered or not (living or self._remembered):
                continue
            try:
                await self._disk(remember, self._folder, living)
            except OSError as error:
                held_back = self._repeats.admit("remember", self._clock.monotonic())
                if held_back is not None:
                    _log.warning(
                        "the disk does not keep what was discovered: a restart must ask the platform",
                        **{logs.FILE: str(self._folder), logs.ERROR: str(error)},
                    )
            else:
                self._remembered = living

    def _say_found(self, diff: WatchListDiff) -> None:
        facts = {logs.COUNT: len(self._supervisor.watches), "added": len(diff.added)}
        _log.info("discovered", **facts, removed=len(diff.removed))
        shortage = limits.too_few_files(len(self._supervisor.watches))
        if shortage and self._repeats.admit("files", self._clock.monotonic()) is not None:
            _log.warning("configuration", **{logs.REASON: shortage})

    def _say_unmatched(self) -> None:
        for pattern, near in self._discovery.unmatched:
            facts = {"pattern": str(pattern)} | ({"near": near} if near else {})
            _log.warning("a pattern of the watch list names no conference that there is now", **facts)

    def _say_doubles(self) -> None:
        for watch, first, second in self._discovery.doubles.values():
            held_back = self._repeats.admit((first, second), self._clock.monotonic())
            if held_back is not None:
                facts = {logs.WATCH: str(watch), "first": first, "second": second}
                _log.info("a conference is named twice; the first counts", **facts)

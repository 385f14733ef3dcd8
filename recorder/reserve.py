"""The reserve: room on the disk of the spool that audio does not take, and what is done when it is touched.

Facts and manifests may use it: they are small, and tell what was not recorded.

stop          no audio is written until there is room again; nothing that waits for its upload is touched
drop-oldest   what has waited longest gives its audio up, and keeps its manifest; only when nothing is left to
              give up is it as with `stop`

Knows no bucket. What is being uploaded, or may be in the bucket already, is not touched.
"""

import threading
from collections.abc import Callable
from typing import Final, Protocol

import anyio
import structlog

from recorder import dropping, logs
from recorder.clock import Clock
from recorder.config import WhenFull
from recorder.offload import Offload
from recorder.segment import SealedSegment
from storage.names import SegmentName

LOOK_INTERVAL: Final = 1.0
"""Seconds between two looks at what is free. A thousand streams write 16 MB in one."""
REPEAT_INTERVAL: Final = 60.0
"""Seconds between two log lines that say how much is not recorded."""
_ENOUGH: Final = 1.05
"""Times the reserve that must be free before audio is written again, so that it does not come and go."""

_log = structlog.stdlib.get_logger(__name__)


class Reserve:
    """Whether audio may be written, by what is free. May be asked and told by any thread.

    Attributes:
        least: bytes that are to stay free.
        paused: whether there are fewer, and audio is not to be written.
        looks: how many looks at the disk there were, one a `LOOK_INTERVAL`.
    """

    def __init__(self, least: int = 0) -> None:
        self.least = least
        self.paused = False
        self.looks = 0
        self._missed = 0
        self._counting = threading.Lock()

    @property
    def enough(self) -> int:
        """Bytes that have to be free before audio is written again."""
        return int(self.least * _ENOUGH)

    def look(self, free: int) -> bool:
        """Take note of how many bytes are free; whether `paused` has changed by it."""
        before = self.paused
        self.looks += 1
        self.paused = free < (self.enough if before else self.least)
        return self.paused != before

    def miss(self, samples: int) -> None:
        """Say that so many samples were not written because of it."""
        with self._counting:
            self._missed += samples

    def take_missed(self) -> int:
        """How many samples were not written since this was last asked."""
        with self._counting:
            missed, self._missed = self._missed, 0
        return missed


class Uploads(Protocol):
    """What waits for its upload, and the right to have a segment for oneself meanwhile."""

    def untried(self) -> list[SealedSegment]:
        """Segments that nobody has tried to upload yet, those that began first, first."""

    def hold(self, segment: SealedSegment) -> bool:
        """Keep a segment from being uploaded; False if that has begun."""

    def put_back(self, segment: SealedSegment) -> None:
        """Let a segment that was held be uploaded. Its audio may have another format now."""


class ReserveWatch:
    """Looks at the disk, and acts. `free` tells how many bytes are free on it. Blocking.

    Attributes:
        given_up: samples that were given up so far, to make room.
    """

    def __init__(
        self,
        free: Callable[[], int],
        reserve: Reserve,
        when_full: WhenFull,
        uploads: Uploads,
        *,
        clock: Clock,
        disk: Offload,
    ) -> None:
        self._free = free
        self._reserve = reserve
        self._when_full = when_full
        self._uploads = uploads
        self._clock = clock
        self._disk = disk
        self._repeats = logs.Repeats(REPEAT_INTERVAL)
        self._given_up: set[SegmentName] = set()
        self._unfinished: set[SealedSegment] = set()  # and held
        self.given_up = 0

    def change(self, least: int, when_full: WhenFull) -> None:
        """Keep so many bytes free, in that way, from the next look on."""
        self._reserve.least = least
        self._when_full = when_full

    async def run(self) -> None:
        """Watch for ever. Ends only by cancellation."""
        while True:
            try:
                await self.look()
            except OSError as error:
                if self._repeats.admit("free", self._clock.monotonic()) is not None:
                    _log.error("the disk of the spool does not say what is free", **{logs.ERROR: str(error)})
            await anyio.sleep(LOOK_INTERVAL)

    async def look(self) -> None:
        """Look once.

        Raises:
            OSError: the disk does not answer.
        """
        for segment in self._unfinished.copy():
            await self._give_up(segment)
        free = await self._disk(self._free)
        if free < self._reserve.least and self._when_full is WhenFull.DROP_OLDEST:
            free = await self._make_room(free)
        changed = self._reserve.look(free)
        if changed and not self._reserve.paused:
            missed = self._reserve.take_missed()
            _log.warning("recording again: there is room on the disk", samples_missed=missed, free=free)
        elif self._reserve.paused:
            self._say_paused(free)
        else:
            self.say_missed()

    def say_missed(self) -> None:
        """Say what no line has said: of a write under way as a pause ended, or of one that lasts."""
        if missed := self._reserve.take_missed():
            _log.error(
                "not recorded: the disk had less free than min_free",
                samples_missed=missed,
                min_free=self._reserve.least,
            )

    async def _make_room(self, free: int) -> int:
        """Have the oldest segments give up their audio until there is room; return what is free then."""
        needed = self._reserve.enough - free
        waiting = self._uploads.untried()
        self._given_up &= {segment.name for segment in waiting}
        for segment in waiting:
            if needed <= 0:
                break
            if segment.name not in self._given_up and self._uploads.hold(segment):
                needed -= await self._give_up(segment)
        return await self._disk(self._free)

    async def _give_up(self, segment: SealedSegment) -> int:
        """Have one segment give up its audio; return how many bytes that frees."""
        try:
            dropped = await self._disk(dropping.drop, segment)
        except (OSError, ValueError) as error:
            if isinstance(error, dropping.NotFinished):
                self._unfinished.add(segment)
            else:
                self._uploads.put_back(segment)
            if self._repeats.admit("drop", self._clock.monotonic()) is not None:
                _log.error(
                    "a segment cannot give up its audio",
                    **{logs.SEGMENT: segment.name.stem, logs.ERROR: str(error)},
                )
            return 0
        self._unfinished.discard(segment)
        self._uploads.put_back(dropped.segment)
        self._given_up.add(segment.name)
        self.given_up += dropped.samples
        if dropped.samples:
            _log.error(
                "audio given up before it was uploaded, to make room on the disk",
                **{logs.SEGMENT: segment.name.stem, "samples_lost": dropped.samples, "freed": dropped.size},
            )
        return dropped.size

    def _say_paused(self, free: int) -> None:
        if self._repeats.admit("paused", self._clock.monotonic()) is not None:
            _log.error(
                "not recorded: the disk has less free than min_free",
                samples_missed=self._reserve.take_missed(),
                free=free,
                min_free=self._reserve.least,
                remedy="make room; recording goes on by itself",
            )

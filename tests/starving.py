"""How much a busy machine took part in what was seen: without that, a bound would be one of the machine.

A process that does not get a processor cannot read what has come for it; a platform that does not get one
sends late, and then all at once, which the recorder weighs for longer. Both are measured, and allowed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio

from recorder.core.media import SAMPLE_RATE
from tests.bench import kernel

_EVERY = 0.05
_SPAN = 5.0
"""Seconds: longer than whatever has a bound takes."""


@dataclass
class Starving:
    """Seconds; the most of all that were looked at.

    Attributes:
        recorder: that a daemon was ready to run and did not get a processor: in one life of it where that was
            looked at before its end, in any five seconds where it was watched.
        platform: that the simulator was late at once.
    """

    recorder: float = 0.0
    platform: float = 0.0

    def look_at(self, pid: int) -> None:
        """Look at a daemon, just before it is killed."""
        with suppress(OSError, ProcessLookupError):
            self.recorder = max(self.recorder, kernel.waited(pid))

    @property
    def seconds(self) -> float:
        """By which something may be late because of it."""
        return self.recorder + self.platform

    @property
    def samples(self) -> int:
        """Samples that may have come and not have been written because of it."""
        return round(self.seconds * SAMPLE_RATE)

    @classmethod
    def most(cls, several: Iterable["Starving"]) -> "Starving":
        """The most of each."""
        each = list(several)
        return cls(max(one.recorder for one in each), max(one.platform for one in each))

    @asynccontextmanager
    async def watched(self, pid: int | None = None) -> AsyncIterator[None]:
        """Watch how late our own event loop is, which the platform shares, and how long a daemon waits."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch)
            if pid is not None:
                tasks.start_soon(self._watch_recorder, pid)
            yield
            tasks.cancel_scope.cancel()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _EVERY
            await anyio.sleep(_EVERY)
            self.platform = max(self.platform, loop.time() - due)

    async def _watch_recorder(self, pid: int) -> None:
        seen = deque[float](maxlen=round(_SPAN / _EVERY))
        with suppress(OSError):  # it has ended
            while True:
                seen.append(kernel.waited(pid))
                self.recorder = max(self.recorder, seen[-1] - seen[0])
                await anyio.sleep(_EVERY)

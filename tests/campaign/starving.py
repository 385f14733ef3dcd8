"""How much a busy machine took part in a fault: without that, a bound in seconds would be one of the machine.

A process that does not get a processor cannot read what has come for it; a platform that does not get one
sends late, and then all at once, which the recorder weighs for longer. Both are measured, and allowed.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio

from recorder.core.media import SAMPLE_RATE
from tests.bench import kernel

_EVERY = 0.05


@dataclass
class Starving:
    """Seconds; the most of all that were looked at.

    Attributes:
        recorder: that one life of the daemon was ready to run and did not get a processor.
        platform: that the simulator was late at once.
    """

    recorder: float = 0.0
    platform: float = 0.0

    def look_at(self, pid: int) -> None:
        """Look at a daemon, just before it is killed."""
        with suppress(OSError, ProcessLookupError):
            self.recorder = max(self.recorder, kernel.waited(pid))

    @property
    def samples(self) -> int:
        """Samples that may have come and not have been written because of it."""
        return round((self.recorder + self.platform) * SAMPLE_RATE)

    @classmethod
    def most(cls, several: Iterable["Starving"]) -> "Starving":
        """The most of each."""
        each = list(several)
        return cls(max(one.recorder for one in each), max(one.platform for one in each))

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch how late our own event loop is, which the platform shares."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch)
            yield
            tasks.cancel_scope.cancel()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _EVERY
            await anyio.sleep(_EVERY)
            self.platform = max(self.platform, loop.time() - due)

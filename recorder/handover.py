"""What a recording has for the disk, on its way there: in order, one write at a time, and sealed beside it.

Knows no connection and no platform; what is written, and how, is the business of `writer`.
"""

from asyncio import Future
from collections.abc import Callable
from typing import Final

import anyio
from anyio.abc import TaskGroup

from recorder.core.events import CodecDetected, Event, MessagesDiscarded, SamplesReady, SilenceReady
from recorder.core.media import SAMPLE_WIDTH
from recorder.journal import Journal
from recorder.offload import Disk, Offload
from recorder.writer import SamplesMissed, SegmentFailed, SegmentWriter
from storage.manifest import SegmentManifest

WRITE_SIZE: Final = 6_000
"""Bytes of audio to gather before the disk is bothered: most of the half second that a read brings, so that
one some packets short is written too. What is not with the kernel is lost when the process dies."""
SEAL_INTERVAL: Final = 5.0
"""Seconds until what the disk did not let be sealed is tried again."""


class Handover:
    """Of one watch.

    Args:
        sealing: where what is closed is sealed, which takes longer than a write.
        on_sealed: told of each segment that is.

    Attributes:
        beside: tasks that run beside the recording. To be set before anything is written.
    """

    beside: TaskGroup

    def __init__(
        self,
        writer: SegmentWriter,
        journal: Journal,
        *,
        disk: Disk,
        sealing: Offload,
        on_sealed: Callable[[SegmentManifest], None],
    ) -> None:
        self._writer = writer
        self._journal = journal
        self._disk = disk
        self._sealing = sealing
        self._on_sealed = on_sealed
        self._events: list[Event] = []  # for the disk, in order
        self._unwritten = 0  # bytes of audio among them
        self._urgent = False  # whether there is anything else among them
        self._writing: Future[SamplesMissed | None] | None = None  # the disk is at it
        self._seals = False  # whether what is closed is being sealed

    def take(self, events: list[Event]) -> None:
        """Say what is for the log, and keep what is for the disk."""
        for event in events:
            match event:
                case CodecDetected(codec):
                    self._journal.detected(codec)
                case MessagesDiscarded(reason, count):
                    self._journal.discarded(reason, count)
                case SilenceReady(samples, reason):
                    self._journal.gap(reason, samples)
                    self._urgent = True
                    self._events.append(event)
                case SamplesReady(pcm):
                    self._unwritten += len(pcm)
                    self._events.append(event)
                case _:
                    self._urgent = True
                    self._events.append(event)

    async def advance(self) -> None:
        """Write what is urgent, or enough to be worth it; what is closed is sealed `beside` it."""
        if self._urgent:
            await self.write()
        elif self._unwritten >= WRITE_SIZE:
            await self._begin_write()

    async def write(self) -> None:
        """Have all of it written, and say what came of it."""
        await self._begin_write()
        await self._written()

    async def abandon(self) -> None:
        """Leave to the next start what is closed and was not sealed."""
        if self._writer.unsealed:
            with anyio.CancelScope(shield=True):
                for failed in await self._disk(self._writer.abandon):
                    self._journal.closed(failed)

    async def _begin_write(self) -> None:
        """Hand what there is to the disk, once it is done with what it was given before."""
        if not self._events:
            return
        await self._written()
        samples = self._unwritten // SAMPLE_WIDTH
        events, self._events, self._unwritten, self._urgent = self._events, [], 0, False
        self._writing = self._disk.begin(self._writer.perform, events)
        self._journal.writing(samples, self._writing)

    async def _written(self) -> None:
        if self._writing is None:
            return
        if not self._writing.done():  # nearly always it is, and a scope costs as much as all else here
            # What is being written exists nowhere else: being told to stop must not come between.
            with anyio.CancelScope(shield=True):
                await self._writing
        writing, self._writing = self._writing, None
        self._journal.written(writing.result(), behind=self._writer.behind)
        if self._writer.unsealed and not self._seals:
            self._seals = True
            self.beside.start_soon(self._seal)

    async def _seal(self) -> None:
        """Have sealed what is closed, while the recording goes on. Begun at once, so as to be finished.

        What the disk does not let be sealed is tried again until we are told to stop.
        """
        try:
            while self._writer.unsealed:
                self._journal.sealing(under_way=True)
                with anyio.CancelScope(shield=True):
                    result = await self._sealing(self._writer.seal)
                self._journal.sealing(under_way=False)
                for closed in result:
                    self._journal.closed(closed)
                    if isinstance(closed, SegmentManifest):
                        self._on_sealed(closed)
                if any(isinstance(closed, SegmentFailed) for closed in result):
                    await anyio.sleep(SEAL_INTERVAL)
        finally:
            self._seals = False

"""One watch: connect, receive, record, back off, for ever. The only loop that drives the core.

It knows ports and events, no library of the network, no file and no bucket.
"""

import math
import random
from asyncio import Future
from collections.abc import Callable, Mapping
from typing import Final

import anyio

from recorder.attendance import Attendance
from recorder.clock import Clock
from recorder.connection import Batch, Connection, ConnectionLost, ConnectionRefused, Connector, Setback
from recorder.core.backoff import Backoff, Pace
from recorder.core.events import CodecDetected, Event, MessagesDiscarded, SamplesReady, SilenceReady
from recorder.core.life import Course
from recorder.core.media import SAMPLE_WIDTH
from recorder.core.recording import Recording
from recorder.journal import Journal
from recorder.offload import Disk, Offload
from recorder.rate import Rate
from recorder.state import NOT_LIVE_WITHIN
from recorder.watchlist import Watch
from recorder.writer import SamplesMissed, SegmentFailed, SegmentWriter
from storage.manifest import SegmentManifest

PACES: Final[Mapping[Setback, Pace]] = {
    Setback.TRANSIENT: Pace(floor=0.1, base=1.0, cap=30.0),
    Setback.NOT_LIVE: Pace(floor=1.0, base=3.0, cap=15.0),
    Setback.REFUSED: Pace(floor=20.0, base=60.0, cap=300.0),
    Setback.THROTTLED: Pace(floor=0.5, base=2.0, cap=60.0),
}
NOBODY: Final = "accepted and closed without audio: nobody has joined yet"
WRITE_SIZE = 8_000
"""Bytes of audio to gather before the disk is bothered: half a second, as a read brings it. What is not with
the kernel is lost when the process dies."""
SEAL_INTERVAL = 5.0
"""Seconds until what the disk did not let be sealed is tried again."""


class Conference:
    """Records one watch until it is cancelled, and then finishes what it holds."""

    def __init__(
        self,
        watch: Watch,
        connector: Connector,
        recording: Recording,
        writer: SegmentWriter,
        *,
        clock: Clock,
        rate: Rate,
        disk: Disk,
        sealing: Offload,
        on_sealed: Callable[[SegmentManifest], None],
        chance: Callable[[], float] = random.random,
        journal: Journal | None = None,
        attendance: Attendance | None = None,
    ) -> None:
        self._watch = watch
        self._connector = connector
        self._recording = recording
        self._writer = writer
        self._clock = clock
        self._rate = rate
        self._disk = disk
        self._sealing = sealing
        self._on_sealed = on_sealed
        self._chance = chance
        self._backoff = Backoff()
        self._live = False  # there was audio, and nobody has said since that it has ended
        self._events: list[Event] = []  # for the disk, in order
        self._unwritten = 0  # bytes of audio among them
        self._urgent = False  # whether there is anything else among them
        self._writing: Future[SamplesMissed | None] | None = None  # the disk is at it
        self._seals = False  # whether what is closed is being sealed
        self._attendance = attendance or Attendance(clock)
        self._journal = journal or Journal(watch, clock)
        self._journal.began(recording)

    async def run(self) -> None:
        """Record. Ends only by cancellation; the open segment is sealed before that is passed on."""
        try:
            async with anyio.create_task_group() as self._beside:
                try:
                    await self._repeat()
                finally:
                    with anyio.CancelScope(shield=True):
                        self._take(self._recording.finish(self._clock.monotonic()))
                        await self._write()
        finally:
            if self._writer.unsealed:
                with anyio.CancelScope(shield=True):
                    for failed in await self._disk(self._writer.abandon):
                        self._journal.closed(failed)

    async def _repeat(self) -> None:
        """Stream after stream, for ever."""
        while True:
            await self._until_wanted()
            if not await self._take_turn():
                continue
            setback, at_least = await self._stream()
            delay = at_least + self._backoff.delay(PACES[setback], self._chance())
            await self._pause_until(self._clock.monotonic() + delay)

    async def _until_wanted(self) -> None:
        """Wait while it is known that nobody is there. What is not heard then is no loss."""
        said = ""
        while self._attendance.unwanted:
            self._take(self._recording.vacated(self._clock.monotonic()))
            if said != self._attendance.why:
                said = self._attendance.why
                self._refused(ConnectionRefused(Setback.NOT_LIVE, said))
            await self._fall_due()
            await self._attendance.change(self._due_in())
        if said:
            self._recording.awaited(self._clock.monotonic())
            self._backoff = Backoff()

    async def _stream(self) -> tuple[Setback, float]:
        """Open one stream and record it to its end; return what to do next and how long to wait at least."""
        self._journal.connecting()
        try:
            connection = await self._connector.connect(self._watch)
        except ConnectionRefused as refused:
            return self._refused(refused)
        connected_at = self._clock.monotonic()
        self._take(self._recording.connected(connected_at, self._clock.utc()))
        self._journal.connected(connection)
        heard = _Heard()
        try:
            reason = await self._record(connection, heard)
        except ConnectionLost as lost:
            reason = str(lost)
        finally:
            with anyio.CancelScope(shield=True):
                await self._hang_up(connection, heard)
        self._backoff.flowed(heard.seconds)
        self._live = (self._live or heard.began is not None) and self._attendance.life.owed is not False
        seconds = self._clock.monotonic() - connected_at
        if self._attendance.life.over:
            return self._refused(ConnectionRefused(Setback.NOT_LIVE, self._attendance.why or reason))
        if heard.began is None and seconds < NOT_LIVE_WITHIN:
            return self._refused(ConnectionRefused(Setback.NOT_LIVE, NOBODY))
        self._journal.lost(reason, seconds, missed=self._live)
        return Setback.TRANSIENT, 0.0

    def _refused(self, refused: ConnectionRefused) -> tuple[Setback, float]:
        self._live = self._live and refused.setback is not Setback.NOT_LIVE
        self._journal.refused(refused, missed=self._live)
        return refused.setback, refused.retry_after or 0.0

    async def _record(self, connection: Connection, heard: "_Heard") -> str:
        """Receive until the connection is lost, or not wanted any more; return why it is not."""
        self._attendance.life.connected(self._clock.monotonic())
        while self._attendance.course not in (Course.REOPEN, Course.END):
            # A batch that is there comes before a deadline that has passed: it arrived before.
            await self._process(await connection.receive(self._due_in(self._attendance.look_within)), heard)
        why = self._attendance.why
        if self._attendance.course is Course.REOPEN:
            self._attendance.life.reopening()
        return why

    async def _process(self, batch: Batch | None, heard: "_Heard") -> None:
        if batch is None:
            self._take(self._recording.tick(self._clock.monotonic()))
        else:
            if batch.rows and heard.began is None:
                self._journal.audio_began()
            heard.note(batch)
            self._take(self._recording.receive(batch.rows, batch.at, batch.discarded, batch.waited))
            if batch.rows and self._recording.hears:
                self._attendance.life.heard(batch.at)
        if self._urgent:
            await self._write()
        elif self._unwritten >= WRITE_SIZE:
            await self._begin_write()

    async def _hang_up(self, connection: Connection, heard: "_Heard") -> None:
        """Close, and record what had arrived before."""
        self._journal.hanging_up()
        await connection.close()
        try:
            while True:
                await self._process(await connection.receive(), heard)
        except ConnectionLost:
            self._take(self._recording.disconnected(self._clock.monotonic()))
        self._attendance.life.disconnected()
        self._journal.hung_up()
        await self._write()

    async def _take_turn(self) -> bool:
        """Wait until this watch may connect; False where it must not, or must not wait with those who ask.

        Those whose audio is being missed go before them, and those where nobody is do not go at all.
        """
        urgent = self._missing
        turn = self._rate.ask(urgent=urgent, ring=self._attendance.ring)
        try:
            while not turn.granted:
                await self._attendance.change(self._due_in())
                await self._fall_due()
                if self._attendance.unwanted or (self._missing and not urgent):
                    return False
            return not self._attendance.unwanted
        finally:
            turn.grant()

    @property
    def _missing(self) -> bool:
        """Whether there is audio now, as far as is known."""
        return self._live or self._attendance.life.owed is True

    async def _pause_until(self, moment: float) -> None:
        owed = self._attendance.life.owed
        while (now := self._clock.monotonic()) < moment and not self._attendance.unwanted:
            await self._attendance.change(self._due_in(moment - now))
            await self._fall_due()
            if self._attendance.life.owed and not owed:
                return  # that somebody is there is what was waited for

    async def _fall_due(self) -> None:
        """Do what is due though there is no connection."""
        self._take(self._recording.tick(self._clock.monotonic()))
        await self._write()

    def _due_in(self, most: float = math.inf) -> float | None:
        """Seconds until something is due, `most` at most, None for never."""
        deadline = self._recording.next_deadline()
        due = math.inf if deadline is None else max(0.0, deadline - self._clock.monotonic())
        return min(due, most) if min(due, most) < math.inf else None

    def _take(self, events: list[Event]) -> None:
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

    async def _write(self) -> None:
        """Have all of it written, and say what came of it."""
        await self._begin_write()
        await self._written()

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
            self._beside.start_soon(self._seal)

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


class _Heard:
    """From when to when a connection brought messages, monotonic seconds."""

    def __init__(self) -> None:
        self.began: float | None = None
        self._last = 0.0

    def note(self, batch: Batch) -> None:
        if batch.rows:
            self.began = batch.at if self.began is None else self.began
            self._last = batch.at

    @property
    def seconds(self) -> float:
        return 0.0 if self.began is None else self._last - self.began

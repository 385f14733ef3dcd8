"""One watch: connect, receive, record, back off, for ever. The only loop that drives the core.

It knows ports and events, no library of the network, no file and no bucket.
"""

import math
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import anyio

from recorder import diagnosis
from recorder.attendance import Attendance
from recorder.clock import Clock
from recorder.connection import Batch, Connection, ConnectionLost, ConnectionRefused, Connector, Setback
from recorder.core.backoff import Backoff, Pace
from recorder.core.life import Course
from recorder.core.recording import Recording
from recorder.handover import Handover
from recorder.journal import Journal
from recorder.offload import Disk, Offload
from recorder.rate import Precedence, Rate
from recorder.state import NOT_LIVE_WITHIN
from recorder.watchlist import Watch
from recorder.writer import SegmentWriter
from storage.manifest import SegmentManifest
from storage.names import WatchKind

PACES: Final[Mapping[Setback, Pace]] = {
    Setback.TRANSIENT: Pace(floor=0.1, base=1.0, cap=30.0),
    Setback.NOT_LIVE: Pace(floor=1.0, base=3.0, cap=15.0),
    Setback.REFUSED: Pace(floor=20.0, base=60.0, cap=300.0),
    Setback.THROTTLED: Pace(floor=0.5, base=2.0, cap=60.0),
}
NOBODY: Final = "accepted and closed without audio: nobody has joined yet"
CUT_SHORT: Final = "accepted and closed without audio, though people are there"
HANGING_UP: Final = 2.0
"""Seconds before the end of a call, by the platform's clock, in which a stream of it may end with it."""


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
        self._clock = clock
        self._rate = rate
        self._chance = chance
        self._backoff = Backoff()
        self._lost_at: float | None = None  # when the last stream ended, monotonic seconds, unless by an end
        self._live = False  # there was audio, and nobody has said since that it has ended
        self._attendance = attendance or Attendance(clock)
        self._journal = journal or Journal(watch, clock)
        self._journal.began(recording, self._attendance.life)
        self._handover = Handover(writer, self._journal, disk=disk, sealing=sealing, on_sealed=on_sealed)

    async def run(self) -> None:
        """Record. Ends only by cancellation; the open segment is sealed before that is passed on."""
        try:
            async with anyio.create_task_group() as self._handover.beside:
                try:
                    await self._repeat()
                finally:
                    with anyio.CancelScope(shield=True):
                        self._handover.take(self._recording.finish(self._clock.monotonic()))
                        await self._handover.write()
        finally:
            await self._handover.abandon()

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
            now = self._clock.monotonic()
            self._handover.take(self._recording.vacated(now, self._missed_until(now)))
            if said != self._attendance.why:
                said = self._attendance.why
                self._say_unwanted(said)
            await self._fall_due()
            await self._attendance.change(self._due_in())
        if said:
            self._recording.awaited(self._clock.monotonic())
            self._backoff = Backoff()

    def _missed_until(self, now: float) -> float:
        """Until when there was somebody who is not there any more, as far as is known, monotonic seconds.

        The stream of a call ends with it; that of a conference never does, so one that ended was missed,
        unless we hung up because the conference was over.
        """
        life = self._attendance.life
        if self._lost_at is None:
            return -math.inf
        if self._watch.watch_id.kind is WatchKind.CONFERENCE or not life.over:
            return now
        if life.ended_at is None:
            return -math.inf
        ended = now - (self._clock.utc() - life.ended_at).total_seconds()
        return min(now, ended) if ended - self._lost_at > HANGING_UP else -math.inf

    def _say_unwanted(self, why: str) -> None:
        if self._attendance.course is Course.END:
            self._live = False
            self._journal.ended(why)
        else:
            self._refused(ConnectionRefused(Setback.NOT_LIVE, why))

    async def _stream(self) -> tuple[Setback, float]:
        """Open one stream and record it to its end; return what to do next and how long to wait at least."""
        self._journal.connecting()
        try:
            connection = await self._connector.connect(self._watch)
        except ConnectionRefused as refused:
            return self._refused(refused)
        connected_at = self._clock.monotonic()
        self._handover.take(self._recording.connected(connected_at, self._clock.utc()))
        self._journal.connected(connection)
        heard = _Heard()
        reopens = ends = False
        try:
            reason = await self._record(connection, heard)
            reopens = self._attendance.course is Course.REOPEN
            ends = not reopens
            if reopens:
                self._attendance.life.reopening()
        except ConnectionLost as lost:
            reason = str(lost)
        finally:
            with anyio.CancelScope(shield=True):
                await self._hang_up(connection, heard)
        self._backoff.flowed(heard.seconds)
        self._live = (self._live or heard.began is not None) and self._attendance.life.owed is not False
        now = self._clock.monotonic()
        self._lost_at = None if ends else now
        seconds = now - connected_at
        return self._say_lost(reason, seconds, silent=heard.began is None, reopens=reopens)

    def _say_lost(self, reason: str, seconds: float, *, silent: bool, reopens: bool) -> tuple[Setback, float]:
        """Say why a stream has ended; return what to do next and how long to wait at least."""
        if self._attendance.unwanted:
            return Setback.NOT_LIVE, 0.0  # and why is said where it is waited
        if reopens:
            self._journal.opens_anew(reason, seconds)
        elif silent and seconds < NOT_LIVE_WITHIN:
            if not self._attendance.life.owed:
                return self._refused(ConnectionRefused(Setback.NOT_LIVE, NOBODY))
            self._journal.cut_short += 1
            return self._refused(ConnectionRefused(Setback.TRANSIENT, CUT_SHORT, remedy=diagnosis.BRIDGE))
        else:
            self._journal.lost(reason, seconds, missed=self._live)
        return Setback.TRANSIENT, 0.0

    def _refused(self, refused: ConnectionRefused) -> tuple[Setback, float]:
        self._attendance.failed(refused)
        self._live = self._live and refused.setback is not Setback.NOT_LIVE
        self._journal.refused(refused, missed=self._missing)
        return refused.setback, refused.retry_after or 0.0

    async def _record(self, connection: Connection, heard: "_Heard") -> str:
        """Receive until the connection is lost, or not wanted any more; return why it is not."""
        self._attendance.connected()
        while self._attendance.course not in (Course.REOPEN, Course.END):
            # A batch that is there comes before a deadline that has passed: it arrived before.
            receive = partial(connection.receive, self._due_in(self._attendance.look_within))
            await self._process(await self._attendance.unless_told(receive), heard)
        return self._attendance.why

    async def _process(self, batch: Batch | None, heard: "_Heard") -> None:
        if batch is None:
            self._handover.take(self._recording.tick(self._clock.monotonic()))
        else:
            if batch.rows and heard.began is None:
                self._journal.audio_began()
            heard.note(batch)
            self._handover.take(self._recording.receive(batch.rows, batch.at, batch.discarded, batch.waited))
            if batch.rows and self._recording.hears:
                self._attendance.life.heard(batch.at)
        await self._handover.advance()

    async def _hang_up(self, connection: Connection, heard: "_Heard") -> None:
        """Close, and record what had arrived before."""
        self._journal.hanging_up()
        await connection.close()
        try:
            while True:
                await self._process(await connection.receive(), heard)
        except ConnectionLost:
            self._handover.take(self._recording.disconnected(self._clock.monotonic()))
        self._attendance.life.disconnected()
        self._journal.hung_up()
        await self._handover.write()

    async def _take_turn(self) -> bool:
        """Wait until this watch may connect; False where it must not, or must not wait with those who ask.

        Those whose audio is being missed go before them, and those where nobody is do not go at all.
        """
        urgent = self._missing
        precedence = Precedence.MISSED if urgent else Precedence.OTHERS
        turn = self._rate.ask(precedence, ring=self._attendance.ring)
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
        self._handover.take(self._recording.tick(self._clock.monotonic()))
        await self._handover.write()

    def _due_in(self, most: float = math.inf) -> float | None:
        """Seconds until something is due, `most` at most, None for never."""
        deadline = self._recording.next_deadline()
        due = math.inf if deadline is None else max(0.0, deadline - self._clock.monotonic())
        return min(due, most) if min(due, most) < math.inf else None


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

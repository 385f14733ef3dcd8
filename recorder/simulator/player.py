"""Sending one stream: which message is due when, its frame, and the record of it.

Writes to the transport itself, because the faults cut frames where no library would. Knows no script.
"""

import asyncio
import time
from contextlib import suppress
from itertools import cycle

from recorder.simulator import wire
from recorder.simulator.line import Line
from recorder.simulator.programme import Airing
from recorder.simulator.record import ConnectionRecord, Missed
from recorder.simulator.wire import Wire

_BREATH = 32
"""Messages sent in a row, when nothing has to be waited for, before other tasks get a turn."""


class Player:
    """The sending half of one connection. Positions are those of its airing."""

    def __init__(self, line: Line, airing: Airing, record: ConnectionRecord, path: Wire) -> None:
        self.line = line
        self.airing = airing
        self.record = record
        self._path = path
        self._frames = cycle(airing.programme.frames)
        self._keep = record.insert if path.numbered else record.append
        self._unrested = 0

    async def wait_for(self, position: int) -> None:
        """Sleep until a sample is due. The schedule is absolute: the late catch up, errors never add up."""
        due = self.airing.due(position)
        delay = 0.0 if due is None else due - time.monotonic()
        if delay > 0:
            self._unrested = 0
            await asyncio.sleep(delay)
            return
        self._unrested += 1
        if self._unrested >= _BREATH:
            self._unrested = 0
            await asyncio.sleep(0)

    async def drain(self) -> None:
        """Wait for a client that reads slowly. It gets everything; the platform would have lost some."""
        with suppress(OSError):  # the connection broke while waiting, which its listening half reports
            await self.line.drain()

    def packet(self, position: int) -> tuple[bytes, int]:
        """What Asterisk sends next, and the position after it. At the end of the tape it may be short."""
        count = min(next(self._frames), self.airing.programme.length - position)
        return self._path.packet(self.airing.payload(position, count), position), position + count

    def message(self, packet: bytes, position: int, end: int) -> bytes:
        """What the gateway makes of a packet. It has to be written next: from here on it is on the record."""
        self._keep(position, end - position, time.monotonic())
        self.record.messages += 1
        self.airing.sent(end)
        return self._path.message(packet)

    def frame(self, packet: bytes, position: int, end: int) -> bytes:
        """The same as a whole frame."""
        return wire.frame(self.message(packet, position, end))

    def unrecorded_frame(self, packet: bytes) -> bytes:
        """A frame that will not arrive whole."""
        return wire.frame(self._path.message(packet))

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport, in one segment if there is room for them."""
        self.line.transport.write(data)

    def send(self, position: int) -> int:
        """Send the next message; returns the position after it."""
        packet, end = self.packet(position)
        self.write(self.frame(packet, position, end))
        return end

    def lose(self, position: int, end: int, reason: str) -> int:
        """Nobody will get the samples up to `end`, which is returned."""
        self.record.missed.append(Missed(position, end - position, reason))
        self.airing.sent(end)
        return end

"""The receiving side of one connection of the websockets library: frames are split off as they are read.

Each read is stamped once and becomes one batch. Between reads the socket is left to the kernel, which
collects. Knows no URL and no credential.
"""

import asyncio
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from recorder import handshake
from recorder.clock import Clock
from recorder.connection import NOTHING, Batch
from recorder.core.packets import DiscardReason, Row
from recorder.frames import MAX_MESSAGE, FrameSplitter
from recorder.inbox import Inbox
from recorder.pacing import ReadClock

MAX_PENDING = 1 << 22
"""Bytes received and not yet taken at which no more are read: over four minutes of audio. What the kernel
cannot take either slows the sender."""

PROMPT = 0.1
"""Seconds after reading was resumed in which what comes is taken to have been there before: a busy loop may
be late by so much."""
MAX_UNSENT = 1 << 16
"""Bytes of pongs that the platform has not read at which the connection is given up. It sends no pings."""

_HEAD_END = b"\r\n\r\n"


class Stream(ClientConnection):
    """A connection of the library that keeps messages for itself, batch by batch."""

    def __init__(self, *args: Any, clock: Clock, reads: ReadClock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock = clock
        self._reads = reads
        self._paced = True
        self._ending = False
        self._pausing = False
        self._paused_at: float | None = None
        self._resumed_at: float | None = None
        self._head = b""
        self._splitter: FrameSplitter | None = None
        self._fragments: bytearray | None = None
        self._gathered = 0
        self.inbox = Inbox(self.loop)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make a pause of reading reach the socket."""
        super().connection_made(transport)
        # Under TLS the pause stops the plaintext side alone, and the socket would still be read record by
        # record. These limits pass it on. Plain transports know no such limits, and need none.
        set_limits = getattr(transport, "set_read_buffer_limits", None)
        if set_limits:
            set_limits(high=1, low=0)

    def data_received(self, data: bytes) -> None:
        """Split what one read brought; the library gets the handshake and all frames that are not audio."""
        at = self._clock.monotonic()
        if self._splitter is None:
            data = self._shake_hands(data)
            if self._splitter is None:
                return
        for others in self._splitter.split(data):
            super().data_received(others)
            self._expect_the_end()
        self._keep(self._splitter, at)
        unsent, unpaced = self.transport.get_write_buffer_size(), 0 if self._paced else self.inbox.pending
        if unsent > MAX_UNSENT or unpaced > 2 * MAX_PENDING:
            self.transport.abort()  # it neither reads nor stops, as no honest platform does: a gap
        # Not before there is audio: from when that was first read follows for how long it had been missed.
        if self._paced and self.inbox.began and not self._pausing:
            # Not at once: under TLS this may be what was left in the engine, and the socket comes after it.
            self._pausing = True
            self.loop.call_soon(self._pause)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        super().connection_lost(exc)
        self._reads.leave(self)
        self.inbox.end()

    # What the clock of reads calls, or leads to

    def _pause(self) -> None:
        self._pausing = False
        if self._paced and not self.transport.is_closing():
            self.transport.pause_reading()
            self._paused_at, self._resumed_at = self._clock.monotonic(), None

    def resume(self) -> None:
        """Read what has come, unless too much of what came before is still waiting here."""
        if self._paused_at is None or self._resumed_at is not None or self.transport.is_closing():
            return
        if self.inbox.pending < MAX_PENDING:
            self.transport.resume_reading()
            self._resumed_at = self._clock.monotonic()

    @property
    def unread_since(self) -> float | None:
        """Since when something lies here, or may lie in the socket."""
        return self.inbox.oldest or (self._paused_at if self._resumed_at is None else None)

    # What the library calls

    def process_event(self, event: Any) -> None:
        """Put fragments together; everything else is the library's."""
        if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._gather(event)
        else:
            super().process_event(event)

    # What `WebSocketConnection` calls

    @property
    def farewell(self) -> str:
        """How it ended. The platform ends all streams, finished or failed, without a close frame."""
        cause = self.connection_exc
        if self.protocol.close_rcvd is not None:
            return f"closed by the platform with code {self.protocol.close_rcvd.code}"
        if self.protocol.close_sent is not None:
            return f"closed by us: {self.protocol.close_sent.reason or 'no reason given'}"
        return f"cut: {cause}" if cause else "ended without a close frame"

    async def hang_up(self) -> None:
        """Send Close, and read whatever comes before the answer."""
        self._paced = False
        self.resume()
        await self.close()

    def _shake_hands(self, data: bytes) -> bytes:
        """Give the library the response's head, to its end and not a byte more; return what follows it.

        Frames may share a read with the head. Had the library the beginning of one, it would need its end.
        """
        head = self._head + data
        end = head.find(_HEAD_END)
        if end < 0:
            self._head = head[1 - len(_HEAD_END) :]  # in which the end may begin
            super().data_received(data)
            return b""
        rest = head[end + len(_HEAD_END) :]
        super().data_received(data[: len(data) - len(rest)])
        self._head = b""
        if self.protocol.state is State.OPEN:
            self._splitter = FrameSplitter()
            self._reads.join(self)
        elif rest:
            super().data_received(rest)
        return rest

    def _expect_the_end(self) -> None:
        """After a close frame of theirs or a violation of the protocol, wait for the end no longer than this.

        The library itself waits for ever, and what still comes is not recorded.
        """
        if self.protocol.state is not State.OPEN and not self._ending:
            self._ending = True
            self.loop.call_later(handshake.CLOSE_TIMEOUT, self.transport.abort)

    def _waited(self, at: float) -> float:
        """Seconds that what was read at `at` may have waited: the pause, unless it came well after that."""
        # When we hang up, hundreds of streams may do so at once and wait for each other.
        if self._paused_at is None or (self._paced and at - (self._resumed_at or at) > PROMPT):
            return 0.0
        return at - self._paused_at

    def _gather(self, frame: Frame) -> None:
        assert self._splitter is not None  # noqa: S101  frames come after the handshake
        if frame.opcode is not Opcode.CONT:
            self._fragments = bytearray() if frame.opcode is Opcode.BINARY else None
            self._gathered = 0
        self._gathered += len(frame.data)
        if self._fragments is not None and self._gathered <= MAX_MESSAGE:
            self._fragments += frame.data
        if not frame.fin:
            return
        if self._fragments is None:
            self._splitter.discarded[DiscardReason.TEXT] += 1
        elif self._gathered > MAX_MESSAGE:
            self._splitter.discarded[DiscardReason.OVERSIZED] += 1
        else:
            self._splitter.add(Row.of(bytes(self._fragments)))

    def _keep(self, splitter: FrameSplitter, at: float) -> None:
        if not splitter.rows and not splitter.discarded:
            return
        discarded = dict(splitter.discarded) if splitter.discarded else NOTHING
        self.inbox.put(Batch(at, splitter.rows, discarded, self._waited(at)))
        splitter.rows = []
        splitter.discarded.clear()

"""One client's connection, and the ways the platform and the network end it. Knows nothing of audio."""

import asyncio
import socket
import time
from struct import pack

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

from recorder.simulator import script
from recorder.simulator.announcing import Subscriber
from recorder.simulator.gate import Admission
from recorder.simulator.record import ConnectionRecord, Ended

_FLUSH_POLL = 0.002
_FLUSH_LIMIT = 1.0


class Line(ServerConnection):
    """A connection that carries along what the gate decided about it, and counts the client's pings."""

    admission: Admission
    """Set before the upgrade of a stream."""
    subscriber: Subscriber | None = None
    """Set before the upgrade of an event socket."""
    welcome: script.AfterUpgrade | None = None
    """What the script does to it right after the upgrade."""
    record: ConnectionRecord | None = None
    """Set by the upgrade."""
    pings = 0

    def process_event(self, event: Request | Frame) -> None:  # type: ignore[override]
        """Count pings, which the library answers by itself."""
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pings += 1
        super().process_event(event)

    @property
    def open(self) -> bool:
        """Whether a frame may still be written: no close frame came or went, and the transport is alive."""
        return self.state is State.OPEN and not self.transport.is_closing()

    def hang_up(self, why: Ended) -> None:
        """End it as VoIPBIN does: flush, then a bare TCP close without a close frame."""
        self.blame(why)
        self.transport.close()

    async def reset(self, why: Ended) -> None:
        """End it with a TCP reset, once everything written has left this process."""
        self.blame(why)
        deadline = time.monotonic() + _FLUSH_LIMIT
        # A transport tells nobody that it is empty, so ask.
        while self.transport.get_write_buffer_size() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_FLUSH_POLL)
        tcp: socket.socket = self.transport.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        self.transport.abort()

    def blame(self, why: Ended) -> None:
        """Write down why it ends, unless that is known already."""
        if self.record is not None and self.record.ended is None:
            self.record.ended = why

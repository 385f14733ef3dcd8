"""A client that trusts nobody: it keeps whatever arrives, and how it ended, exactly."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from recorder.simulator import TOKEN, Simulator
from storage.names import WatchId, WatchKind

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")

ABNORMAL = 1006
"""What a client reports where the connection ended without a close frame."""


@dataclass(slots=True)
class Heard:
    """What one connection received."""

    messages: list[bytes | str] = field(default_factory=list)
    code: int | None = None

    def samples(self, header: int = 0) -> NDArray[np.int16]:
        """The PCM in the binary messages, each behind so many bytes of header."""
        audio = b"".join(message[header:] for message in self.messages if isinstance(message, bytes))
        return np.frombuffer(audio, dtype="<i2").astype(np.int16)


def listen(server: Simulator, encapsulation: str = "sln", watch: WatchId = BOARD) -> connect:
    """A connection with the token in its header. It pings only when told to."""
    return connect(
        server.stream_url(watch, encapsulation),
        additional_headers={"Authorization": f"Bearer {TOKEN}"},
        compression=None,
        max_size=None,
        ping_interval=None,
        close_timeout=0.1,  # one that has stopped reading would wait for the end behind what it did not read
    )


async def hear(
    server: Simulator, encapsulation: str = "sln", *, watch: WatchId = BOARD, most: int | None = None
) -> Heard:
    """Everything until the server ends the connection, or `most` messages and a close of ours.

    `most` is for streams in real time: a client that stops reading a full socket never sees it close.
    """
    heard = Heard()
    async with listen(server, encapsulation, watch) as connection:
        await collect(connection, heard, most)
    heard.code = connection.close_code
    return heard


async def collect(connection: ClientConnection, heard: Heard, most: int | None = None) -> None:
    """Add what arrives until the connection ends, or `heard` has `most` messages."""
    try:
        async for message in connection:
            heard.messages.append(message)
            if len(heard.messages) == most:
                return
    except ConnectionClosed:
        pass

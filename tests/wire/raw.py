"""A server that says exactly the bytes it is told, over real sockets: for what no library would send."""

import asyncio
import base64
import hashlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


def frame(payload: bytes, *, opcode: int = 0x82) -> bytes:
    """One unmasked frame (RFC 6455 section 5.2)."""
    if len(payload) < 126:
        return struct.pack("!BB", opcode, len(payload)) + payload
    if len(payload) < 1 << 16:
        return struct.pack("!BBH", opcode, 126, len(payload)) + payload
    return struct.pack("!BBQ", opcode, 127, len(payload)) + payload


@dataclass
class Peer:
    """One connection, after its request has been read."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: str

    @property
    def accept(self) -> bytes:
        """The answer that upgrades the connection."""
        headers = dict(line.split(": ", 1) for line in self.request.split("\r\n")[1:] if ": " in line)
        key = {name.lower(): value for name, value in headers.items()}["sec-websocket-key"].encode()
        token = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()
        return (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {token}\r\n\r\n"
        ).encode()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End with a TCP reset instead of a FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(_SOL_SOCKET, _SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


_SOL_SOCKET, _SO_LINGER = 1, 13  # of Linux; `struct linger` with time 0 makes close(2) send RST


@dataclass
class RawServer:
    """What was asked of it, and where it is."""

    url: str
    requests: list[str] = field(default_factory=list)


@asynccontextmanager
async def raw_server(
    answer: Callable[[Peer], Awaitable[None]], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve on a free port of loopback; `answer` is called for each connection and its end ends it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            server.requests.append(request)
            await answer(Peer(reader, writer, request))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server = RawServer(f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/v1.0")
    try:
        yield server
    finally:
        listener.close()

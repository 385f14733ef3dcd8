"""A door in front of a store that lets through, refuses, hangs, dawdles or cuts, request by request.

Each connection carries one request: the store is asked to close after it, so that what is to happen to a
request is decided when it comes. Knows no daemon and no bucket.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit

_END_OF_HEAD = b"\r\n\r\n"
_PIECE = 1 << 14
_ERROR = b"HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
_FORBIDDEN = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_UNAVAILABLE = b"<Error><Code>ServiceUnavailable</Code><Message>Reduce your rate</Message></Error>"


class Mood(Enum):
    """What happens to a request."""

    FAIR = "it is let through"
    HANGING = "it is read and never answered"
    SLOW = "it is let through, a little at a time"
    FAILING = "it is answered with 503"
    CUTTING = "its connection is reset in the middle of the body"


@dataclass
class Door:
    """A running door.

    Attributes:
        mood: of requests that come now.
        barred: what is in the path of objects that are always refused with 403.
        met: how many requests came, by what happened to them.
        slowness: bytes a second.
    """

    upstream: tuple[str, int]
    mood: Mood = Mood.FAIR
    barred: str | None = None
    slowness: int = 40_000
    met: Counter[Mood] = field(default_factory=Counter)
    refused: int = 0
    url: str = ""
    _hanging: set[asyncio.StreamWriter] = field(default_factory=set)

    def let_go(self) -> None:
        """Reset what hangs, as a machine in the middle that is started again does."""
        for writer in self._hanging:
            writer.transport.abort()

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(_END_OF_HEAD)
            method, path = head.split(b" ", 2)[:2]
            if self.barred and method == b"PUT" and self.barred in path.decode():
                self.refused += 1
                await self._answer(writer, b"403 Forbidden", _FORBIDDEN)
            else:
                self.met[self.mood] += 1
                await self._treat(self.mood, head, reader, writer)
        writer.close()

    async def _treat(
        self, mood: Mood, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        match mood:
            case Mood.HANGING:
                self._hanging.add(writer)
                try:
                    while await reader.read(_PIECE):
                        pass
                finally:
                    self._hanging.discard(writer)
            case Mood.FAILING:
                await self._answer(writer, b"503 Service Unavailable", _UNAVAILABLE)
            case _:
                await self._pass_on(mood, head, reader, writer)

    async def _answer(self, writer: asyncio.StreamWriter, status: bytes, body: bytes) -> None:
        writer.write(_ERROR % (status, len(body), body))
        await writer.drain()

    async def _pass_on(
        self, mood: Mood, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        store_reader, store_writer = await asyncio.open_connection(*self.upstream)
        store_writer.write(head[:-2] + b"Connection: close\r\n\r\n")
        body = asyncio.ensure_future(self._pump(mood, reader, store_writer, writer))
        try:
            await self._pump(Mood.SLOW if mood is Mood.SLOW else Mood.FAIR, store_reader, writer, None)
        finally:
            body.cancel()
            store_writer.close()

    async def _pump(
        self,
        mood: Mood,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        source: asyncio.StreamWriter | None,
    ) -> None:
        """Carry bytes one way until they end."""
        piece = self.slowness // 10 if mood is Mood.SLOW else _PIECE
        with suppress(OSError):
            while data := await reader.read(piece):
                writer.write(data)
                await writer.drain()
                if mood is Mood.SLOW:
                    await asyncio.sleep(0.1)
                if mood is Mood.CUTTING and source:
                    source.transport.abort()
                    writer.transport.abort()
                    return


@asynccontextmanager
async def door(endpoint_url: str) -> AsyncIterator[Door]:
    """A door in front of a store, for as long as the context is open."""
    parts = urlsplit(endpoint_url)
    assert parts.hostname is not None
    assert parts.port is not None
    standing = Door((parts.hostname, parts.port))
    server = await asyncio.start_server(standing.attend, "127.0.0.1", 0, limit=1 << 17)
    standing.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield standing
    finally:
        server.close()
        standing.let_go()

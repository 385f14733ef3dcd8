"""A load generator: many streams at the pace of real ones, for less CPU than whoever receives them.

Every stream carries the same tape at the same tick, so that a message is built once for all of them, and a
recording can be compared with the tape from its first tick to its last. Run as a process of its own:

    python -m tests.bench.generator --streams 300 --encapsulation rtp [--certificate chain.pem --key key.pem]

It prints its port, then follows commands on standard input: `report` answers with one line of JSON.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import resource
import ssl
import struct
import sys
import time
from typing import cast

import uvloop

from recorder.simulator.tape import Tape

FRAME = 160
INTERVAL = FRAME / 8000
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


def message(encapsulation: str, tick: int, payload: bytes) -> bytes:
    """The WebSocket frame of one tick, as the platform encodes it."""
    if encapsulation == "rtp":
        head = struct.pack("!BBHII", 0x80, 0x60, tick & 0xFFFF, tick * len(payload) & 0xFFFFFFFF, 0)
    elif encapsulation == "audiosocket":
        head = struct.pack("!BH", 0x10, len(payload))
    else:
        head = b""
    return struct.pack("!BBH", 0x82, 126, len(head) + len(payload)) + head + payload


class Stream(asyncio.Protocol):
    """One connection: the handshake by hand, then nothing but writes."""

    def __init__(self, generator: "Generator") -> None:
        self._generator = generator
        self._request = b""
        self.first: int | None = None
        self.path = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        if self.path:
            if data[0] == 0x89 and data[1] & 0x80:  # a ping: answer it, as every server does
                size, mask = data[1] & 0x7F, data[2:6]
                payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data[6 : 6 + size]))
                self.transport.write(bytes((0x8A, size)) + payload)
            elif data[0] == 0x88:
                self._generator.left(self)
                self.transport.write(b"\x88\x02\x03\xe8")
                self.transport.close()
            return
        self._request += data
        if b"\r\n\r\n" not in self._request:
            return
        line, *headers = self._request.decode().split("\r\n")
        key = next(h.split(": ")[1] for h in headers if h.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
        self.transport.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self.path = line.split()[1].partition("?")[0]
        self._generator.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  why does not matter
        self._generator.left(self)


class Generator:
    """All streams, and the tape they carry."""

    def __init__(self, encapsulation: str) -> None:
        self._encapsulation = encapsulation
        self._pcm = Tape.speech("standup").samples.tobytes()
        self._streams: dict[Stream, None] = {}
        self.tick = 0
        self.packets = 0
        self.late = 0.0
        self.spans: dict[str, list[tuple[int, int]]] = {}

    def joined(self, stream: Stream) -> None:
        stream.first = self.tick
        self._streams[stream] = None

    def left(self, stream: Stream) -> None:
        if self._streams.pop(stream, 0) is None and stream.first is not None:
            self.spans.setdefault(stream.path, []).append((stream.first, self.tick))

    def payload(self, tick: int) -> bytes:
        start = tick * FRAME * 2 % (len(self._pcm) - FRAME * 2) // 2 * 2
        return self._pcm[start : start + FRAME * 2]

    async def play(self) -> None:
        began = time.monotonic()
        while True:
            due = began + self.tick * INTERVAL
            now = time.monotonic()
            if due > now:
                await asyncio.sleep(due - now)
            else:
                self.late = max(self.late, now - due)
                await asyncio.sleep(0)
            data = message(self._encapsulation, self.tick, self.payload(self.tick))
            self.tick += 1
            for stream in self._streams:
                stream.transport.write(data)
            self.packets += len(self._streams)

    def report(self) -> str:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return json.dumps(
            {
                "streams": len(self._streams),
                "packets": self.packets,
                "tick": self.tick,
                "late": round(self.late, 3),
                "cpu": usage.ru_utime + usage.ru_stime,
                "at": time.monotonic(),
                "spans": self.spans,
            }
        )


async def main(arguments: argparse.Namespace) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tls = None
    if arguments.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments.certificate, arguments.key)
    generator = Generator(arguments.encapsulation)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Stream(generator), "127.0.0.1", arguments.port, ssl=tls, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  the answer to whoever started it
    playing = loop.create_task(generator.play())
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        if line.strip() == b"drop":
            for stream in list(generator._streams):
                stream.transport.abort()
        print(generator.report(), flush=True)  # noqa: T201  as above
    playing.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--encapsulation", default="rtp")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    uvloop.run(main(parser.parse_args()))

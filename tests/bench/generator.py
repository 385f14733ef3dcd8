"""A load generator: many streams at the pace of real ones, for less CPU than whoever receives them.

Every stream carries the same tape at the same tick, so that a message is built once for all of them, and a
recording can be compared with the tape from its first tick to its last. The streams of one tick are sent in
turns, 5 ms apart, as those of a platform do not all come in the same millisecond. Nearly all of what a send
costs is the kernel's way over loopback: with `--together`, so many packets of a stream go in one send, as
from a platform that is behind a busy proxy. Run as a process of its own:

    python -m tests.bench.generator --encapsulation rtp [--together 5] [--certificate chain.pem --key key.pem]

It prints its port, then follows commands on standard input, one a line, and answers each with a line of JSON:

report   how many streams there are, packets sent, how late it was since the last answer, CPU, backlog
spans    the ticks that each stream was sent: the first and the one after the last, by connection
hang up  ends all streams with a close frame
drop     ends all connections without one
away     as drop, and listens no more
back     listens again, on the same port
"""

import argparse
import asyncio
import base64
import gc
import hashlib
import json
import os
import resource
import socket
import ssl
import struct
import sys
import time
from contextlib import suppress
from typing import cast

import uvloop

from recorder.simulator.tape import Tape
from tests.bench.fanout import Group, fastest

FRAME = 160
"""Samples in a packet."""
INTERVAL = FRAME / 8000
TURNS = 4  # in an interval
TAPE = "standup"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_CLOSE = b"\x88\x02\x03\xe8"


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
    """One connection: the handshake by hand, then nothing but frames."""

    def __init__(self, generator: "Generator") -> None:
        self._generator = generator
        self._request = b""
        self.turn = 0
        self.first: int | None = None
        self.path = ""
        self.socket: int | None = None
        self.closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self.port: int = transport.get_extra_info("peername")[1]
        if transport.get_extra_info("sslcontext") is None:
            self.socket = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        if self.path:
            self._answer(data)
            return
        self._request += data
        if b"\r\n\r\n" not in self._request:
            return
        line, *headers = self._request.decode().split("\r\n")
        key = next((h.split(": ")[1] for h in headers if h.lower().startswith("sec-websocket-key")), None)
        if key is None:  # a question to the API, of which there is none here
            self.transport.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()
            return
        accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
        self.transport.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self.path = line.split()[1].partition("?")[0]
        self._generator.joined(self)

    def _answer(self, data: bytes) -> None:
        """Answer a ping and a close frame, as every server does."""
        if data[0] == 0x89 and data[1] & 0x80:
            size, mask = data[1] & 0x7F, data[2:6]
            payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data[6 : 6 + size]))
            self._generator.answer(self, bytes((0x8A, size)) + payload)
        elif data[0] == 0x88:
            self._generator.left(self)
            if not self.closing:
                self.transport.write(_CLOSE)
            self.transport.close()

    def hang_up(self) -> None:
        self.closing = True
        self._generator.left(self)
        self.transport.write(_CLOSE)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  why does not matter
        self.closing = True
        self._generator.left(self)


class Generator:
    """All streams, and the tape they carry."""

    def __init__(self, encapsulation: str, together: int) -> None:
        self._encapsulation = encapsulation
        self._together = together
        self._pcm = Tape.speech(TAPE).samples.tobytes()
        send = fastest()
        self._groups = [Group(send) for _ in range(TURNS * together)]
        self._next = [0] * len(self._groups)  # the tick that each group is sent next
        self._closed: dict[str, list[tuple[int, int]]] = {}
        self._late = 0.0
        self.streams: dict[Stream, None] = {}
        self.packets = 0

    def joined(self, stream: Stream) -> None:
        stream.turn = min(range(len(self._groups)), key=lambda turn: len(self._groups[turn]))
        stream.first = self._next[stream.turn]
        self._groups[stream.turn].add(stream)
        self.streams[stream] = None

    def answer(self, stream: Stream, frame: bytes) -> None:
        if stream in self.streams:
            self._groups[stream.turn].write(stream, frame)

    def left(self, stream: Stream) -> None:
        if stream not in self.streams:
            return
        del self.streams[stream]
        self._groups[stream.turn].remove(stream)
        self._closed.setdefault(stream.path, []).append(self._span(stream))

    def _span(self, stream: Stream) -> tuple[int, int]:
        assert stream.first is not None
        return stream.first, self._next[stream.turn]

    def _payload(self, tick: int) -> bytes:
        start = tick * FRAME % (len(self._pcm) // 2 - FRAME) * 2
        return self._pcm[start : start + FRAME * 2]

    async def play(self) -> None:
        began = time.monotonic()
        data, slot, ticks = b"", 0, range(0)
        while True:
            due = began + slot * INTERVAL / TURNS
            now = time.monotonic()
            if due > now:
                await asyncio.sleep(due - now)
            else:
                self._late = max(self._late, now - due)
                await asyncio.sleep(0)
            round_, turn = divmod(slot, len(self._groups))
            if turn == 0:
                ticks = range(round_ * self._together, (round_ + 1) * self._together)
                data = b"".join(message(self._encapsulation, tick, self._payload(tick)) for tick in ticks)
            self._groups[turn].send(data)
            self._next[turn] = ticks.stop
            self.packets += len(self._groups[turn]) * self._together
            slot += 1

    def report(self) -> str:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        late, self._late = self._late, 0.0
        backlog = {
            cast("Stream", s).port: size for group in self._groups for s, size in group.backlog().items()
        }
        return json.dumps(
            {
                "streams": len(self.streams),
                "packets": self.packets,
                "late": late,
                "cpu": usage.ru_utime + usage.ru_stime,
                "backlog": backlog,
            }
        )

    def spans(self) -> str:
        spans = {path: list(each) for path, each in self._closed.items()}
        for stream in self.streams:
            spans.setdefault(stream.path, []).append(self._span(stream))
        return json.dumps(spans)


class Door:
    """The listening socket, which can be away for a while."""

    def __init__(self, generator: Generator, tls: ssl.SSLContext | None) -> None:
        self._generator = generator
        self._tls = tls
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        listening = socket.create_server(("127.0.0.1", self.port), backlog=4096)
        with suppress(OSError):  # the machine's own may be one that paces, at the cost of a timer a packet
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        self.port = listening.getsockname()[1]
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Stream(self._generator), sock=listening, ssl=self._tls, backlog=4096
        )

    def close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    async def obey(self, command: str) -> str:
        match command:
            case "hang up":
                for stream in list(self._generator.streams):
                    stream.hang_up()
            case "away":
                self.close()
                self._drop()
            case "drop":
                self._drop()
            case "back":
                await self.open()
            case "spans":
                return self._generator.spans()
        return self._generator.report()

    def _drop(self) -> None:
        for stream in list(self._generator.streams):
            self._generator.left(stream)
            stream.closing = True
            stream.transport.abort()


async def main(arguments: argparse.Namespace) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tls = None
    if arguments.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments.certificate, arguments.key)
    generator = Generator(arguments.encapsulation, arguments.together)
    with suppress(OSError):  # where we may: whoever else has this core must not make it late
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    gc.disable()  # a pause would make it late, and what it makes has no cycles
    door = Door(generator, tls)
    await door.open()
    print(door.port, flush=True)  # noqa: T201  the answer to whoever started it
    loop = asyncio.get_running_loop()
    playing = loop.create_task(generator.play())
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(await door.obey(line.decode().strip()), flush=True)  # noqa: T201  as above
    playing.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--encapsulation", default="rtp")
    parser.add_argument("--together", type=int, default=1)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    uvloop.run(main(parser.parse_args()))

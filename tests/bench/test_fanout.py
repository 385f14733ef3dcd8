"""Whoever is slow gets the same bytes in the same order, and holds up nobody."""

import asyncio
import ctypes
import socket
from collections.abc import Iterator

import pytest

from tests.bench.fanout import Group, Send, fastest, send_one_by_one

FRAME = 40_000
FRAMES = 250
"""More than the sockets below hold, and each more than fits in beside others: some go in part."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # a Unix socket takes all of a frame or nothing
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


class Receiver:
    def __init__(self, transport: asyncio.Transport, number: int) -> None:
        self.transport = transport
        self.socket: int | None = number


def frame(number: int) -> bytes:
    return number.to_bytes(4) * (FRAME // 4)


@pytest.mark.parametrize("send", [send_one_by_one, fastest()], ids=["python", "c"])
def test_a_full_socket_says_how_much_it_took(send: Send, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    sockets = (ctypes.c_int * 1)(ours.fileno())
    data, sent = bytes(100_000), 0
    while not (behind := send(sockets, data)):
        sent += len(data)
    sent += behind[ours.fileno()]

    got = 0
    theirs.setblocking(True)
    while got < sent:
        got += len(theirs.recv(1 << 20))

    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


@pytest.mark.anyio
async def test_a_slow_receiver_gets_every_frame_whole(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    group = Group(fastest())
    slow = Receiver(transport, ours.fileno())
    group.add(slow)

    for number in range(FRAMES):
        group.send(frame(number))
        if number % 10 == 0:
            group.write(slow, b"pong")
    held_back = group.backlog()
    received = bytearray()
    expected = b"".join(frame(n) + (b"" if n % 10 else b"pong") for n in range(FRAMES))
    while len(received) < len(expected):
        received += await loop.sock_recv(theirs, 1 << 20)
    group.send(b"and on")

    equal = received == expected  # said apart: pytest would show ten megabytes of difference
    assert equal
    assert held_back[slow] > 0, "it was slow"
    assert await loop.sock_recv(theirs, 100) == b"and on"
    assert group.backlog() == {}
    transport.close()

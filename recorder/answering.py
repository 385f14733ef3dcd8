"""Answers who asks on this machine: the status over a local socket, metrics and health over HTTP on loopback.

A socket that cannot be had, or a client that misbehaves, costs an answer and never a recording. Knows no part
of the daemon: what is answered, it is given.
"""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple

import anyio
from anyio.abc import ByteStream, Listener, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

TIMEOUT: Final = 5.0
"""Seconds that a client may take to ask, and to take the answer."""
_LONGEST_HEAD: Final = 8192
_AT_ONCE: Final = 16
"""Clients that are answered at a time."""


class Reply(NamedTuple):
    """Of one HTTP request."""

    status: HTTPStatus
    content_type: str
    body: bytes


Answer = Callable[[], Awaitable[Reply]]


class AnotherAnswers(OSError):
    """Somebody answers on that local socket already."""


async def answer_http(listener: Listener[SocketStream], answers: Mapping[str, Answer]) -> None:
    """Serve GET requests, by path, until cancelled."""
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def serve(stream: ByteStream) -> None:
        with contextlib.suppress(anyio.BrokenResourceError, anyio.EndOfStream, anyio.DelimiterNotFound):
            async with stream, limiter:
                with anyio.move_on_after(TIMEOUT):
                    head = await BufferedByteReceiveStream(stream).receive_until(b"\r\n\r\n", _LONGEST_HEAD)
                    await stream.send(await _reply(head, answers))

    await listener.serve(serve)


async def _reply(head: bytes, answers: Mapping[str, Answer]) -> bytes:
    method, _, rest = head.decode("latin-1").partition("\r\n")[0].partition(" ")
    answer = answers.get(rest.partition(" ")[0].partition("?")[0])
    if method not in ("GET", "HEAD"):
        reply = Reply(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"only GET and HEAD\n")
    elif answer is None:
        known = " ".join(answers)
        reply = Reply(HTTPStatus.NOT_FOUND, "text/plain", f"there is {known}\n".encode())
    else:
        reply = await answer()
    lines = [
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else reply.body)


async def answer_locally(listener: Listener[SocketStream], answer: Callable[[], Awaitable[bytes]]) -> None:
    """Give each client of the local socket one answer, until cancelled."""
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def serve(stream: ByteStream) -> None:
        with contextlib.suppress(anyio.BrokenResourceError):
            async with stream, limiter:
                with anyio.move_on_after(TIMEOUT):
                    await stream.send(await answer())

    await listener.serve(serve)


@contextmanager
def local_listener(path: Path) -> Iterator[socket.socket]:
    """A listening socket at `path`, for its owner and group alone; gone when the context ends. Blocking.

    What a dead daemon left there is taken away.

    Raises:
        AnotherAnswers: somebody answers there.
        OSError: it cannot be made.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening, _short(path) as short:
        _take_away(path, short)
        os.fchmod(listening.fileno(), 0o660)  # which what is bound inherits
        listening.bind(short)
        bound = path.stat()
        try:
            listening.listen()
            listening.setblocking(False)
            yield listening
        finally:
            with contextlib.suppress(OSError):
                if (path.stat().st_dev, path.stat().st_ino) == (bound.st_dev, bound.st_ino):
                    path.unlink()


def _take_away(path: Path, short: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "there is something else that is no socket", str(path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(TIMEOUT)
            try:
                asking.connect(short)
            except ConnectionRefusedError:  # whoever made it is dead
                path.unlink()
            else:
                raise AnotherAnswers(
                    errno.EADDRINUSE,
                    "another daemon answers there: give each a status.socket of its own",
                    str(path),
                )


def ask_locally(path: Path) -> bytes:
    """What the daemon at `path` answers. Blocking.

    Raises:
        OSError: nobody answers there, or not within `TIMEOUT` seconds.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking, _short(path) as short:
        asking.settimeout(TIMEOUT)
        asking.connect(short)
        with asking.makefile("rb") as answer:
            return answer.read()


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """The path in a form that fits into the 107 bytes that the kernel has for it."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)

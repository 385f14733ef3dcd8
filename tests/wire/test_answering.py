"""Clients that ask, over real sockets: the usual ones, and those that misbehave."""

import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio.abc import SocketAttribute, SocketListener

from recorder import answering
from recorder.answering import AnotherAnswers, Reply, answer_http, answer_locally, ask_locally, local_listener

pytestmark = pytest.mark.anyio


async def hello() -> Reply:
    return Reply(HTTPStatus.OK, "text/plain", b"hello\n")


@asynccontextmanager
async def http(patience: float = answering.TIMEOUT) -> AsyncIterator[int]:
    """The port of a server that says hello."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(answer_http, listener, {"/hello": hello}, patience)
        yield listener.extra(SocketAttribute.local_port)  # noqa: S610  no database is near
        tasks.cancel_scope.cancel()


async def exchange(port: int, request: bytes) -> bytes:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(request)
        answer = b""
        try:
            while True:
                answer += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return answer


@pytest.mark.parametrize(
    ("request_line", "first", "last"),
    [
        (b"GET /hello HTTP/1.1", b"HTTP/1.1 200 OK", b"hello\n"),
        (b"GET /hello?from=here HTTP/1.0", b"HTTP/1.1 200 OK", b"hello\n"),
        (b"HEAD /hello HTTP/1.1", b"HTTP/1.1 200 OK", b""),
        (b"GET /../../etc/passwd HTTP/1.1", b"HTTP/1.1 404 Not Found", b"there is /hello\n"),
        (b"POST /hello HTTP/1.1", b"HTTP/1.1 405 Method Not Allowed", b"only GET and HEAD\n"),
        (b"\xff\xfe\x00", b"HTTP/1.1 405 Method Not Allowed", b"only GET and HEAD\n"),
    ],
)
async def test_a_request_is_answered_by_its_path(request_line: bytes, first: bytes, last: bytes) -> None:
    async with http() as port:
        answer = await exchange(port, request_line + b"\r\nHost: x\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.splitlines()[0] == first
    assert body == last


async def test_a_client_that_floods_is_let_go_and_the_others_are_answered() -> None:
    async with http() as port:
        assert await exchange(port, b"x" * 100_000) == b""
        assert (await exchange(port, b"GET /hello HTTP/1.1\r\n\r\n")).endswith(b"hello\n")


async def test_clients_that_say_nothing_take_the_place_of_others_for_a_while_only() -> None:
    async with http(patience=0.2) as port:
        silent = [await anyio.connect_tcp("127.0.0.1", port) for _ in range(40)]
        with anyio.fail_after(10):
            assert (await exchange(port, b"GET /hello HTTP/1.1\r\n\r\n")).endswith(b"hello\n")
        for stream in silent:
            await stream.aclose()


async def test_a_local_socket_is_for_its_owner_and_group_and_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 120) / "s"
    path.parent.mkdir()

    async def answer() -> bytes:
        return b"{}"

    with local_listener(path) as listening:
        mode = path.stat().st_mode
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer_locally, await SocketListener.from_socket(listening), answer)
            answers = [await anyio.to_thread.run_sync(ask_locally, path) for _ in range(3)]
            tasks.cancel_scope.cancel()

    assert answers == [b"{}"] * 3
    assert stat.S_ISSOCK(mode)
    assert mode & 0o600 == 0o600
    assert not mode & 0o117, "nobody else may ask"
    assert not path.exists()


def test_what_a_dead_daemon_left_is_taken_away(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(str(tmp_path / "s"))
    dead.close()

    with pytest.raises(ConnectionRefusedError):
        ask_locally(tmp_path / "s")
    with local_listener(tmp_path / "s"):
        pass
    with pytest.raises(FileNotFoundError):
        ask_locally(tmp_path / "s")


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a person's")

    with local_listener(tmp_path / "s"), pytest.raises(AnotherAnswers), local_listener(tmp_path / "s"):
        pass
    with pytest.raises(FileExistsError), local_listener(tmp_path / "file"):
        pass

    assert (tmp_path / "file").read_text() == "a person's"

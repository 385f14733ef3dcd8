"""The two ways of telling, with real servers and real programs."""

import hashlib
import hmac
import json
import os
import stat
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketStream

from recorder.hooks.carrier import NotTaken
from recorder.hooks.event import Event, Occurrence, occurrence
from recorder.hooks.program import Program
from recorder.hooks.webhook import Webhook
from storage.manifest import SegmentManifest
from tests.hooks.conftest import BOARD
from tests.virtual import BEGIN

pytestmark = pytest.mark.anyio

KEY = "a-key-that-two-have"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def happened(manifest: SegmentManifest) -> Occurrence:
    return occurrence(Event.SEGMENT_UPLOADED, BOARD, utc=BEGIN, now=0.0, manifest=manifest)


@dataclass
class Posted:
    """What a server was sent."""

    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@asynccontextmanager
async def server(answer: bytes | None) -> AsyncIterator[Posted]:
    """One that answers so, or never."""
    posted = Posted()

    async def handle(stream: SocketStream) -> None:
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive()
            head, _, body = data.partition(b"\r\n\r\n")
            posted.headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in head.decode().split("\r\n")[1:])
            }
            while len(body) < int(posted.headers["content-length"]):
                body += await stream.receive()
            posted.body = body
            if answer is None:
                await anyio.sleep_forever()
            else:
                await stream.send(answer)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  no database
        posted.url = f"http://127.0.0.1:{port}/hook/secret-path"
        tasks.start_soon(listener.serve, handle)
        yield posted
        tasks.cancel_scope.cancel()


def status(code: str) -> bytes:
    return f"HTTP/1.1 {code}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


async def test_what_is_posted_can_be_proved_to_be_ours(happened: Occurrence) -> None:
    async with server(status("204 No Content")) as posted:
        hook = Webhook(posted.url, KEY)
        await hook(happened)
        await hook.close()

    said = posted.headers["x-recorder-timestamp"].encode() + b"." + posted.body
    expected = hmac.new(KEY.encode(), said, hashlib.sha256).hexdigest()
    assert posted.headers["x-recorder-signature"] == f"sha256={expected}"
    assert abs(time.time() - int(posted.headers["x-recorder-timestamp"])) < 60
    assert posted.headers["x-recorder-event"] == "segment-uploaded"
    assert posted.headers["x-recorder-id"] == json.loads(posted.body)["id"]
    assert posted.body == happened.body


@pytest.mark.parametrize(
    "answer", ["500 Internal Server Error", "404 Not Found", "302 Found", "410 Gone", "199 Odd"]
)
async def test_any_other_answer_is_a_no(happened: Occurrence, answer: str) -> None:
    async with server(status(answer)) as posted:
        hook = Webhook(posted.url, KEY)
        with anyio.fail_after(5), pytest.raises((NotTaken, TimeoutError)) as caught:
            await hook(happened)
        await hook.close()

    assert "secret-path" not in str(caught.value)


async def test_a_server_that_hangs_can_be_left(happened: Occurrence) -> None:
    async with server(None) as posted:
        hook = Webhook(posted.url, KEY)
        began = time.monotonic()
        with pytest.raises(TimeoutError), anyio.fail_after(0.3):
            await hook(happened)
        await hook.close()

    assert time.monotonic() - began < 2


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n"])
async def test_a_server_that_speaks_no_http_is_a_no_without_the_url(
    happened: Occurrence, answer: bytes
) -> None:
    async with server(answer) as posted:
        hook = Webhook(posted.url, KEY)
        with pytest.raises(NotTaken, match="cannot be reached") as caught:
            await hook(happened)
        await hook.close()

    assert "secret-path" not in str(caught.value)


async def test_a_server_that_is_not_there_is_a_no(happened: Occurrence) -> None:
    hook = Webhook("http://127.0.0.1:9/secret-path", KEY)
    with pytest.raises(NotTaken, match="cannot be reached") as caught:
        await hook(happened)
    await hook.close()

    assert "secret-path" not in str(caught.value)


def script(folder: Path, text: str) -> list[str]:
    path = folder / "hook.py"
    path.write_text(f"#!{sys.executable}\nimport os, sys, subprocess, time\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return [str(path)]


async def test_a_program_gets_it_on_its_input_and_no_secret(happened: Occurrence, tmp_path: Path) -> None:
    command = script(
        tmp_path,
        f"open({str(tmp_path / 'told')!r}, 'wb').write(sys.stdin.buffer.read())\n"
        f"open({str(tmp_path / 'environ')!r}, 'w').write(repr(dict(os.environ)))",
    )
    environ = {
        **os.environ,
        "VOIPBIN_TOKEN": "secret",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "HOOK_KEY": "secret",
    }

    await Program(command, environ)(happened)

    assert (tmp_path / "told").read_bytes() == happened.body
    found = (tmp_path / "environ").read_text()
    assert "secret" not in found
    assert "'RECORDER_EVENT': 'segment-uploaded'" in found
    assert f"'RECORDER_WATCH': 'conference {BOARD.id}'" in found


async def test_a_program_that_fails_is_a_no(happened: Occurrence, tmp_path: Path) -> None:
    with pytest.raises(NotTaken, match="exit status 7"):
        await Program(script(tmp_path, "sys.exit(7)"), os.environ)(happened)


async def test_a_program_that_is_not_there_is_a_no(happened: Occurrence) -> None:
    with pytest.raises(NotTaken, match="cannot be run"):
        await Program(["/no/such/program"], os.environ)(happened)


async def test_a_program_need_not_read_what_it_is_told(happened: Occurrence, tmp_path: Path) -> None:
    large = Occurrence(happened.event, happened.id, happened.watch, b"x" * 1_000_000, 0.0)

    await Program(script(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')"), os.environ)(large)

    assert (tmp_path / "ran").exists()


async def test_a_program_that_hangs_is_killed_with_all_that_it_started(
    happened: Occurrence, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    command = script(
        tmp_path,
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(600)",
    )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Program(command, os.environ), happened)
        with anyio.fail_after(20):
            while not (pids.exists() and len(pids.read_text().split()) == 2):  # noqa: ASYNC110  a program
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    for pid in pids.read_text().split():
        for _ in range(50):
            if not _runs(pid):
                break
            await anyio.sleep(0.1)
        assert not _runs(pid)


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

"""The usual ways to take a stream: each appends payloads to a file, and does no other work of a recorder.

All of them write as often as Python's own files do, every 8 KiB. Those that are no Python are built when they
are wanted, by what the machine has.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import PAYLOAD, Certificate, Load
from tests.bench.process import Cost, Say, measure, on_first_core, wait_for

HERE = Path(__file__).parent
END = 30.0
"""Seconds for a way to read what is left and to end, once its streams have."""
_GOPATH = "/usr/share/gocode"
"""Where Debian's packages of Go libraries are."""


class NotMeasured(Exception):
    """A way that cannot be taken here; the message says why, and what to install."""


@dataclass(frozen=True)
class Rival:
    """A way: what it is called, and the command that records so many streams of a load below a folder."""

    name: str
    command: Callable[[Load, int, Path], list[str]]


def _python(way: str) -> Callable[[Load, int, Path], list[str]]:
    def command(load: Load, streams: int, folder: Path) -> list[str]:
        return [
            sys.executable,
            *("-m", "tests.bench.clients", way, load.url, str(streams), str(folder)),
            *_ca(load.certificate),
        ]

    return command


def _gorilla(load: Load, streams: int, folder: Path) -> list[str]:
    program = folder.parent / "gorilla"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": os.environ.get("GOPATH", _GOPATH)}
    build = ["go", "build", "-o", str(program), str(HERE / "gorilla" / "main.go")]
    _build(build, environment, "apt-get install golang-go golang-github-gorilla-websocket-dev")
    return [str(program), load.url, str(streams), str(folder), *_ca(load.certificate)]


def _epoll(load: Load, streams: int, folder: Path) -> list[str]:
    if load.certificate:
        raise NotMeasured("it does no TLS")
    program = folder.parent / "epoll"
    _build(
        ["cc", "-O2", "-o", str(program), str(HERE / "epoll.c")], os.environ, "apt-get install gcc libc6-dev"
    )
    return [str(program), str(load.port), str(streams), str(folder)]


RIVALS = {
    "websockets": Rival("websockets, `async for`", _python("websockets")),
    "websocket-client": Rival("websocket-client, threads", _python("websocket-client")),
    "gorilla": Rival("Go, gorilla/websocket", _gorilla),
    "epoll": Rival("C, epoll", _epoll),
}


def run(rival: Rival, load: Load, streams: int, seconds: float, say: Say) -> Cost:
    """Measure one way.

    Raises:
        NotMeasured: it cannot be taken here.
        BenchError: it did not do what it should.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name) / "streams"
        folder.mkdir()
        command = rival.command(load, streams, folder)
        with on_first_core(command, Path(name) / "log", {"GOMAXPROCS": "1"}) as process:
            wait_for(streams, load, process, within=streams / 100 + 60, log=Path(name) / "log", say=say)
            cost = measure(rival.name, process, load, seconds, say)
            load.tell("hang up")
            try:
                process.wait(END)
            except subprocess.TimeoutExpired:
                return cost
        kept = sum(file.stat().st_size for file in folder.iterdir())
        sent = sum((last - first) * PAYLOAD for each in load.spans().values() for first, last in each)
        return cost.with_lost((sent - kept) // 2)


def _build(command: list[str], environment: "os._Environ[str] | dict[str, str]", install: str) -> None:
    try:
        subprocess.run(command, env=dict(environment), check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise NotMeasured(f"{command[0]} is not installed ({install})") from None
    except subprocess.CalledProcessError as error:
        raise NotMeasured(f"{command[0]} cannot build it ({install}): {error.stderr.strip()}") from None


def _ca(certificate: Certificate | None) -> list[str]:
    return [str(certificate.ca)] if certificate else []

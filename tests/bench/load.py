"""The load: the generator as a process, and the certificate that it shows under TLS."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

ROOT = Path(__file__).parent.parent.parent
Spans = dict[str, list[tuple[int, int]]]
"""Ticks that were sent, from the first to the one after the last, by path and connection."""

_TLS_RECORD = 22
"""Bytes that TLS 1.3 adds to a frame: header 5, type 1, tag 16."""
_HEADS = {"rtp": 4 + 12, "sln": 4, "audiosocket": 4 + 3}
PAYLOAD = 320
"""Bytes of audio in a packet."""
PACKETS_A_SECOND = 50


class BenchError(Exception):
    """A run that cannot be carried through; the message says at what and why."""


@dataclass(frozen=True)
class Certificate:
    """Files in PEM."""

    chain: Path
    key: Path
    ca: Path

    @classmethod
    def issue(cls, folder: Path) -> "Certificate":
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        files = cls(chain=folder / "chain.pem", key=folder / "key.pem", ca=folder / "ca.pem")
        files.chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(files.key)
        authority.cert_pem.write_to_path(files.ca)
        return files


@dataclass(frozen=True)
class Report:
    """What the generator says of itself: CPU and lateness in seconds, bytes it holds back by peer's port."""

    streams: int
    packets: int
    late: float
    cpu: float
    backlog: dict[int, int]


class Load:
    """A running generator."""

    def __init__(self, encapsulation: str, certificate: Certificate | None, together: int) -> None:
        command = [sys.executable, "-m", "tests.bench.generator", "--encapsulation", encapsulation]
        command += ["--together", str(together)]
        if certificate:
            command += ["--certificate", str(certificate.chain), "--key", str(certificate.key)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.encapsulation = encapsulation
        self.certificate = certificate
        self.wire_bytes_a_second = PACKETS_A_SECOND * (
            _HEADS[encapsulation] + PAYLOAD + (_TLS_RECORD if certificate else 0)
        )
        self.port = int(self._answer())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"{'wss' if self.certificate else 'ws'}://127.0.0.1:{self.port}/v1.0"

    def tell(self, command: str) -> Report:
        """Give a command of the generator's; what it says of itself then."""
        said: dict[str, Any] = self._ask(command)
        backlog = {int(port): size for port, size in said.pop("backlog").items()}
        return Report(backlog=backlog, **said)

    def report(self) -> Report:
        return self.tell("report")

    def spans(self) -> Spans:
        return {path: [(first, last) for first, last in each] for path, each in self._ask("spans").items()}

    def _ask(self, command: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return json.loads(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the load generator has ended; what it said stands above")
        return line

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def running_load(encapsulation: str, certificate: Certificate | None, together: int = 1) -> Iterator[Load]:
    """A generator, each of whose sends has `together` packets of a stream."""
    load = Load(encapsulation, certificate, together)
    try:
        yield load
    finally:
        load.stop()

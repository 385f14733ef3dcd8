"""The installed daemon, configured for the load, and the store it fills: a folder or a real S3 store."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from recorder.simulator.seaweedfs import SeaweedFS, SeaweedFSError
from storage.backends import open_store
from storage.store import ObjectStore
from tests.bench.load import BenchError, Load
from tests.bench.process import Cost, Say, measure, on_first_core, wait_for
from tests.bench.samples import Comparison

NAME = "conference-recorder"
WAY = f"{NAME}, all of it"
DRAIN = 1800
"""Seconds that the daemon is given to upload what it has at the end. What it leaves would count as lost."""


class StoreKind(StrEnum):
    """Where recordings go."""

    FOLDER = "folder"
    S3 = "s3"


@dataclass(frozen=True)
class Bucket:
    """A place for recordings, and how to get there."""

    url: str
    endpoint_url: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def open(self) -> ObjectStore:
        os.environ.update(self.environment)  # the only door that boto3's own chain has
        return open_store(self.url, endpoint_url=self.endpoint_url)


@contextmanager
def bucket(kind: StoreKind, folder: Path) -> Iterator[Bucket]:
    """An empty one. A store that has to be started is gone at the end.

    Raises:
        BenchError: it cannot be started.
    """
    if kind is StoreKind.FOLDER:
        (folder / "bucket").mkdir()
        yield Bucket((folder / "bucket").as_uri())
        return
    (folder / "store").mkdir()
    try:
        with SeaweedFS(folder / "store") as store:
            yield Bucket(f"s3://{store.bucket}/bench", store.endpoint_url, store.environment)
    except SeaweedFSError as error:
        raise BenchError(str(error)) from None


@dataclass(frozen=True)
class Plan:
    """What the daemon is asked to do, and in sends of how many packets its streams come."""

    streams: int
    encapsulation: str = "rtp"
    segment: str = "1m"
    connect_rate: float = 100
    store: StoreKind = StoreKind.FOLDER
    together: int = 1


@dataclass
class Daemon:
    """A running one."""

    process: subprocess.Popen[bytes]
    load: Load
    plan: Plan
    log: Path
    store: ObjectStore
    comparison: Comparison

    def wait_until_up(self, say: Say) -> None:
        within = self.plan.streams / self.plan.connect_rate * 2 + 60
        wait_for(self.plan.streams, self.load, self.process, within=within, log=self.log, say=say)

    def measure(self, seconds: float, say: Say) -> Cost:
        return measure(WAY, self.process, self.load, seconds, say)

    def stop(self, say: Say) -> None:
        """End it as systemd does, and compare what is in the bucket with what was sent."""
        say(f"{NAME}: stopping, and uploading what it has")
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        say(f"{NAME}: comparing the bucket with what was sent")
        self.comparison.take(self.load.spans())


@contextmanager
def running_daemon(load: Load, plan: Plan) -> Iterator[Daemon]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        bucket(plan.store, Path(name)) as place,
    ):
        folder = Path(name)
        command = [str(Path(sys.executable).parent / NAME), "run", "--config"]
        command.append(str(configure(folder, load, plan, place)))
        log, environment = folder / "log", {**place.environment, "VOIPBIN_TOKEN": "a.b.c"}
        with on_first_core(command, log, environment) as process:
            store = place.open()
            yield Daemon(process, load, plan, log, store, Comparison(store))
            store.close()


def configure(folder: Path, load: Load, plan: Plan, place: Bucket) -> Path:
    (folder / "watchlist.toml").write_text(
        "\n".join(f'[[conference]]\nid = "{conference(n)}"' for n in range(1, plan.streams + 1))
    )
    lines = [
        'watchlist = "watchlist.toml"',
        "[voipbin]",
        f'url = "{load.url}"',
        "allow_insecure = true",
        "observe = false",  # the generator has no API; what asking costs is measured by `discovery`
        f'encapsulation = "{plan.encapsulation}"',
        f"connect_rate = {plan.connect_rate}",
        *([f'ca_file = "{load.certificate.ca}"'] if load.certificate else []),
        "[recording]",
        'spool = "spool"',
        'recorder = "bench"',
        f'segment = "{plan.segment}"',
        f'drain_timeout = "{DRAIN}s"',
        "[storage]",
        f'url = "{place.url}"',
        *([f'endpoint_url = "{place.endpoint_url}"'] if place.endpoint_url else []),
    ]
    (folder / "recorder.toml").write_text("\n".join(lines))
    return folder / "recorder.toml"


def conference(number: int) -> str:
    return f"1ed12456-eb4b-11ee-bba8-{number:012x}"

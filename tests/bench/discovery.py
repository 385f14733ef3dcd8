"""Many conferences, some of them live, and a daemon that was told of none: when all are recorded."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from recorder.simulator import TOKEN
from storage.manifest import parse_manifest
from storage.names import MANIFEST_SUFFIX
from tests.bench import kernel
from tests.bench.daemon import DRAIN, NAME, Bucket, StoreKind, bucket
from tests.bench.load import ROOT, BenchError
from tests.bench.process import Say, on_first_core

BOUND = 30.0
"""Seconds from the start of the daemon until all that are live are recorded."""
PATIENCE = 120.0
"""Seconds after which it is not waited for any more."""
AFTERWARDS = 20.0
"""Seconds that those who came last are given."""


@dataclass(frozen=True)
class Crowd:
    """What there is on the platform.

    Attributes:
        turnover: conferences a second that are over, while as many others begin.
        setup: seconds that the platform needs from a handshake to audio.
        frame: samples in a message.
    """

    conferences: int
    live: int
    turnover: float = 1.0
    setup: float = 1.0
    frame: int = 160


@dataclass(frozen=True)
class Found:
    """What came of it.

    Attributes:
        seconds: from the start of the daemon until all that were live were heard; None if not in time.
        requests: by kind, until then.
        later: the same, while the people moved on.
        busiest: requests in the busiest second of all, as they arrived.
        throttled: requests that were answered 429, being more than 17 a second after a burst of 33.
        cpu, memory: share of its core and MiB of the daemon until then.
        cpu_later, memory_later: the same, while the people moved on.
        late: seconds from the first participant to the first audio of each that began later.
        unheard: of those, how many never were.
        lost: samples that were sent and are not in the bucket.
        platform: share of its core that the platform took.
    """

    seconds: float | None
    requests: Mapping[str, int]
    later: Mapping[str, int]
    busiest: int
    throttled: int
    cpu: float
    memory: float
    cpu_later: float
    memory_later: float
    late: Sequence[float]
    unheard: int
    lost: int
    platform: float

    @property
    def good(self) -> bool:
        in_time = self.seconds is not None and self.seconds <= BOUND
        return in_time and not (self.throttled or self.unheard or self.lost)

    @property
    def spread(self) -> tuple[float, float, float]:
        """Median, 95th of a hundred and most of `late`."""
        if not self.late:
            return 0.0, 0.0, 0.0
        ordered = sorted(self.late)
        return median(ordered), ordered[ceil(0.95 * len(ordered)) - 1], ordered[-1]

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "spread": self.spread, "good": self.good}


class Platform:
    """A running one, with its meetings."""

    def __init__(self, crowd: Crowd) -> None:
        command = [sys.executable, "-m", "tests.bench.meetings"]
        command += ["--conferences", str(crowd.conferences), "--live", str(crowd.live)]
        command += ["--setup", str(crowd.setup), "--frame", str(crowd.frame)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.url = self._answer().strip()

    def tell(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        said: dict[str, Any] = json.loads(self._answer())
        return said

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the platform has ended; what it said stands above")
        return line

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def discover(crowd: Crowd, seconds: float, say: Say) -> Found:
    """Start the daemon, wait until all are recorded, and let the people move on for so many seconds."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, bucket(StoreKind.FOLDER, Path(name)) as place:
        folder = Path(name)
        with _running(crowd) as platform:
            command = [str(Path(sys.executable).parent / NAME), "run", "--config"]
            command.append(str(_configure(folder, platform.url, place)))
            cpu, began = platform.tell("report")["cpu"], time.monotonic()
            with on_first_core(command, folder / "log", {"VOIPBIN_TOKEN": TOKEN}) as daemon:
                took = _wait(platform, daemon, crowd, folder / "log", say)
                start = platform.tell("report")
                first, passed = kernel.cpu_of(daemon.pid), time.monotonic() - began
                memory = kernel.resident_kib(daemon.pid) / 1024
                _move(platform, crowd, seconds, say)
                later = platform.tell("report")
                used = kernel.cpu_of(daemon.pid).since(first)
                moved = time.monotonic() - began - passed
                memory_later = kernel.resident_kib(daemon.pid) / 1024
                say(f"{NAME}: stopping, and uploading what it has")
                daemon.send_signal(signal.SIGTERM)
                daemon.wait()
            sent = platform.tell("sent")
        late = [each for each in later["late"] if each is not None]
        return Found(
            seconds=took,
            requests=start["requests"],
            later={kind: n - start["requests"].get(kind, 0) for kind, n in later["requests"].items()},
            busiest=later["busiest"],
            throttled=later["throttled"],
            cpu=first.both / passed,
            memory=memory,
            cpu_later=used.both / moved,
            memory_later=memory_later,
            late=late,
            unheard=len(later["late"]) - len(late),
            lost=_lost(place, sent),
            platform=(later["cpu"] - cpu) / (passed + moved),
        )


@contextmanager
def _running(crowd: Crowd) -> Iterator[Platform]:
    platform = Platform(crowd)
    try:
        yield platform
    finally:
        platform.stop()


def _configure(folder: Path, url: str, place: Bucket) -> Path:
    (folder / "watchlist.toml").write_text('[[discover]]\nname = "board*"\n')
    lines = [
        'watchlist = "watchlist.toml"',
        "[voipbin]",
        f'url = "{url}"',
        "allow_insecure = true",
        "observe = true",
        "[recording]",
        'spool = "spool"',
        'recorder = "bench"',
        'segment = "1m"',
        f'drain_timeout = "{DRAIN}s"',
        "[storage]",
        f'url = "{place.url}"',
    ]
    (folder / "recorder.toml").write_text("\n".join(lines))
    return folder / "recorder.toml"


def _wait(
    platform: Platform, daemon: subprocess.Popen[bytes], crowd: Crowd, log: Path, say: Say
) -> float | None:
    """Seconds until all that were live at first are heard; None if they are not in time."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < PATIENCE:
        if daemon.poll() is not None:
            raise BenchError(f"{NAME} has ended; it said last:\n{log.read_text(errors='replace')[-1500:]}")
        heard = platform.tell("report")["heard"]
        if heard == crowd.live:
            return passed
        say(f"{heard} of {crowd.live} are recorded after {passed:.0f} s")
        time.sleep(0.2)
    return None


def _move(platform: Platform, crowd: Crowd, seconds: float, say: Say) -> None:
    say(f"people move on for {seconds:.0f} s")
    platform.tell(f"move {crowd.turnover}")
    time.sleep(seconds)
    platform.tell("rest")
    deadline = time.monotonic() + AFTERWARDS
    while None in platform.tell("report")["late"] and time.monotonic() < deadline:
        time.sleep(0.2)


def _lost(place: Bucket, sent: Mapping[str, int]) -> int:
    """Samples that were sent and are not in the bucket, however many there are of others."""
    store = place.open()
    try:
        there: dict[str, int] = {}
        for key in (stat.key for stat in store.list() if stat.key.endswith(MANIFEST_SUFFIX)):
            with store.open(key) as file:
                manifest = parse_manifest(file.read())
            there[manifest.watch.id] = there.get(manifest.watch.id, 0) + manifest.samples - manifest.silence
        return sum(abs(count - there.get(id_, 0)) for id_, count in sent.items())
    finally:
        store.close()

"""Measures what a stream costs: `python -m tests.bench density --streams 300 --seconds 60`.

The installed daemon and the usual Python ways, one after the other against one load generator, each bound to
one core, in one run. Figures of one run compare with each other; those of two machines or days do not. The
daemon's segments are a minute long, so that a minute has the cost of one of each stream, upload included.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from recorder.simulator.tape import Tape
from storage.directory import DirectoryStore
from storage.manifest import parse_manifest
from storage.names import MANIFEST_SUFFIX
from tests.bench.generator import FRAME

ROOT = Path(__file__).parent.parent.parent
SETTLE = 6.0
"""Seconds after the last stream is up until anything is measured: detecting the codec is over by then."""
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Cost:
    """What one way took: CPU in microseconds a packet, resident KiB a stream, samples that are not there."""

    way: str
    microseconds: float
    kib: float
    lost: int | None


class Load:
    """The generator, as a process."""

    def __init__(self, encapsulation: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.generator", "--encapsulation", encapsulation],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def report(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def wait_for(self, streams: int) -> None:
        while self.report()["streams"] != streams:
            time.sleep(0.2)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def on_one_core(command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process bound to the first core. What is left of it at the end is killed."""
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    ) as process:
        # At once, before it has threads: they take over what the first one has.
        os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        try:
            yield process
        finally:
            process.kill()


def measure(way: str, process: subprocess.Popen[bytes], load: Load, streams: int, seconds: float) -> Cost:
    load.wait_for(streams)
    time.sleep(SETTLE)
    before, cpu = load.report(), cpu_seconds(process.pid)
    time.sleep(seconds)
    after, used = load.report(), cpu_seconds(process.pid) - cpu
    packets = after["packets"] - before["packets"]
    return Cost(way, used / packets * 1e6, resident_kib(process.pid) / streams, None)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def configure(folder: Path, load: Load, streams: int, encapsulation: str) -> Path:
    (folder / "bucket").mkdir()
    (folder / "watchlist.toml").write_text(
        "\n".join(f'[[conference]]\nid = "1ed12456-eb4b-11ee-bba8-{n:012x}"' for n in range(1, streams + 1))
    )
    (folder / "recorder.toml").write_text(
        f"""
watchlist = "watchlist.toml"
[voipbin]
url = "ws://127.0.0.1:{load.port}/v1.0"
allow_insecure = true
encapsulation = "{encapsulation}"
connect_rate = 500
[recording]
spool = "spool"
recorder = "bench"
segment = "1m"
[storage]
url = "{(folder / "bucket").as_uri()}"
"""
    )
    return folder / "recorder.toml"


def lost_samples(bucket: Path, spans: dict[str, list[list[int]]]) -> int:
    """How many of the samples that the generator sent are not in the bucket, or not in their place."""
    store, tape = DirectoryStore(bucket), Tape.speech("standup").samples
    heard: dict[str, list[np.ndarray[Any, np.dtype[np.int16]]]] = {}
    for key in sorted(stat.key for stat in store.list()):
        if not key.endswith(MANIFEST_SUFFIX):
            continue
        manifest = parse_manifest((bucket / key).read_bytes())
        samples = Tape.read(bucket / manifest.audio.key).samples
        ours = np.zeros(len(samples), np.bool_)
        for entry in manifest.ledger:
            ours[entry.start : entry.start + entry.samples] = True
        heard.setdefault(manifest.watch.id, []).append(samples[~ours])
    lost = 0
    for path, each in spans.items():
        watch = path.split("/")[3]
        sent = np.concatenate([tape_at(tape, tick) for first, last in each for tick in range(first, last)])
        got = np.concatenate(heard.get(watch, [np.zeros(0, np.int16)]))
        both = min(len(sent), len(got))
        lost += int(np.count_nonzero(sent[:both] != got[:both])) + abs(len(sent) - len(got))
    return lost


def tape_at(tape: np.ndarray[Any, np.dtype[np.int16]], tick: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    start = tick * FRAME % (len(tape) - FRAME)
    return tape[start : start + FRAME]


def daemon(load: Load, streams: int, seconds: float, encapsulation: str) -> Cost:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = configure(folder, load, streams, encapsulation)
        command = [str(Path(sys.executable).parent / "conference-recorder"), "run", "--config", str(config)]
        with on_one_core(command, VOIPBIN_TOKEN="a.b.c") as process:
            cost = measure("conference-recorder, all of it", process, load, streams, seconds)
            process.send_signal(signal.SIGTERM)
            process.wait()
        lost = lost_samples(folder / "bucket", load.report()["spans"])
        return Cost(cost.way, cost.microseconds, cost.kib, lost)


def usual(way: str, load: Load, streams: int, seconds: float) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.clients", way, str(load.port), str(streams), folder]
        with on_one_core(command) as process:
            return measure(f"{way}, payload appended to a file", process, load, streams, seconds)


@app.command()
def density(
    streams: Annotated[int, typer.Option(help="Streams at a time.")] = 300,
    seconds: Annotated[float, typer.Option(help="Seconds to measure each way for.")] = 20,
    encapsulation: Annotated[
        str, typer.Option(help="rtp, sln or audiosocket; the usual ways take rtp.")
    ] = "rtp",
) -> None:
    """CPU a packet of the daemon and of the usual Python ways, side by side."""
    costs = []
    for way in ("daemon", "websockets", "websocket-client"):
        load = Load(encapsulation if way == "daemon" else "rtp")
        try:
            costs.append(
                daemon(load, streams, seconds, encapsulation)
                if way == "daemon"
                else usual(way, load, streams, seconds)
            )
        finally:
            load.stop()
    table = Table("way", "us a packet", "streams a core", "KiB a stream", "samples lost")
    for cost in costs:
        table.add_row(
            cost.way,
            f"{cost.microseconds:.1f}",
            f"{1e6 / (50 * cost.microseconds):.0f}",
            f"{cost.kib:.0f}",
            "" if cost.lost is None else str(cost.lost),
        )
    Console(width=110).print(table)


@app.callback()
def _bench() -> None:
    """Benchmarks of the recorder. Run them on an idle machine."""


if __name__ == "__main__":
    app()

"""Starting what is measured, on a core of its own, and measuring it while the load runs."""

import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import kernel
from tests.bench.load import ROOT, BenchError, Load

SETTLE = 6.0
"""Seconds after the last stream is up until anything is measured: detecting the codec is over by then."""
LOOK_EVERY = 2.0
"""Seconds between two looks at what waits in the sockets. A look at thousands of them is not free."""
DENIED = 0.2
"""Share of the time. A process that other processes keep from its core so much is not measured, they are."""
TOO_LATE = 0.1
"""Seconds. A generator that is later sends bursts that no platform sends, and the figures are void."""

Say = Callable[[str], None]
"""Tells whoever waits what is going on."""


@dataclass(frozen=True)
class Cost:
    """What one way took.

    Attributes:
        way: its name.
        microseconds: of CPU, a packet.
        kernel: of those, in the kernel.
        share: of its core.
        kib: resident, a stream.
        resident: the same of the whole process.
        lag: seconds that the stream furthest behind was behind at most; see `kernel.lag`.
        generator: CPU of the generator, microseconds a packet.
        late: seconds that the generator was late at most.
        denied: share of the time that its main thread was kept from its core by other processes.
        lost: samples; None if they were not counted.
    """

    way: str
    streams: int
    microseconds: float
    kernel: float
    share: float
    kib: float
    resident: int
    lag: float
    generator: float
    late: float
    denied: float = 0.0
    lost: int | None = None

    @property
    def streams_a_core(self) -> float:
        return 1e6 / (50 * self.microseconds)

    @property
    def void(self) -> bool:
        return self.late > TOO_LATE or self.denied > DENIED

    def with_lost(self, lost: int) -> "Cost":
        return replace(self, lost=lost)


@contextmanager
def on_first_core(
    command: list[str], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process bound to the first core. What is left of it at the end is killed."""
    measured, _ = kernel.cores()
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=ROOT, stdout=output, stderr=output
        ) as process,
    ):
        # At once, before it has threads: they take over what the first one has.
        os.sched_setaffinity(process.pid, {measured})
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def beside() -> Iterator[None]:
    """We, and what is started in here, leave the first core alone and may open all the files there may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    usable = os.sched_getaffinity(0)
    _, other = kernel.cores()
    os.sched_setaffinity(0, {other})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


def wait_for(
    streams: int, load: Load, process: subprocess.Popen[bytes], *, within: float, log: Path, say: Say
) -> None:
    """Wait until so many streams are up, and until what comes with a beginning is over.

    Raises:
        BenchError: they are not, in time, or the process has ended.
    """
    deadline = time.monotonic() + within
    while (up := load.report().streams) != streams:
        if process.poll() is not None or time.monotonic() > deadline:
            state = "it has ended" if process.poll() is not None else f"{within:.0f} s have passed"
            last = log.read_text(errors="replace")[-1500:]
            raise BenchError(f"{up} of {streams} streams are up and {state}; it said last:\n{last}")
        say(f"{up} of {streams} streams are up")
        time.sleep(0.2)
    say(f"all {streams} streams are up; waiting until they run evenly")
    time.sleep(SETTLE)


def measure(way: str, process: subprocess.Popen[bytes], load: Load, seconds: float, say: Say) -> Cost:
    """What `process` takes for `seconds`, while the load runs."""
    first, cpu = load.report(), kernel.cpu_of(process.pid)
    main, waited = kernel.cpu_of_main_thread(process.pid), kernel.waited(process.pid)
    began = time.monotonic()
    late = lag = 0.0
    while (left := began + seconds - time.monotonic()) > 0:
        say(f"{way}: {first.streams} streams, {seconds - left:.0f} of {seconds:.0f} s")
        time.sleep(min(LOOK_EVERY, left))
        report = load.report()
        late = max(late, report.late)
        waiting = kernel.unread(kernel.tcp_sockets(), load.port)
        lag = max(lag, kernel.lag(waiting, report.backlog, load.wire_bytes_a_second))
    last, used = load.report(), kernel.cpu_of(process.pid).since(cpu)
    took = time.monotonic() - began
    # Threads of its own are no strangers.
    others = used.both - kernel.cpu_of_main_thread(process.pid).since(main).both
    denied = max(0.0, kernel.waited(process.pid) - waited - others) / took
    if process.poll() is not None:
        raise BenchError(f"{way} has ended while it was measured, with exit status {process.returncode}")
    packets = last.packets - first.packets
    resident = kernel.resident_kib(process.pid)
    return Cost(
        way=way,
        streams=first.streams,
        # A tick is the least that the kernel counts: of a few streams for a second it may count none.
        microseconds=max(used.both, 1 / kernel.TICKS_A_SECOND) / packets * 1e6,
        kernel=used.system / packets * 1e6,
        share=used.both / took,
        kib=resident / first.streams,
        resident=resident,
        lag=lag,
        generator=(last.cpu - first.cpu) / packets * 1e6,
        late=late,
        denied=denied,
    )

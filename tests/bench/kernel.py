"""What the kernel knows of a process and of its sockets: CPU, memory, and what waits to be read."""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_LOOPBACK = "0100007F"
_ESTABLISHED = "01"


@dataclass(frozen=True)
class Cpu:
    """CPU seconds of a process, all of its threads: in its own code, and in the kernel for it."""

    user: float
    system: float

    @property
    def both(self) -> float:
        return self.user + self.system

    def since(self, before: "Cpu") -> "Cpu":
        return Cpu(self.user - before.user, self.system - before.system)


def cpu_of(pid: int) -> Cpu:
    return _cpu(Path(f"/proc/{pid}/stat"))


def cpu_of_main_thread(pid: int) -> Cpu:
    return _cpu(Path(f"/proc/{pid}/task/{pid}/stat"))


def waited(pid: int) -> float:
    """Seconds that the main thread was ready to run and its core was with somebody else."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def _cpu(stat: Path) -> Cpu:
    fields = stat.read_text().rpartition(")")[2].split()
    return Cpu(int(fields[11]) / TICKS_A_SECOND, int(fields[12]) / TICKS_A_SECOND)


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def unread(lines: Iterable[str], port: int) -> dict[int, int]:
    """Bytes under way to the peers of a server on loopback, by the peer's port.

    What the server's socket has not got rid of, and what the peer has not read. `lines` are those of
    /proc/net/tcp.
    """
    ours = f"{_LOOPBACK}:{port:04X}"
    found: dict[int, int] = {}
    for line in lines:
        if ours not in line:
            continue
        _, local, remote, state, queues, *_ = line.split()
        sending, receiving = (int(part, 16) for part in queues.split(":"))
        if state != _ESTABLISHED:
            continue
        if local == ours:
            peer, waiting = remote, sending
        elif remote == ours:
            peer, waiting = local, receiving
        else:
            continue
        number = int(peer.rpartition(":")[2], 16)
        found[number] = found.get(number, 0) + waiting
    return found


def lag(unread: Mapping[int, int], held_back: Mapping[int, int], bytes_a_second: float) -> float:
    """Seconds of the stream that is furthest behind, of what was sent and not read."""
    return max((size + held_back.get(port, 0) for port, size in unread.items()), default=0) / bytes_a_second


def tcp_sockets() -> Iterator[str]:
    with Path("/proc/net/tcp").open() as file:
        yield from file


def machine() -> str:
    """One line on what the figures belong to."""
    model = "unknown CPU"
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}; Linux {platform.release()}"


@cache
def cores() -> tuple[int, int]:
    """The core of whoever is measured, and that of the generator, the store and the benchmark itself.

    Of those that are usable when first asked: later we are bound to one of them.
    """
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]

"""The platform restarts: every stream is cut at once, the server is away for a while, and then comes back."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench import kernel
from tests.bench.daemon import Daemon, Plan, running_daemon
from tests.bench.load import Certificate, running_load
from tests.bench.process import SETTLE, Say

GRACE = 10.0
"""Seconds that all streams may take to be back beyond those that the rate of connections makes it last."""


@dataclass(frozen=True)
class Return:
    """How the daemon came back.

    Attributes:
        seconds: from the server's return until all streams were up again; None if they were not in time.
        bound: what it may take.
        up: streams that were up in the end.
        mean: share of its core that the daemon took meanwhile.
        most: the same in the busiest second.
        lost_before: samples of the connections that were cut; what was under way when they were may be lost.
        lost_after: samples of the connections after that.
        late: seconds that the generator was late at most.
    """

    seconds: float | None
    bound: float
    up: int
    mean: float
    most: float
    lost_before: int = 0
    lost_after: int = 0
    late: float = 0.0

    @property
    def good(self) -> bool:
        return self.seconds is not None and self.seconds <= self.bound and not self.lost_after

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def bound(streams: int, connect_rate: float) -> float:
    return streams / connect_rate + GRACE


def restart(plan: Plan, away: float, certificate: Certificate | None, say: Say) -> Return:
    with running_load(plan.encapsulation, certificate) as load, running_daemon(load, plan) as daemon:
        daemon.wait_until_up(say)
        load.tell("away")
        say(f"the server is away for {away:.0f} s")
        time.sleep(away)
        load.tell("back")
        back = _watch_return(daemon, say)
        time.sleep(SETTLE)
        late = load.report().late
        daemon.stop(say)
        before = daemon.comparison.lost_of(0)
        return Return(
            **{
                **back.plain(),
                "lost_before": before,
                "lost_after": daemon.comparison.lost() - before,
                "late": max(back.late, late),
            }
        )


def _watch_return(daemon: Daemon, say: Say) -> Return:
    """Look on, second by second, until all streams are up or it has taken more than twice what it may."""
    streams, limit = daemon.plan.streams, bound(daemon.plan.streams, daemon.plan.connect_rate)
    began = looked = time.monotonic()
    first = before = kernel.cpu_of(daemon.process.pid)
    most, up, late = 0.0, 0, 0.0
    while up < streams and time.monotonic() - began < 2 * limit:
        time.sleep(0.1)
        report = daemon.load.report()
        up, late, now = report.streams, max(late, report.late), time.monotonic()
        say(f"{up} of {streams} streams are back after {now - began:.0f} s")
        if now - looked >= 1:
            cpu = kernel.cpu_of(daemon.process.pid)
            most = max(most, cpu.since(before).both / (now - looked))
            before, looked = cpu, now
    took = time.monotonic() - began
    mean = kernel.cpu_of(daemon.process.pid).since(first).both / took
    return Return(took if up == streams else None, limit, up, mean, max(most, mean), late=late)

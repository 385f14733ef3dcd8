"""How the daemon's cost grows with the number of streams, and whether it grows with time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.bench.daemon import Plan, running_daemon
from tests.bench.load import Certificate, running_load
from tests.bench.process import Cost, Say

FLAT = 0.1
"""The change from the first row to the last, as a share, up to which a run counts as flat."""

Show = Callable[[str, Cost, Cost | None], None]
"""Shows a row as soon as it is known: its head, what was measured, and the row before where they compare."""


@dataclass(frozen=True)
class Drift:
    """The change from the first row to the last, as shares: of the cost of a packet, and of the memory."""

    microseconds: float
    resident: float

    @property
    def flat(self) -> bool:
        return self.microseconds <= FLAT and self.resident <= FLAT

    def __str__(self) -> str:
        verdict = "flat" if self.flat else "NOT flat"
        return (
            f"{verdict}: from the first row to the last, cost {self.microseconds:+.1%}, memory"
            f" {self.resident:+.1%} (up to {FLAT:+.0%} counts as flat)"
        )


def drift(rows: Sequence[Cost]) -> Drift:
    first, last = rows[0], rows[-1]
    return Drift(last.microseconds / first.microseconds - 1, last.resident / first.resident - 1)


def by_streams(
    plan: Plan,
    numbers: Sequence[int],
    seconds: float,
    certificate: Certificate | None,
    *,
    say: Say,
    show: Show,
) -> list[Cost]:
    """Measure one number of streams after the other, each with a new daemon."""
    costs: list[Cost] = []
    for number in numbers:
        with (
            running_load(plan.encapsulation, certificate, plan.together) as load,
            running_daemon(load, replace(plan, streams=number)) as daemon,
        ):
            daemon.wait_until_up(say)
            cost = daemon.measure(seconds, say)
            daemon.stop(say)
            cost = cost.with_lost(daemon.comparison.lost())
        show(str(number), cost, costs[-1] if costs else None)
        costs.append(cost)
    return costs


def by_time(
    plan: Plan, seconds: float, every: float, certificate: Certificate | None, *, say: Say, show: Show
) -> tuple[list[Cost], int]:
    """Measure one daemon for so long, in rows of `every` seconds; also say how many samples were lost.

    What has been compared with what was sent is deleted from the bucket.
    """
    costs: list[Cost] = []
    with (
        running_load(plan.encapsulation, certificate, plan.together) as load,
        running_daemon(load, plan) as daemon,
    ):
        daemon.wait_until_up(say)
        began = time.monotonic()
        while len(costs) < 2 or time.monotonic() - began < seconds:  # one has nothing to compare with
            cost = daemon.measure(every, say)
            show(f"{(time.monotonic() - began) / 60:.1f}", cost, None)
            costs.append(cost)
            daemon.comparison.take(load.spans(), tidy=True)
            load.report()  # what it was late meanwhile, beside us, is in no row
        daemon.stop(say)
        return costs, daemon.comparison.lost()

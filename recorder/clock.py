"""The two clocks of the daemon: monotonic seconds for all that waits, UTC for all that is labelled.

Passed in where time is read, so that a test can run a day in a second.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def wall_clock() -> datetime:
    """UTC as this machine has it."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time comes from. `monotonic` never goes back; `utc` may, when somebody sets the wall clock."""

    monotonic: Callable[[], float] = time.monotonic
    utc: Callable[[], datetime] = wall_clock

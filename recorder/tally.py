"""What was recorded, uploaded and missed since the process began. Pure; counts only grow."""

from collections import Counter
from dataclasses import dataclass, field

from storage.manifest import GapReason


@dataclass(slots=True)
class Tally:
    """Of one watch, or of many.

    Attributes:
        recorded: samples of the conference that the disk took.
        silence: samples that stand for what was not heard or not written, by reason.
        gaps: how many times silence was put in.
        reconnects: attempts that became necessary, by reason: `lost`, or why the one before came to nothing.
        sealed: segments.
    """

    recorded: int = 0
    silence: Counter[GapReason] = field(default_factory=Counter)
    gaps: int = 0
    reconnects: Counter[str] = field(default_factory=Counter)
    sealed: int = 0

    def add(self, other: "Tally") -> None:
        """Count all of `other` as well."""
        self.recorded += other.recorded
        self.silence.update(other.silence)
        self.gaps += other.gaps
        self.reconnects.update(other.reconnects)
        self.sealed += other.sealed


LATENCIES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds: upper bounds by which the time of uploads is counted."""


@dataclass(slots=True)
class UploadTally:
    """Of all uploads.

    Attributes:
        segments: that are in the bucket, and have been read back equal.
        seconds: what those took, put and read back, in all.
        within: how many took at most so long: one for each of `LATENCIES`, and one for all that took longer.
        failures: attempts that came to nothing, by reason.
        read_back_failures: those among them where the bucket gave back something else than it was given.
        failed_in_a_row: attempts since the last that succeeded.
    """

    segments: int = 0
    seconds: float = 0.0
    within: list[int] = field(default_factory=lambda: [0] * (len(LATENCIES) + 1))
    failures: Counter[str] = field(default_factory=Counter)
    read_back_failures: int = 0
    failed_in_a_row: int = 0

    def uploaded(self, seconds: float) -> None:
        """Count one that took so long."""
        self.segments += 1
        self.failed_in_a_row = 0
        self.seconds += seconds
        self.within[sum(bound < seconds for bound in LATENCIES)] += 1

    def failed(self, reason: str, *, read_back: bool = False) -> None:
        """Count one that came to nothing."""
        self.failures[reason] += 1
        self.failed_in_a_row += 1
        self.read_back_failures += read_back

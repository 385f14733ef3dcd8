"""What lies between two instants: what is cut from where, and what is silence and why.

Pure: knows no store and no file. Instants are aware datetimes, positions are counts of samples. How it comes
about is told in `line`, for one recorder, and in `merging`, for several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from storage.manifest import OpenedAfterReason, SegmentManifest
from storage.names import SegmentName

SAMPLE_RATE = 8000
"""Samples a second. VoIPBIN streams nothing else."""

LABEL_TOLERANCE = timedelta(seconds=1)
"""How far the label of a segment may be from the end of the one it continues, and still be its label."""

MISSING = "missing"
"""Audio was recorded and is not in the bucket, or not yet."""

CORRUPT = "corrupt"
"""Audio or a manifest is in the bucket and is not what was recorded."""

UNACCOUNTED = "unaccounted"
"""Nothing in the bucket says what happened, or not yet."""

CLOCK = "clock"
"""Why time is missing between labels where a link proves that no segment is: the clock on the wall was set
forward, or the machine slept. Nothing in a bucket tells one from the other."""

FAILURES = frozenset({MISSING, CORRUPT})
"""Reasons of silence that mean that something was recorded and is not there."""

NOTHING_TO_HEAR = frozenset({OpenedAfterReason.IDLE.value, OpenedAfterReason.START.value})
"""Reasons of silence that mean that a recorder listened, and nothing came. All others may hide audio."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An object that cannot be used, and why; `name` is that of its segment."""

    name: SegmentName
    key: str
    message: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Samples `start` to `stop` (not included) of a segment."""

    segment: SegmentManifest
    start: int
    stop: int

    @property
    def samples(self) -> int:
        """How many."""
        return self.stop - self.start

    @property
    def heard(self) -> int:
        """How many of them are not silence of ours."""
        spans = ((max(entry.start, self.start), min(entry.end, self.stop)) for entry in self.segment.ledger)
        return self.samples - sum(max(last - first, 0) for first, last in spans)

    @property
    def started_at(self) -> datetime:
        """The label of its first sample."""
        return self.instant(0)

    @property
    def ended_at(self) -> datetime:
        """The label just after its last sample."""
        return self.instant(self.samples)

    def instant(self, sample: int) -> datetime:
        """The label of one of its samples."""
        return self.segment.started_at + to_duration(self.start + sample)

    def part(self, start: int, stop: int) -> "Cut":
        """Its own samples `start` to `stop` (not included)."""
        return Cut(self.segment, self.start + start, self.start + stop)


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence of `samples` samples from `started_at` on, which no segment covers, and its reason."""

    started_at: datetime
    samples: int
    reason: str

    def instant(self, sample: int) -> datetime:
        """The instant of one of its samples."""
        return self.started_at + to_duration(sample)

    def part(self, start: int, stop: int) -> "Pause":
        """Its own samples `start` to `stop` (not included)."""
        return Pause(self.instant(start), stop - start, self.reason)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Time that two recorders recorded: audio of `taken` is given, that of `left_out` is not.

    They are one recorder where it gave the same labels to audio twice, as it does when its clock was set
    back. What is left out is other audio then: `cuts`.
    """

    started_at: datetime
    ended_at: datetime
    taken: str
    left_out: str
    cuts: tuple[Cut, ...] = ()

    @property
    def samples(self) -> int:
        """How many samples of the conference `cuts` has."""
        return sum(cut.heard for cut in self.cuts)

    def between(self, start: datetime, end: datetime) -> "Overlap":
        """What of it lies between two instants."""
        started_at, ended_at = max(self.started_at, start), min(self.ended_at, end)
        cuts = []
        for cut in self.cuts:
            first = max(to_samples(started_at - cut.started_at), 0)
            last = min(to_samples(ended_at - cut.started_at), cut.samples)
            if first < last:
                cuts.append(cut.part(first, last))
        return Overlap(started_at, ended_at, self.taken, self.left_out, tuple(cuts))


@dataclass(frozen=True, slots=True)
class Joint:
    """How the audio of one recorder was put to that of another.

    Attributes:
        labels_apart: by how many samples the second one's labels are later, as its audio shows; None where it
            shows nothing, and the labels were believed.
        why_not: why it shows nothing; empty where it does.
    """

    labels_apart: int | None
    why_not: str = ""


class Others(Protocol):
    """What the other recorders of a layout have, where the audio of one cannot be used."""

    def instead(self, at: int, samples: int, unusable: Mapping[SegmentName, str]) -> Sequence[Cut | Pause]:
        """What lies from sample `at` of the layout on, without segments that cannot be used, and why not."""

    def joint(self, before: Cut, after: Cut) -> Joint:
        """How a cut was put to one of another recorder before it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What lies between two instants, in order and without a hole.

    `others` is None where there is one recorder. `orphans` are segments in it of which the one before is lost
    whole, manifest and all; what another recorder has of that time is there all the same.
    """

    started_at: datetime
    ended_at: datetime
    pieces: tuple[Cut | Pause, ...]
    overlaps: tuple[Overlap, ...]
    problems: tuple[Problem, ...]
    others: Others | None = None
    orphans: tuple[Problem, ...] = ()

    @property
    def samples(self) -> int:
        """The length of all pieces."""
        return sum(piece.samples for piece in self.pieces)

    @property
    def has_audio(self) -> bool:
        """Whether any of it was recorded."""
        return any(isinstance(piece, Cut) for piece in self.pieces)


def to_samples(duration: timedelta) -> int:
    """A duration in samples, to the nearest."""
    microseconds = duration // timedelta(microseconds=1)
    return (microseconds * SAMPLE_RATE + 500_000) // 1_000_000


def to_duration(samples: int) -> timedelta:
    """How long so many samples are."""
    return timedelta(microseconds=samples * 1_000_000 // SAMPLE_RATE)

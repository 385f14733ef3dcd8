"""Where the time of a watch went: by recorder and UTC day, in seconds by what became of them. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from storage.layout import to_duration
from storage.manifest import SegmentManifest


class Kind(StrEnum):
    """What can become of time."""

    RECORDED = "recorded"
    """It was heard, and its audio is in the bucket, whole."""
    SILENCE = "silence"
    """It is silence of ours in a segment; the reason is that of the ledger."""
    NOT_RECORDED = "not_recorded"
    """It lies between segments; the reason is one that the recorder gave for it."""
    LOST = "lost"
    """It was recorded, and what is in the bucket is damaged or not there."""
    UNEXPLAINED = "unexplained"
    """Nothing in the bucket says what became of it."""


@dataclass(slots=True)
class Account:
    """Time by kind, and by reason where there are reasons."""

    recorded: timedelta = timedelta(0)
    lost: timedelta = timedelta(0)
    unexplained: timedelta = timedelta(0)
    silence: dict[str, timedelta] = field(default_factory=dict)
    not_recorded: dict[str, timedelta] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is in the bucket or has a reason."""
        return not self.lost and not self.unexplained

    def add(self, kind: Kind, reason: str, duration: timedelta) -> None:
        """Add some time; `reason` is for silence and for what was not recorded."""
        match kind:
            case Kind.RECORDED:
                self.recorded += duration
            case Kind.LOST:
                self.lost += duration
            case Kind.UNEXPLAINED:
                self.unexplained += duration
            case _:
                by_reason = self.silence if kind is Kind.SILENCE else self.not_recorded
                by_reason[reason] = by_reason.get(reason, timedelta(0)) + duration


class Accounts:
    """The accounts of one watch, by UTC day and recorder."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[date, str], Account] = {}

    @property
    def by_day(self) -> Mapping[tuple[date, str], Account]:
        """All of them, in order."""
        return {key: self._accounts[key] for key in sorted(self._accounts)}

    def add(
        self, recorder: str, kind: Kind, started_at: datetime, duration: timedelta, reason: str = ""
    ) -> None:
        """Add time from `started_at` on, to the day or days in which it lies."""
        for day, part in _by_day(started_at, duration):
            self._accounts.setdefault((day, recorder), Account()).add(kind, reason, part)

    def add_segment(self, manifest: SegmentManifest, *, is_sound: bool) -> None:
        """Add a segment: what is audio in it, and what is silence and why."""
        heard = Kind.RECORDED if is_sound else Kind.LOST
        at = 0
        for entry in manifest.ledger:
            self._add_samples(manifest, heard, at, entry.start)
            self._add_samples(manifest, Kind.SILENCE, entry.start, entry.end, entry.reason.value)
            at = entry.end
        self._add_samples(manifest, heard, at, manifest.samples)

    def _add_samples(
        self, manifest: SegmentManifest, kind: Kind, start: int, stop: int, reason: str = ""
    ) -> None:
        begins = manifest.started_at + to_duration(start)
        self.add(manifest.recorder, kind, begins, to_duration(stop - start), reason)


def _by_day(started_at: datetime, duration: timedelta) -> Iterator[tuple[date, timedelta]]:
    at, end = started_at.astimezone(UTC), started_at.astimezone(UTC) + duration
    while at < end:
        midnight = datetime.combine(at.date() + timedelta(days=1), time(), UTC)
        until = min(end, midnight)
        yield at.date(), until - at
        at = until

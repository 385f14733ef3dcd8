"""Recorders of one conference, made up: each hears a part of it, by a clock of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from storage.manifest import ClosedBy, GapReason, LedgerEntry, OpenedAfterReason, SegmentManifest
from storage.names import AudioFormat
from storage.store import ObjectStore
from tests.storage.segments import NOON, RATE, Samples, manifest, store_segment


@dataclass(frozen=True)
class Hole:
    """Samples `start` to `stop` (not included) of the conference, which a recorder did not hear.

    In its timeline they are `wrong_by` samples longer. With `breaks` a segment ends and another begins.
    """

    start: int
    stop: int
    breaks: bool = False
    wrong_by: int = 0
    reason: GapReason = GapReason.DISCONNECTED


@dataclass(frozen=True)
class Ear:
    """How a recorder hears: its clock is `late` and drifts by `ppm` against the conference's."""

    recorder: str
    late: timedelta = timedelta(0)
    ppm: float = 0.0
    holes: Sequence[Hole] = ()
    segment: int = 300 * RATE
    begins_at: datetime = NOON
    audio_format: AudioFormat = AudioFormat.WAV

    def label(self, sample: int) -> datetime:
        return self.begins_at + self.late + timedelta(seconds=sample / RATE * (1 + self.ppm / 1e6))


@dataclass
class _Open:
    began: int
    opened_after: OpenedAfterReason | None
    away: float
    blocks: list[Samples]
    ledger: list[LedgerEntry]

    @property
    def samples(self) -> int:
        return sum(map(len, self.blocks))


def record(store: ObjectStore, conference: Samples, ear: Ear) -> list[SegmentManifest]:
    """Store what a recorder heard of a conference, as segments that are cut on a grid."""
    return _Tape(store, conference, ear).run()


class _Tape:
    def __init__(self, store: ObjectStore, conference: Samples, ear: Ear) -> None:
        self._store = store
        self._conference = conference
        self._ear = ear
        self._stored: list[SegmentManifest] = []

    def run(self) -> list[SegmentManifest]:
        segment = _Open(0, OpenedAfterReason.START, 1.0, [], [])
        at = 0
        for hole in [*self._ear.holes, Hole(len(self._conference), len(self._conference))]:
            segment = self._hear(segment, at, hole.start)
            length = hole.stop - hole.start + hole.wrong_by
            if hole.breaks:
                self._close(segment, ClosedBy.DISCONNECTED)
                segment = _Open(hole.stop, OpenedAfterReason.DISCONNECTED, length / RATE, [], [])
            elif length:
                entry = LedgerEntry(start=segment.samples, samples=length, reason=hole.reason)
                segment.ledger.append(entry)
                segment.blocks.append(np.zeros(length, np.int16))
            at = hole.stop
        self._close(segment, ClosedBy.STOPPED)
        return self._stored

    def _hear(self, segment: _Open, start: int, stop: int) -> _Open:
        while start < stop:
            grid = (start // self._ear.segment + 1) * self._ear.segment
            until = min(grid, stop)
            segment.blocks.append(self._conference[start:until])
            if until == grid:
                self._close(segment, ClosedBy.GRID)
                segment = _Open(until, None, 0.0, [], [])
            start = until
        return segment

    def _close(self, segment: _Open, closed_by: ClosedBy) -> None:
        if not segment.samples:
            return
        samples = np.concatenate(segment.blocks)
        made = manifest(
            samples,
            self._ear.label(segment.began),
            recorder=self._ear.recorder,
            number=len(self._stored),
            opened_after=segment.opened_after,
            away=segment.away,
            closed_by=closed_by,
            ledger=segment.ledger,
            audio_format=self._ear.audio_format,
            previous=self._stored[-1] if self._stored else None,
        )
        self._stored.append(store_segment(self._store, samples, made))

"""Chains of segments as a recorder makes them: sealed one after the other, each naming the one before."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from storage.chain import Link
from storage.inspection import Meter
from storage.manifest import (
    ClosedBy,
    GapReason,
    LedgerEntry,
    OpenedAfter,
    OpenedAfterReason,
    SegmentManifest,
    format_manifest,
    parse_manifest,
)
from storage.names import AudioFormat, WatchId
from storage.store import ObjectStore
from tests.storage.segments import BOARD, NOON, RATE, Samples, manifest, speech, store_segment, stored


class Chain:
    """What one recorder records of one watch, on a clock that a test turns.

    Attributes:
        segments: all of them, in the order in which they were sealed.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        watch: WatchId = BOARD,
        recorder: str = "rec-a",
        at: datetime = NOON,
        audio_format: AudioFormat = AudioFormat.WAV,
        number: int = 7_000_000,
    ) -> None:
        self.segments: list[SegmentManifest] = []
        self.at = at
        self.number = number
        self._store = store
        self._watch = watch
        self._recorder = recorder
        self._format = audio_format

    def record(
        self,
        seconds: float = 2.0,
        opened_after: OpenedAfter | None = None,
        *,
        ledger: Iterable[LedgerEntry] = (),
        closed_by: ClosedBy = ClosedBy.GRID,
        step: timedelta = timedelta(0),
        linked: bool = True,
    ) -> SegmentManifest:
        """Record a segment after the one before, and upload it; the clock was set forward by `step`."""
        if opened_after:
            self.at += timedelta(seconds=opened_after.seconds)
        self.at += step
        self.number += 1
        samples = speech(round(seconds * RATE), self.number)
        for entry in ledger:
            samples[entry.start : entry.end] = 0
        meter = Meter()
        meter.add(samples)
        made = manifest(
            samples,
            self.at,
            watch=self._watch,
            recorder=self._recorder,
            number=self.number,
            opened_after=None,
            ledger=ledger,
            closed_by=closed_by,
            audio_format=self._format,
            previous=self.segments[-1] if self.segments and linked else None,
        ).model_copy(update={"levels": meter.levels, "opened_after": opened_after})
        self.segments.append(made)
        store_segment(self._store, samples, made, audio=stored(samples, self._format))
        self.at = made.ended_at
        return made

    def go_on(self, count: int) -> None:
        """Record some more."""
        for _ in range(count):
            self.record()


def opened_after(reason: OpenedAfterReason, seconds: float) -> OpenedAfter:
    return OpenedAfter(reason=reason, seconds=seconds, by_reason={reason: seconds})


def gap(start: float, seconds: float, reason: GapReason = GapReason.DISCONNECTED) -> LedgerEntry:
    return LedgerEntry(start=round(start * RATE), samples=round(seconds * RATE), reason=reason)


def good_chain(store: ObjectStore, **arguments: Any) -> Chain:
    """Six segments with what happens to a good recording: silence, absence, a crash, a stop."""
    chain = Chain(store, **arguments)
    chain.record(opened_after=opened_after(OpenedAfterReason.START, 10))
    chain.record(ledger=[gap(0.5, 0.25)])
    chain.record(closed_by=ClosedBy.IDLE)
    chain.record(opened_after=opened_after(OpenedAfterReason.IDLE, 60), closed_by=ClosedBy.CRASH)
    chain.number += 5_000_000
    chain.record(opened_after=opened_after(OpenedAfterReason.CRASH, 30))
    chain.record(closed_by=ClosedBy.STOPPED)
    return chain


def altered(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A manifest with a change to its JSON."""
    content = json.loads(data)
    change(content)
    return format_manifest(parse_manifest(json.dumps(content).encode()))


def link_of(manifest: SegmentManifest) -> Link:
    sha256 = hashlib.sha256(format_manifest(manifest)).hexdigest()
    return Link(
        manifest.name,
        sha256,
        manifest.previous,
        manifest.replaces,
        manifest.started_at,
        manifest.ended_at,
        manifest.opened_after,
    )


def flipped(data: bytes, at: int) -> bytes:
    """The data with one bit of a byte changed."""
    changed = io.BytesIO(data)
    changed.seek(at)
    changed.write(bytes([data[at] ^ 1]))
    return changed.getvalue()


def silence(samples: int) -> Samples:
    return np.zeros(samples, np.int16)

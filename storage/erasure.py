"""Erasing audio from a bucket, so that what is left still proves itself.

A range is erased to the sample. Of a segment of which nothing is left, and of one of which a part is, the
audio is replaced by what is left of it, with silence for the rest; a tombstone then stands for its manifest,
and the old audio is deleted. The steps, in this order:

    1. the new audio is put, under a key of its own, and read back
    2. the tombstone is put: from here on readers see the erased segment
    3. the old audio is deleted

Broken off anywhere, the same erasure can be begun again, and finishes; nobody ever sees half of it. The
manifest stays: it holds times, lengths, levels and hashes, and no audio, and the chain goes through it.
What a store keeps of deleted objects by itself, as versions or under a lock, is not reached from here.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.errors import StoreUnavailable
from storage.examination import NotRead, read_manifest
from storage.inspection import inspect
from storage.layout import LABEL_TOLERANCE, SAMPLE_RATE, Problem
from storage.manifest import Audio, Erasure, LedgerEntry, SegmentManifest, format_manifest
from storage.names import AudioFormat, WatchId
from storage.shelves import Shelf, shelve
from storage.silencing import NotReadable, Remains, silenced_audio
from storage.store import ObjectStore
from storage.tombstone import bury, silenced

_READERS = 8
"""Manifests read at a time."""


@dataclass(frozen=True, slots=True)
class Part:
    """Samples `start` to `stop` (not included) of a segment, which are to be erased.

    Attributes:
        manifest: what stands for the segment now, its own manifest or a tombstone.
        sha256: that of the JSON of its own manifest, in hex.
        ledger: that of the segment once it is done.
    """

    shelf: Shelf
    manifest: SegmentManifest
    sha256: str
    start: int
    stop: int

    @property
    def ledger(self) -> tuple[LedgerEntry, ...]:
        """The ledger of the segment once they are erased."""
        return silenced(self.manifest.ledger, self.start, self.stop)

    @property
    def samples(self) -> int:
        """How many samples of audio go; what is silence of ours already is not counted."""
        return sum(entry.samples for entry in self.ledger) - self.manifest.silence

    @property
    def is_whole(self) -> bool:
        """Whether no audio of the segment is left."""
        return sum(entry.samples for entry in self.ledger) == self.manifest.samples

    @property
    def left_over(self) -> tuple[str, ...]:
        """Keys of audio that an erasure before has not deleted, or that has come back."""
        if not self.manifest.erased:
            return ()
        return tuple(
            key for key in (*self.shelf.audio, *self.shelf.remains) if key != self.manifest.audio.key
        )


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What an erasure would do.

    Attributes:
        parts: what is to be erased or to be finished, in the order of the segments.
        problems: objects in the range that may hold audio and cannot be erased, and why.
    """

    watch: WatchId
    started_at: datetime
    ended_at: datetime
    parts: tuple[Part, ...]
    problems: tuple[Problem, ...]

    @property
    def samples(self) -> int:
        """How many samples of audio go."""
        return sum(part.samples for part in self.parts)


def plan_erasure(store: ObjectStore, watch: WatchId, start: datetime, end: datetime) -> ErasurePlan:
    """What has to be done to erase the audio of a watch from `start` to `end` (not included).

    Audio of every recorder, by its label. Where the labels of two segments that follow each other overlap,
    what either of them has of the range goes.

    Raises:
        StoreError: the store cannot be read.
    """
    shelves = list(shelve(store, watch, start, end).segments.values())
    shelves = [shelf for shelf in shelves if shelf.name.started_at < end]
    with ThreadPoolExecutor(_READERS, "manifest") as threads:
        found = list(threads.map(lambda shelf: _read(store, shelf), shelves))
    read = [each for each in found if isinstance(each, Part)]
    last = {shelf.name.recorder: shelf.name for shelf in shelves if shelf.name.started_at < start}
    problems = [
        each
        for each in found
        if isinstance(each, Problem) and (each.name.started_at >= start or each.name in last.values())
    ]
    parts = [part for part in _cut(read, start, end) if part.samples or part.left_over]
    return ErasurePlan(watch, start, end, tuple(parts), tuple(problems))


def erase(
    store: ObjectStore,
    plan: ErasurePlan,
    *,
    who: str,
    why: str,
    at: datetime,
    progress: Callable[[int], object] = lambda _samples: None,
) -> tuple[Problem, ...]:
    """Erase what is planned; return the problems, those of the plan and those met. None: all of it is gone.

    `who`, `why` and `at` stand in the tombstones. `progress` is called with the number of samples erased
    since it was last called.

    Raises:
        ObjectConflict: somebody else erases the same at the same time. Plan again.
        StoreError: the store failed. Plan and erase again: what was done is done.
    """
    problems = list(plan.problems)
    for part in plan.parts:
        erasure = Erasure(who=who, at=at, why=why, start=part.start, stop=part.stop)
        try:
            standing = _bury(store, part, erasure) if part.samples else part.manifest
        except NotReadable as error:
            message = f"{error}: no part of it can be kept; a range that covers all of it erases it"
            problems.append(Problem(part.shelf.name, part.manifest.audio.key, message))
            continue
        _delete_others(store, part, standing)
        progress(part.samples)
    return tuple(problems)


def _read(store: ObjectStore, shelf: Shelf) -> Part | Problem:
    name = shelf.name
    if not shelf.is_known:
        key = next(iter((*shelf.audio, *shelf.remains)))
        return Problem(name, key, "not erased: there is no manifest for this audio")
    try:
        manifest, sha256 = read_manifest(store, name, shelf.standing_key)
    except NotRead as error:
        return Problem(name, error.fault.key, f"not erased: {error}")
    return Part(shelf, manifest, manifest.erased.manifest if manifest.erased else sha256, 0, 0)


def _cut(parts: list[Part], start: datetime, end: datetime) -> Iterator[Part]:
    """The samples of each segment that lie in the range."""
    for index, part in enumerate(parts):
        manifest = part.manifest
        if manifest.ended_at <= start or manifest.started_at >= end:
            continue
        recorder = manifest.recorder
        after = next((each for each in parts[index + 1 :] if each.manifest.recorder == recorder), None)
        over = manifest.ended_at - end
        goes_on = after is not None and after.manifest.started_at < end and over <= LABEL_TOLERANCE
        first = max(0, _samples(start - manifest.started_at))
        stop = manifest.samples
        if not goes_on:
            stop = min(stop, -_samples(manifest.started_at - end))
        if first < stop:
            yield Part(part.shelf, manifest, part.sha256, first, stop)


def _samples(duration: timedelta) -> int:
    """A duration in samples, rounded down."""
    return duration // timedelta(microseconds=1) * SAMPLE_RATE // 1_000_000


def _bury(store: ObjectStore, part: Part, erasure: Erasure) -> SegmentManifest:
    """Put what is left of a segment, and the tombstone, by which it is done."""
    name, number = part.shelf.name, max(part.shelf.tombstones, default=0) + 1
    with silenced_audio(store, part.manifest, part.ledger) as remains:
        key = name.erased_audio_key(number, remains.sha256)
        tombstone = bury(part.manifest, part.sha256, erasure, _audio(key, remains), remains.levels)
        content_type = AudioFormat.FLAC.content_type
        store.put(key, remains.path, sha256=remains.sha256, content_type=content_type)
    inspection = inspect(store, tombstone)
    if inspection.flaw:
        raise StoreUnavailable(f"{key}: what was put there came back another: {inspection.message}")
    data = format_manifest(tombstone)
    sha256 = hashlib.sha256(data).hexdigest()
    store.put(name.tombstone_key(number), data, sha256=sha256, content_type="application/json")
    return tombstone


def _audio(key: str, remains: Remains) -> Audio:
    return Audio(key=key, sha256=remains.sha256, size=remains.size, pcm_sha256=remains.pcm_sha256)


def _delete_others(store: ObjectStore, part: Part, standing: SegmentManifest) -> None:
    """Delete all audio of the segment but what stands; and nothing that a later erasure is about to name."""
    for key in (*part.shelf.audio, *part.shelf.remains):
        if key != standing.audio.key:
            store.delete(key)

"""Audio out of a bucket, checked before a sample of it is given, with a ledger of what is silence and why.

Bounded in memory whatever is fetched. Knows no manifest's place and no file format beyond `audio`.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import numpy as np

from storage.audio import AudioError, AudioWriter, Samples, read_flac_samples, read_samples
from storage.errors import ObjectNotFound
from storage.layout import (
    CORRUPT,
    FAILURES,
    MISSING,
    SAMPLE_RATE,
    Cut,
    Layout,
    Overlap,
    Pause,
    Problem,
    to_duration,
)
from storage.manifest import Audio, SegmentManifest
from storage.names import AudioFormat
from storage.store import ObjectStore

_IN_MEMORY = 32 << 20
"""Bytes of an object kept in memory while it is checked: half an hour. Longer ones go through a file."""

_BLOCK = 1 << 20
"""Bytes read at a time."""

_SILENCE = np.zeros(60 * SAMPLE_RATE, dtype=np.int16)


class _Unusable(Exception):
    """An audio object cannot be used; `reason` is for the ledger."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Silence:
    """A run of silence in what was fetched: from sample `at` on, which is `started_at`, and why."""

    at: int
    samples: int
    reason: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What was given back.

    Attributes:
        started_at: UTC of the first sample.
        ended_at: UTC just after the last.
        samples: how many were written.
        silence: those that are silence of ours, in order, each with one reason: one of a manifest, or one of
            `layout.FAILURES`.
        overlaps: time that two recorders recorded, of which one was taken.
        segments: those that make up the result, also where their audio had to become silence.
        problems: objects that are missing or damaged.
    """

    started_at: datetime
    ended_at: datetime
    samples: int
    silence: tuple[Silence, ...]
    overlaps: tuple[Overlap, ...]
    segments: tuple[SegmentManifest, ...]
    problems: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        """Whether everything that was recorded is there, and the bucket accounts for the rest."""
        return not self.problems and not any(silence.reason in FAILURES for silence in self.silence)


def fetch(
    store: ObjectStore, layout: Layout, out: AudioWriter, progress: Callable[[int], object]
) -> FetchResult:
    """Write everything in `layout` to `out`, to the sample.

    No sample of an object is written before the whole object has been found to be what was recorded; if it is
    not, or not there, its place is silence. `progress` is called with the number of samples written since it
    was last called.

    Raises:
        StoreError: the store cannot be read. What was written so far is of no use.
    """
    writing = _Fetch(store, out, progress)
    for piece in layout.pieces:
        if isinstance(piece, Pause):
            writing.pause(piece.samples, piece.reason, piece.started_at)
        else:
            writing.cut(piece)
    return FetchResult(
        started_at=layout.started_at,
        ended_at=layout.ended_at,
        samples=writing.at,
        silence=tuple(writing.silence),
        overlaps=layout.overlaps,
        segments=tuple(piece.segment for piece in layout.pieces if isinstance(piece, Cut)),
        problems=(*layout.problems, *writing.problems),
    )


class _Fetch:
    """A fetch under way: how far it is, and what it met."""

    def __init__(self, store: ObjectStore, out: AudioWriter, progress: Callable[[int], object]) -> None:
        self.at = 0
        self.silence: list[Silence] = []
        self.problems: list[Problem] = []
        self._store = store
        self._out = out
        self._progress = progress

    def pause(self, samples: int, reason: str, started_at: datetime) -> None:
        """Write silence, and why."""
        self._account(self.at, samples, reason, started_at)
        for left in range(samples, 0, -len(_SILENCE)):
            self._write(_SILENCE[:left])

    def cut(self, cut: Cut) -> None:
        """Write a part of a segment, or as much silence if its audio cannot be used."""
        segment = cut.segment
        began_at = self.at
        try:
            with _checked(self._store, segment.audio) as file, _unusable_if_not_audio():
                for block in _samples(file, cut):
                    self._write(block)
        except _Unusable as error:
            self.problems.append(Problem(segment.name, segment.audio.key, str(error)))
            self.pause(cut.samples, error.reason, segment.started_at + to_duration(cut.start))
            return
        for entry in segment.ledger:
            first, last = max(entry.start, cut.start), min(entry.start + entry.samples, cut.stop)
            if first < last:
                instant = segment.started_at + to_duration(first)
                self._account(began_at + first - cut.start, last - first, entry.reason.value, instant)

    def _write(self, block: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
        self._out.write(block)
        self.at += len(block)
        self._progress(len(block))

    def _account(self, at: int, samples: int, reason: str, started_at: datetime) -> None:
        """Add to the ledger; silence that goes on for the same reason is one entry."""
        if self.silence:
            last = self.silence[-1]
            if last.at + last.samples == at and last.reason == reason:
                self.silence[-1] = Silence(last.at, last.samples + samples, reason, last.started_at)
                return
        self.silence.append(Silence(at, samples, reason, started_at))


@contextmanager
def _checked(store: ObjectStore, audio: Audio) -> Iterator[BinaryIO]:
    """A whole audio object, once its size and SHA-256 have been found to be those of its manifest."""
    digest = hashlib.sha256()
    with SpooledTemporaryFile(_IN_MEMORY) as file:
        try:
            with store.open(audio.key, length=audio.size + 1) as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    file.write(block)
        except ObjectNotFound:
            raise _Unusable(MISSING, "the audio is not in the store") from None
        if file.tell() != audio.size or digest.hexdigest() != audio.sha256:
            raise _Unusable(CORRUPT, "the audio is not what was recorded: its SHA-256 is another")
        file.seek(0)
        yield cast("BinaryIO", file)


def _samples(file: BinaryIO, cut: Cut) -> Iterator[Samples]:
    """The samples of a cut, out of its whole audio object.

    Raises:
        AudioError: the object is not the audio of that segment.
    """
    segment = cut.segment
    total, rate, sha256 = segment.samples, segment.sample_rate, segment.audio.pcm_sha256
    if segment.audio_format is AudioFormat.FLAC:
        return read_flac_samples(file, cut.start, cut.stop, total=total, sample_rate=rate, sha256=sha256)
    return read_samples(file, cut.start, cut.stop, total=total, sample_rate=rate)


@contextmanager
def _unusable_if_not_audio() -> Iterator[None]:
    try:
        yield
    except AudioError as error:
        raise _Unusable(CORRUPT, f"the audio is not what its manifest says: {error}") from None

"""What is left of the audio of a segment when a part of it is erased: a FLAC with silence in its place.

Bounded in memory, and beside the bucket nothing is kept. Knows no key and no tombstone.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryDirectory
from typing import BinaryIO, cast

import numpy as np

from storage.audio import AudioError, Samples
from storage.errors import ObjectNotFound
from storage.inspection import Meter, samples_of
from storage.manifest import LedgerEntry, Levels, SegmentManifest
from storage.outputs import OutputFormat, create
from storage.store import ObjectStore

_IN_MEMORY = 32 << 20
"""Bytes of an object kept in memory: half an hour. Longer ones go through a file that has no name."""

_BLOCK = 1 << 20
"""Bytes read at a time."""

_SILENT_BLOCK = np.zeros(1 << 16, dtype=np.int16)


class NotReadable(Exception):
    """The audio is not what was recorded, so that a part of it cannot be kept."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left: a file, its SHA-256 and that of its samples (hex), its size in bytes, its levels."""

    path: Path
    sha256: str
    pcm_sha256: str
    size: int
    levels: Levels


@contextmanager
def silenced_audio(
    store: ObjectStore, manifest: SegmentManifest, ledger: tuple[LedgerEntry, ...]
) -> Iterator[Remains]:
    """The audio of a segment with silence wherever `ledger` has an entry; the file is gone afterwards.

    Where the ledger leaves nothing of it, the audio is not read.

    Raises:
        NotReadable: the audio is not there, or not what was recorded.
        OSError: there is no room for the file.
        StoreError: the store cannot be read.
    """
    with TemporaryDirectory(prefix="recordings-") as folder:
        path = Path(folder) / "remains.flac"
        if sum(entry.samples for entry in ledger) == manifest.samples:
            yield _written(path, _silence(manifest.samples), manifest)
        else:
            with _checked(store, manifest) as file:
                try:
                    blocks = _with_silence(samples_of(file, manifest), ledger)
                    remains = _written(path, blocks, manifest)
                except AudioError as error:
                    raise NotReadable(f"the audio is not what its manifest says: {error}") from None
            yield remains


def _written(path: Path, blocks: Iterable[Samples], manifest: SegmentManifest) -> Remains:
    pcm, meter = hashlib.sha256(), Meter()
    with create(path, OutputFormat.FLAC, manifest.samples, manifest.sample_rate) as out:
        for block in blocks:
            out.write(block)
            pcm.update(block.astype("<i2", copy=False).tobytes())
            meter.add(block)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Remains(path, sha256, pcm.hexdigest(), path.stat().st_size, meter.levels)


def _silence(samples: int) -> Iterator[Samples]:
    for left in range(samples, 0, -len(_SILENT_BLOCK)):
        yield _SILENT_BLOCK[:left]


def _with_silence(blocks: Iterable[Samples], ledger: tuple[LedgerEntry, ...]) -> Iterator[Samples]:
    at = 0
    for block in blocks:
        kept = block.copy()
        while ledger and ledger[0].end <= at:
            ledger = ledger[1:]
        for entry in takewhile(lambda entry: entry.start < at + len(block), ledger):  # noqa: B023  at once
            kept[max(0, entry.start - at) : max(0, entry.end - at)] = 0
        yield kept
        at += len(block)


@contextmanager
def _checked(store: ObjectStore, manifest: SegmentManifest) -> Iterator[BinaryIO]:
    """The whole audio object, once it has been found to be the one that its manifest names."""
    audio, digest = manifest.audio, hashlib.sha256()
    with SpooledTemporaryFile(_IN_MEMORY) as file:
        try:
            with store.open(audio.key, length=audio.size + 1) as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    file.write(block)
        except ObjectNotFound:
            raise NotReadable("the audio is not there") from None
        if digest.hexdigest() != audio.sha256:
            raise NotReadable("the audio is not what was recorded: its SHA-256 is another")
        file.seek(0)
        yield cast("BinaryIO", file)

"""A range for others to keep: its objects as they are in the bucket, and what proves them, in one archive.

The archive is a folder of

    conferences/<id>/2026/11/22/...wav, .json   audio and manifests, under their keys
    CERTIFICATE.txt                             what they are, for people, and what is silence and why
    SHA256SUMS                                  for `sha256sum -c`, of all of these

and the same bytes whenever the same is exported: no time but those of the recording is in it. What is
missing or altered in the bucket does not stop an export. The certificate says it, and `sha256sum -c` fails
for what is altered, for the digest is that of what was recorded. Bounded in memory.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from storage.archive import Archive
from storage.catalog import Catalog
from storage.certificate import Certified, format_certificate, format_sums
from storage.errors import ObjectNotFound
from storage.layout import Layout, Problem
from storage.manifest import SegmentManifest
from storage.names import MANIFEST_SUFFIX, SegmentName, WatchId
from storage.store import ObjectStore

CERTIFICATE = "CERTIFICATE.txt"
SUMS = "SHA256SUMS"

_IN_MEMORY = 32 << 20
"""Bytes of an object kept in memory while it is hashed: half an hour. Longer ones go through a file."""

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Range:
    """What there is to export between two instants: every segment with audio there, whole."""

    watch: WatchId
    layout: Layout
    entries: tuple[SegmentManifest | Problem, ...]

    @property
    def segments(self) -> tuple[SegmentManifest, ...]:
        """The segments whose manifests can be read."""
        return tuple(entry for entry in self.entries if isinstance(entry, SegmentManifest))

    @property
    def size(self) -> int:
        """Bytes of their audio, as their manifests have it."""
        return sum(segment.audio.size for segment in self.segments)

    @property
    def folder(self) -> str:
        """The name of the one folder in the archive."""
        ends = (self.layout.started_at, self.layout.ended_at)
        start, end = (f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}" for at in ends)
        return f"{self.watch.kind}-{self.watch.id}_{start}_{end}"


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was exported.

    Attributes:
        objects: how many objects of the store are in the archive.
        sums_sha256: SHA-256 (hex) of `SHA256SUMS`: who keeps it elsewhere can prove all the rest by it.
        problems: what is missing or altered.
    """

    objects: int
    sums_sha256: str
    problems: tuple[Problem, ...]


def find_range(
    catalog: Catalog, watch: WatchId, start: datetime | None = None, end: datetime | None = None
) -> Range:
    """What there is to export from `start` to `end` (not included); None: all of it. Reads manifests only.

    Raises:
        NothingRecorded: nothing.
    """
    layout = catalog.layout(watch, start, end, by_labels=True)
    return Range(watch, layout, tuple(catalog.segments(watch, start, end)))


def export(
    store: ObjectStore,
    found: Range,
    archive: Archive,
    progress: Callable[[int], object] = lambda _bytes: None,
) -> ExportResult:
    """Put a range into an archive.

    `progress` is called with the bytes of audio that were taken since it was last called.

    Raises:
        StoreError: the store cannot be read. What was written so far is of no use.
        OSError: the archive cannot be written.
    """
    packing = _Packing(store, archive, found.folder, progress)
    for entry in found.entries:
        if isinstance(entry, SegmentManifest):
            packing.segment(entry)
        else:
            packing.damaged(entry)
    packing.problems += found.layout.orphans
    at = found.layout.ended_at
    certificate = format_certificate(
        store.url, found.watch, found.layout, packing.certified, packing.problems
    )
    packing.text(CERTIFICATE, certificate, at)
    objects, sums = len(packing.digests) - 1, format_sums(packing.digests)
    packing.text(SUMS, sums, at)
    return ExportResult(objects, hashlib.sha256(sums).hexdigest(), tuple(packing.problems))


class _Packing:
    """An export under way: what is in the archive, and what should be.

    Attributes:
        digests: SHA-256 (hex) by path below the folder: of what was recorded, where that is known.
    """

    def __init__(
        self, store: ObjectStore, archive: Archive, folder: str, progress: Callable[[int], object]
    ) -> None:
        self.certified: list[Certified] = []
        self.problems: list[Problem] = []
        self.digests: dict[str, str] = {}
        self._store = store
        self._archive = archive
        self._folder = folder
        self._progress = progress

    def segment(self, segment: SegmentManifest) -> None:
        """Add a segment: its manifest, and its audio as it is."""
        name, audio = segment.name, segment.audio
        manifest_sha256 = self._object(name.manifest_key, segment.ended_at)
        if manifest_sha256 is None:
            self._report(name, name.manifest_key, "the manifest was deleted a moment ago")
            return
        if segment.erased:
            self._object(segment.key, segment.ended_at)
        found = self._object(audio.key, segment.ended_at, audio.sha256)
        if found is None:
            self._report(name, audio.key, "the audio is not in the store")
        elif found != audio.sha256:
            self._report(name, audio.key, "the audio is not what was recorded: its SHA-256 is another")
        self.certified.append(Certified(segment, manifest_sha256, found))

    def damaged(self, problem: Problem) -> None:
        """Add what there is of a segment whose manifest cannot be used, as it is."""
        self.problems.append(problem)
        for key in problem.name.keys:
            self._object(key, problem.name.started_at)

    def text(self, path: str, content: bytes, at: datetime) -> None:
        """Add a file of ours."""
        self.digests[path] = hashlib.sha256(content).hexdigest()
        self._archive.add(f"{self._folder}/{path}", io.BytesIO(content), len(content), at)

    def _object(self, key: str, at: datetime, recorded: str | None = None) -> str | None:
        """Add an object, and give its SHA-256; None where it is not there."""
        is_audio = not key.endswith(MANIFEST_SUFFIX)
        try:
            with _copied(self._store, key, self._progress if is_audio else lambda _: None) as (file, sha256):
                size = file.seek(0, io.SEEK_END)
                file.seek(0)
                self._archive.add(f"{self._folder}/{key}", file, size, at)
        except ObjectNotFound:
            return None
        self.digests[key] = recorded or sha256
        return sha256

    def _report(self, name: SegmentName, key: str, message: str) -> None:
        self.problems.append(Problem(name, key, message))


@contextmanager
def _copied(
    store: ObjectStore, key: str, progress: Callable[[int], object]
) -> Iterator[tuple[BinaryIO, str]]:
    """An object as a file here, and its SHA-256: an archive must know how long a file is before it begins."""
    digest = hashlib.sha256()
    with SpooledTemporaryFile(_IN_MEMORY) as file:
        with store.open(key) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
                file.write(block)
                progress(len(block))
        yield cast("BinaryIO", file), digest.hexdigest()

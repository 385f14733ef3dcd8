"""What is in a bucket: watches, and their segments between two instants.

Reads manifests, never audio: `retrieval` gives that back. Knows no daemon; works on any `ObjectStore`.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

from storage.audio import AudioWriter
from storage.errors import ObjectNotFound
from storage.layout import LABEL_TOLERANCE, SAMPLE_RATE, Layout, Problem, lay_out
from storage.manifest import ManifestError, SegmentManifest, parse_manifest
from storage.names import SegmentName, WatchId, WatchKind
from storage.retrieval import FetchResult, fetch
from storage.shelves import MAX_SEGMENT, shelve
from storage.store import ObjectStore

_MAX_MANIFEST = 64 << 20
"""Bytes. A day with a stall every ten seconds makes half a megabyte; beyond this it is not a manifest."""

_READERS = 8
"""Manifests read at a time; each is a round trip to the store and little else."""


class NothingRecorded(LookupError):
    """No segment of the watch has audio in the range."""


class Catalog:
    """The recordings in a store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def watches(self) -> Iterator[WatchId]:
        """Everything that was ever recorded: conferences, then calls."""
        for kind in WatchKind:
            for folder in self._store.folders(f"{kind.folder}/"):
                try:
                    watch = WatchId(kind, folder.split("/")[1])
                except ValueError:
                    continue
                if watch.prefix == folder:
                    yield watch

    def segments(
        self, watch: WatchId, start: datetime | None = None, end: datetime | None = None
    ) -> Iterator[SegmentManifest | Problem]:
        """Segments with audio between `start` and `end` (not included), in the order of their names.

        A manifest that cannot be used is given as a `Problem` at its place; its segment may or may not have
        audio there. None stands for "from the first" and "to the last".
        """
        keys = self._keys(watch, start, end)
        for entry in self._read_all(keys, _select(list(keys), start, end)):
            if isinstance(entry, Problem):
                yield entry
            elif _has_audio(entry.manifest, start, end):
                yield entry.manifest

    def layout(self, watch: WatchId, start: datetime | None = None, end: datetime | None = None) -> Layout:
        """How the audio between two instants is put together; reads manifests only.

        Raises:
            NothingRecorded: there is none.
        """
        # A little more on both sides: where labels have moved apart, the instant may lie between them.
        wider = (start and start - LABEL_TOLERANCE, end and end + LABEL_TOLERANCE)
        keys = self._keys(watch, *wider)
        entries = list(self._read_all(keys, _select(list(keys), *wider)))
        problems = [entry for entry in entries if isinstance(entry, Problem)]
        read = [entry for entry in entries if isinstance(entry, _Read)]
        layout = lay_out([entry.manifest for entry in read], problems, start, end, orphans=_orphans(read))
        if layout is None or not layout.has_audio:
            damaged = "".join(f"; {problem.key}: {problem.message}" for problem in problems)
            raise NothingRecorded(f"{watch}: nothing was recorded{_describe(start, end)}{damaged}")
        return layout

    def fetch(
        self, layout: Layout, out: AudioWriter, progress: Callable[[int], object] = lambda _samples: None
    ) -> FetchResult:
        """Write the audio of a layout: see `retrieval.fetch`."""
        return fetch(self._store, layout, out, progress)

    def _keys(self, watch: WatchId, start: datetime | None, end: datetime | None) -> dict[SegmentName, str]:
        """Of all segments that began in the range or up to a day before it, the key of what stands for each.

        It is the last tombstone of those that have one, and the manifest of the others.
        """
        shelves = shelve(self._store, watch, start, end)
        return {name: shelf.standing_key for name, shelf in shelves.segments.items() if shelf.is_known}

    def _read_all(
        self, keys: Mapping[SegmentName, str], names: Iterable[SegmentName]
    ) -> "Iterator[_Read | Problem]":
        """Read manifests, in order, a few at a time and a few ahead."""
        with ThreadPoolExecutor(_READERS, "manifest") as threads:
            under_way: deque[Future[_Read | Problem]] = deque()
            for name in names:
                under_way.append(threads.submit(self._read, name, keys[name]))
                if len(under_way) > 2 * _READERS:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()

    def _read(self, name: SegmentName, key: str) -> "_Read | Problem":
        try:
            with self._store.open(key, length=_MAX_MANIFEST) as stream:
                data = stream.read()
            manifest = parse_manifest(data)
            _check(manifest, name)
        except ObjectNotFound:
            return Problem(name, key, "the manifest was deleted a moment ago")
        except (ManifestError, ValueError) as error:
            return Problem(name, key, f"the manifest is damaged: {error}")
        # The one after it knows it by the manifest that the recorder sealed.
        sha256 = manifest.erased.manifest if manifest.erased else hashlib.sha256(data).hexdigest()
        return _Read(manifest, sha256)


class _Read(NamedTuple):
    """A manifest as it was read, and the SHA-256 of its JSON, by which the next one knows it."""

    manifest: SegmentManifest
    sha256: str


def _check(manifest: SegmentManifest, name: SegmentName) -> None:
    """See that a manifest is that of its segment, for what follows relies on it."""
    if manifest.name != name:
        raise ValueError(f"it is that of {manifest.audio.key}")
    name.format_of(manifest.audio.key)
    if manifest.sample_rate != SAMPLE_RATE:
        raise ValueError(f"its audio has {manifest.sample_rate} samples a second and not {SAMPLE_RATE}")
    if manifest.samples > MAX_SEGMENT.total_seconds() * SAMPLE_RATE:
        raise ValueError(f"it claims {manifest.samples} samples, which is more than a day")


def _select(names: list[SegmentName], start: datetime | None, end: datetime | None) -> list[SegmentName]:
    """The names whose segments may have audio in the range.

    A segment ends before the next one of its recorder begins, give or take what labels move. So of all that
    began before the range, the last of each recorder can reach into it, and the others cannot.
    """
    selected = []
    next_began: dict[str, datetime] = {}
    for name in reversed(names):
        after = next_began.get(name.recorder)
        next_began[name.recorder] = name.started_at
        begins_in_time = end is None or name.started_at < end
        over_before = start is not None and after is not None and after + LABEL_TOLERANCE <= start
        if begins_in_time and not over_before:
            selected.append(name)
    return selected[::-1]


def _orphans(read: Iterable[_Read]) -> frozenset[SegmentName]:
    """Segments that came after another one than is there: a whole segment, manifest and all, is missing."""
    orphans = set()
    last_of: dict[str, set[str | None]] = {}
    for manifest, sha256 in read:
        before = last_of.get(manifest.recorder)
        last_of[manifest.recorder] = {sha256, manifest.replaces, None}
        if before is not None and manifest.previous not in before:
            orphans.add(manifest.name)
    return frozenset(orphans)


def _has_audio(segment: SegmentManifest, start: datetime | None, end: datetime | None) -> bool:
    begins_in_time = end is None or segment.started_at < end
    ends_in_time = start is None or segment.ended_at > start or segment.started_at >= start
    return begins_in_time and ends_in_time


def _describe(start: datetime | None, end: datetime | None) -> str:
    return (f" from {start.isoformat()}" if start else "") + (f" to {end.isoformat()}" if end else "")

"""What is in a bucket: watches, and their segments between two instants.

Reads manifests; what audio it needs to put recorders together, `seams` reads, and `retrieval` gives all of it
back. Knows no daemon; works on any `ObjectStore`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from storage.ahead import ahead
from storage.audio import AudioWriter
from storage.errors import ObjectNotFound
from storage.layout import LABEL_TOLERANCE, SAMPLE_RATE, Layout, Problem, to_duration
from storage.line import lay_out
from storage.manifest import ManifestError, SegmentManifest, parse_manifest
from storage.merging import Merge
from storage.names import SegmentName, WatchId, WatchKind
from storage.objects import Objects
from storage.retrieval import FetchResult, fetch
from storage.seams import SHORTEST, SPREAD, WINDOWS, measure
from storage.shelves import MAX_SEGMENT, shelve
from storage.store import ObjectStore
from storage.succession import Read, linked, orphans, select

_MAX_MANIFEST = 64 << 20
"""Bytes. A day with a stall every ten seconds makes half a megabyte; beyond this it is not a manifest."""

_AROUND = to_duration(SPREAD + max(WINDOWS) + SHORTEST)
"""How much of the audio around a range is looked at, too, where there are several recorders."""

_READERS = 8
"""Manifests read at a time; each is a round trip to the store and little else."""


class NothingRecorded(LookupError):
    """No segment of the watch has audio in the range."""


class Survey(NamedTuple):
    """The segments with audio in a range, how they are put together, and manifests that cannot be used.

    `layout` is None where there is neither a segment nor a range.
    """

    segments: tuple[SegmentManifest, ...]
    layout: Layout | None
    problems: tuple[Problem, ...]


class Catalog:
    """The recordings in a store. Audio that was found good is kept in `folder`, if there is one."""

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    def watches(self, beginning: str = "", kinds: Iterable[WatchKind] = WatchKind) -> Iterator[WatchId]:
        """Everything that was ever recorded, of which the id begins so: conferences, then calls.

        With a whole id, one folder of each kind is looked at; with its beginning, folders that begin so.
        """
        for kind in kinds:
            for folder in self._store.folders(_folder(kind, beginning)):
                try:
                    watch = WatchId(kind, folder.split("/")[1])
                except ValueError:
                    continue
                if folder.startswith(watch.prefix):
                    yield watch
                    if folder != watch.prefix:  # its years: one of them is enough
                        break

    def segments(
        self, watch: WatchId, start: datetime | None = None, end: datetime | None = None
    ) -> Iterator[SegmentManifest | Problem]:
        """Segments with audio between `start` and `end` (not included), in the order of their names.

        A manifest that cannot be used is given as a `Problem` at its place; its segment may or may not have
        audio there. None stands for "from the first" and "to the last".
        """
        keys = self._keys(watch, start, end)
        for entry in self._read_all(keys, select(list(keys), start, end)):
            if isinstance(entry, Problem):
                yield entry
            elif _has_audio(entry.manifest, start, end):
                yield entry.manifest

    def has_audio(self, watch: WatchId) -> bool:
        """Whether there is audio that was not erased, or may be; reads as few manifests as will do.

        Raises:
            StoreError: the store cannot be read.
        """
        return any(
            isinstance(entry, Problem) or entry.silence < entry.samples for entry in self.segments(watch)
        )

    def layout(
        self,
        watch: WatchId,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        by_labels: bool = False,
    ) -> Layout:
        """How the audio between two instants is put together, to the sample.

        Reads manifests; and where several recorders overlap, seconds of their audio, which shows how far
        their labels are apart. With `by_labels` no audio is read and labels are believed.

        Raises:
            NothingRecorded: there is none.
            StoreError: the store cannot be read.
        """
        found = self.survey(watch, start, end, by_labels=by_labels)
        if found.layout is None or not found.layout.has_audio:
            damaged = "".join(f"; {problem.key}: {problem.message}" for problem in found.problems)
            raise NothingRecorded(f"{watch}: nothing was recorded{_describe(start, end)}{damaged}")
        return found.layout

    def survey(
        self,
        watch: WatchId,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        by_labels: bool = True,
    ) -> Survey:
        """What there is between two instants, in one reading of the manifests: see `segments` and `layout`.

        Raises:
            StoreError: the store cannot be read.
        """
        keys = self._keys(watch, *_wider(start, end, _AROUND))
        # A little more on both sides: where labels have moved apart, the instant may lie between them; and
        # what lies around a range shows how far two recorders are apart in it.
        several = len({name.recorder for name in keys}) > 1
        wider = _wider(start, end, _AROUND if several else LABEL_TOLERANCE)
        entries = list(self._read_all(keys, select(list(keys), *wider)))
        problems = tuple(entry for entry in entries if isinstance(entry, Problem))
        read = [entry for entry in entries if isinstance(entry, Read)]
        lines = _Lines(read, problems, list(keys))
        layout = lines.only(start, end)
        if layout is None:
            layout = self._merge(lines.all(*wider), (start, end), by_labels=by_labels)
        segments = (manifest for manifest, _ in read if _has_audio(manifest, start, end))
        return Survey(tuple(segments), layout, problems)

    def _merge(
        self,
        lines: Mapping[str, Layout],
        between: tuple[datetime | None, datetime | None],
        *,
        by_labels: bool,
    ) -> Layout | None:
        if not any(line.has_audio for line in lines.values()):
            return None
        start, end = between
        merge = Merge(lines)
        if not by_labels:
            with Objects(self._store, self._folder) as objects:
                merge = Merge(lines, *measure(merge.stretches, objects))
        start = start or min(line.started_at for line in lines.values())
        end = end or max(line.ended_at for line in lines.values())
        return merge.between(start, end, lines.values())

    def fetch(
        self, layout: Layout, out: AudioWriter, progress: Callable[[int], object] = lambda _samples: None
    ) -> FetchResult:
        """Write the audio of a layout, `layout.samples` of it: see `retrieval.fetch`.

        Raises:
            StoreError: the store cannot be read.
        """
        return fetch(self._store, layout, out, progress, self._folder)

    def _keys(self, watch: WatchId, start: datetime | None, end: datetime | None) -> dict[SegmentName, str]:
        """Of all segments that began in the range or up to a day before it, the key of what stands for each.

        It is the last tombstone of those that have one, and the manifest of the others. There may be more.
        """
        shelves = shelve(self._store, watch, start, end)
        return {name: shelf.standing_key for name, shelf in shelves.segments.items() if shelf.is_known}

    def _read_all(
        self, keys: Mapping[SegmentName, str], names: Iterable[SegmentName]
    ) -> Iterator[Read | Problem]:
        """Read manifests, in order, a few at a time and a few ahead."""
        return ahead(lambda name: self._read(name, keys[name]), names, threads=_READERS, name="manifest")

    def _read(self, name: SegmentName, key: str) -> Read | Problem:
        try:
            data = read_manifest(self._store, key)
            manifest = parse_manifest(data)
            _check(manifest, name)
        except ObjectNotFound:
            return Problem(name, key, "the manifest was deleted a moment ago")
        except (ManifestError, ValueError) as error:
            return Problem(name, key, f"the manifest is damaged: {error}")
        # The one after it knows it by the manifest that the recorder sealed.
        sha256 = manifest.erased.manifest if manifest.erased else hashlib.sha256(data).hexdigest()
        return Read(manifest, sha256)


class _Lines:
    """What each recorder of a watch has."""

    def __init__(
        self, read: Sequence[Read], problems: Sequence[Problem], names: Sequence[SegmentName]
    ) -> None:
        self._orphans = orphans(read, names)
        self._linked = linked(read)
        self._segments: dict[str, list[SegmentManifest]] = {}
        self._problems: dict[str, list[Problem]] = {}
        for manifest, _ in read:
            self._segments.setdefault(manifest.recorder, []).append(manifest)
        for problem in problems:
            self._problems.setdefault(problem.name.recorder, []).append(problem)
        self._recorders = sorted({*self._segments, *self._problems})

    def only(self, start: datetime | None, end: datetime | None) -> Layout | None:
        """The line of the only recorder; None where there are more, or nothing at all."""
        return self._line(self._recorders[0], start, end) if len(self._recorders) == 1 else None

    def all(self, start: datetime | None, end: datetime | None) -> dict[str, Layout]:
        """The lines of all recorders, from and to the same instants."""
        segments = [segment for own in self._segments.values() for segment in own if segment.samples]
        if segments:
            start = start or min(segment.started_at for segment in segments)
            end = end or max(segment.ended_at for segment in segments)
        lines = {recorder: self._line(recorder, start, end) for recorder in self._recorders}
        return {recorder: line for recorder, line in lines.items() if line}

    def _line(self, recorder: str, start: datetime | None, end: datetime | None) -> Layout | None:
        segments = self._segments.get(recorder, [])
        problems = self._problems.get(recorder, [])
        return lay_out(segments, problems, start, end, orphans=self._orphans, linked=self._linked)


def read_manifest(store: ObjectStore, key: str) -> bytes:
    """The JSON of a manifest or tombstone as it is in the store.

    Raises:
        ObjectNotFound: there is none.
    """
    with store.open(key, length=_MAX_MANIFEST) as stream:
        return stream.read()


def _check(manifest: SegmentManifest, name: SegmentName) -> None:
    """See that a manifest is that of its segment, for what follows relies on it."""
    if manifest.name != name:
        raise ValueError(f"it is that of {manifest.audio.key}")
    name.format_of(manifest.audio.key)
    if manifest.sample_rate != SAMPLE_RATE:
        raise ValueError(f"its audio has {manifest.sample_rate} samples a second and not {SAMPLE_RATE}")
    if manifest.samples > MAX_SEGMENT.total_seconds() * SAMPLE_RATE:
        raise ValueError(f"it claims {manifest.samples} samples, which is more than a day")


def _folder(kind: WatchKind, beginning: str) -> str:
    """What the folders of watches begin with; for a whole id, what lies in its own."""
    try:
        return WatchId(kind, beginning).prefix
    except ValueError:
        return f"{kind.folder}/{beginning}"


def _wider(
    start: datetime | None, end: datetime | None, by: timedelta
) -> tuple[datetime | None, datetime | None]:
    return start and start - by, end and end + by


def _has_audio(segment: SegmentManifest, start: datetime | None, end: datetime | None) -> bool:
    begins_in_time = end is None or segment.started_at < end
    ends_in_time = start is None or segment.ended_at > start or segment.started_at >= start
    return begins_in_time and ends_in_time


def _describe(start: datetime | None, end: datetime | None) -> str:
    return (f" from {start.isoformat()}" if start else "") + (f" to {end.isoformat()}" if end else "")

"""The objects of one watch, sorted by the segment they belong to. Knows their keys only; reads none."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storage.names import MANIFEST_SUFFIX, AudioFormat, SegmentName, WatchId
from storage.prefixes import covering
from storage.store import ObjectStat, ObjectStore

MAX_SEGMENT = timedelta(days=1)


@dataclass(slots=True)
class Shelf:
    """The objects of one segment: whether its manifest is there, its audio, and what erasures left.

    Attributes:
        audio: sizes in bytes by key.
        tombstones: which erasures have one.
        remains: sizes in bytes of what erasures left of the audio, by key.
    """

    name: SegmentName
    has_manifest: bool = False
    audio: dict[str, int] = field(default_factory=dict)
    tombstones: list[int] = field(default_factory=list)
    remains: dict[str, int] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether anything says what the audio is."""
        return self.has_manifest or bool(self.tombstones)

    @property
    def standing_key(self) -> str:
        """The key of the manifest that stands for the segment: the last tombstone, or its own."""
        return self.name.tombstone_key(max(self.tombstones)) if self.tombstones else self.name.manifest_key


@dataclass(frozen=True, slots=True)
class Shelves:
    """The segments of a watch by name, in order, and the keys that are of no segment of it."""

    segments: dict[SegmentName, Shelf]
    strangers: tuple[str, ...]


def shelve(
    store: ObjectStore, watch: WatchId, start: datetime | None = None, end: datetime | None = None
) -> Shelves:
    """Everything in the store of the segments that began from a day before `start` until `end`.

    Raises:
        StoreError: the store cannot be read.
    """
    shelves: dict[SegmentName, Shelf] = {}
    strangers = [item.key for item in _list(store, watch, start, end) if not _put(shelves, item)]
    ordered = sorted(shelves, key=lambda name: (name.started_at, name.recorder, name.number))
    return Shelves({name: shelves[name] for name in ordered}, tuple(sorted(strangers)))


def _list(
    store: ObjectStore, watch: WatchId, start: datetime | None, end: datetime | None
) -> Iterator[ObjectStat]:
    prefixes = [watch.prefix]
    if start is not None and end is not None:
        prefixes = covering(watch, start - MAX_SEGMENT, end)
    for prefix in prefixes:
        yield from store.list(prefix)


def _put(shelves: dict[SegmentName, Shelf], item: ObjectStat) -> bool:
    try:
        name = SegmentName.from_key(item.key)
    except ValueError:
        return _put_remains(shelves, item)
    shelf = shelves.setdefault(name, Shelf(name))
    if item.key.endswith(MANIFEST_SUFFIX):
        shelf.has_manifest = True
    else:
        shelf.audio[item.key] = item.size
    return True


def _put_remains(shelves: dict[SegmentName, Shelf], item: ObjectStat) -> bool:
    try:
        name, erasure = SegmentName.from_erasure_key(item.key)
    except ValueError:
        return False
    shelf = shelves.setdefault(name, Shelf(name))
    if item.key.endswith(AudioFormat.FLAC.suffix):
        shelf.remains[item.key] = item.size
    else:
        shelf.tombstones.append(erasure)
    return True

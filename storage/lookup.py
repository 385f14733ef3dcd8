"""Which watch is meant by a name, from the bucket alone.

The register has the names (see `register`), and what it says is believed when a manifest says it, too. That
takes two listings, of the register and of the watches, and a manifest or two for each that is found. Of those
that are not in the register, as from before there was one, the newest manifest is read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain, islice

from storage.ahead import ahead
from storage.catalog import Catalog, read_manifest
from storage.errors import ObjectNotFound
from storage.manifest import SegmentManifest, parse_manifest
from storage.names import MANIFEST_SUFFIX, SegmentName, WatchId, WatchKind
from storage.register import REGISTER, Entry, fold, parse_entry, prefix
from storage.shelves import shelve
from storage.store import ObjectStore

_READERS = 8
"""Manifests read at a time; each is a round trip to the store and little else."""

_MOST_ENTRY = 1 << 16
"""Bytes. Beyond it is no entry of ours."""

_SIMILAR = 5
"""Names that are offered instead of one that nobody has."""

Matches = Callable[[str], bool]
"""Whether a folded name is one that is looked for."""


@dataclass(frozen=True, slots=True)
class Named:
    """A watch, and the name that it had, as a manifest has it."""

    watch: WatchId
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a name may mean.

    Attributes:
        watches: those that were called so, each once.
        similar: names that are like it, where none was.
    """

    watches: tuple[Named, ...]
    similar: tuple[str, ...] = ()


def is_pattern(text: str) -> bool:
    """Whether it may stand for several names: with `*` and `?`, and `[...]` for one of some characters."""
    return any(character in text for character in "*?[")


def find(
    store: ObjectStore,
    name: str,
    kinds: Iterable[WatchKind] = WatchKind,
    scanned: Callable[[int, int], object] = lambda _total, _done: None,
) -> Found:
    """The watches that were ever called so, by the watch list or the platform; by a pattern, if none was.

    Case, width and spaces make no difference. `scanned` is called with how many watches are not in the
    register, so that their newest manifests have to be read, and how many have been since it was last called.

    Raises:
        StoreError: the store cannot be read.
    """
    kinds, wanted = tuple(kinds), fold(name)
    entries = {key: entry for key, entry in _entries(store, REGISTER) if entry.watch.kind in kinds}
    known = {entry.watch for entry in entries.values()}
    unknown = [watch for watch in Catalog(store).watches(kinds=kinds) if watch not in known]
    scan = _scan(store, unknown, scanned)
    found = _exactly(store, wanted, entries, scan)
    if not found and is_pattern(wanted):
        found = _confirmed(store, entries, lambda folded: fnmatchcase(folded, wanted), scan)
    names = {entry.name for entry in entries.values()} | {
        fold(each) for names in scan.values() for each in names
    }
    return Found(found, () if found else _similar(wanted, names - {""}))


def registered(store: ObjectStore, name: str, kinds: Iterable[WatchKind] = WatchKind) -> tuple[Named, ...]:
    """The watches that were called exactly so, as far as the register knows: one listing, and no scan.

    Raises:
        StoreError: the store cannot be read.
    """
    kinds, wanted = tuple(kinds), fold(name)
    entries = {key: entry for key, entry in _entries(store, prefix(wanted)) if entry.watch.kind in kinds}
    return _exactly(store, wanted, entries, {})


def forget(store: ObjectStore, watch: WatchId) -> None:
    """Take a watch out of the register. Its manifests go on to say what it was called.

    Raises:
        StoreError: the store fails, or forbids it.
    """
    for key, entry in list(_entries(store, REGISTER)):
        if entry.watch == watch:
            store.delete(key)


def recorded(store: ObjectStore, watch: WatchId) -> tuple[datetime, datetime] | None:
    """When the first and the last segment of a watch began; None if it has none.

    Raises:
        StoreError: the store cannot be read.
    """
    names = list(shelve(store, watch).segments)
    return (names[0].started_at, names[-1].started_at) if names else None


def _entries(store: ObjectStore, beginning: str) -> Iterator[tuple[str, Entry]]:
    for item in store.list(beginning):
        with suppress(ValueError):  # what others put there is none of ours
            yield item.key, Entry.from_key(item.key)


def _exactly(
    store: ObjectStore, wanted: str, entries: Mapping[str, Entry], scan: Mapping[WatchId, tuple[str, ...]]
) -> tuple[Named, ...]:
    if not wanted:
        return ()
    beginning = prefix(wanted)
    so = {key: entry for key, entry in entries.items() if key.startswith(beginning)}
    return _confirmed(store, so, lambda folded: folded == wanted, scan)


def _confirmed(
    store: ObjectStore,
    entries: Mapping[str, Entry],
    matches: Matches,
    scan: Mapping[WatchId, tuple[str, ...]],
) -> tuple[Named, ...]:
    """The watches of entries that match and that a manifest bears out, and of those that were scanned."""
    found: dict[WatchId, Named] = {}

    def borne_out(key: str) -> Named | None:
        entry = entries[key]
        return _borne_out(store, key, entry) if matches(_whole(store, key, entry)) else None

    those = (key for key, entry in entries.items() if entry.is_cut or matches(entry.name))
    for named in ahead(borne_out, those, threads=_READERS, name="names"):
        if named:
            found[named.watch] = named
    for watch, names in scan.items():
        for name in names:
            if matches(fold(name)):
                found.setdefault(watch, Named(watch, name))
    return tuple(found[watch] for watch in sorted(found))


def _whole(store: ObjectStore, key: str, entry: Entry) -> str:
    """The name of an entry; where its key has been cut, as it holds it."""
    if not entry.is_cut:
        return entry.name
    try:
        with store.open(key, length=_MOST_ENTRY) as stream:
            return parse_entry(stream.read()) or entry.name
    except ObjectNotFound:
        return entry.name


def _borne_out(store: ObjectStore, key: str, entry: Entry) -> Named | None:
    """The name as it stands in a manifest: of the last days that have it, one a day, or else in any."""
    for manifest in chain(_newest_first(store, entry.watch, a_day=1), _newest_first(store, entry.watch)):
        for name in manifest.names:
            if Entry(fold(name), entry.watch).key == key:
                return Named(entry.watch, name)
    return None


def _scan(
    store: ObjectStore, watches: list[WatchId], scanned: Callable[[int, int], object]
) -> dict[WatchId, tuple[str, ...]]:
    """What watches are called in their newest manifests."""
    names = {}
    for watch, manifest in ahead(partial(_newest, store), watches, threads=_READERS, name="manifest"):
        scanned(len(watches), 1)
        names[watch] = manifest.names if manifest else ()
    return names


def _newest(store: ObjectStore, watch: WatchId) -> tuple[WatchId, SegmentManifest | None]:
    return watch, next(_newest_first(store, watch), None)


def _newest_first(store: ObjectStore, watch: WatchId, a_day: int | None = None) -> Iterator[SegmentManifest]:
    """The manifests of a watch that can be read, at most so many of a day, without a listing of all."""
    for day in _days(store, watch.prefix, 3):
        yield from islice(_of_day(store, watch, day), a_day)


def _of_day(store: ObjectStore, watch: WatchId, day: str) -> Iterator[SegmentManifest]:
    names = []
    for item in store.list(day):
        with suppress(ValueError):
            if item.key.endswith(MANIFEST_SUFFIX):
                names.append(SegmentName.from_key(item.key))
    for name in sorted(names, key=lambda name: (name.started_at, name.number), reverse=True):
        if name.watch == watch and (manifest := _read(store, name)):
            yield manifest


def _days(store: ObjectStore, above: str, levels: int) -> Iterator[str]:
    """Folders of days: of the last year the last month, of that the last day, and so on."""
    if not levels:
        yield above
        return
    for folder in sorted(store.folders(above), reverse=True):
        yield from _days(store, folder, levels - 1)


def _read(store: ObjectStore, name: SegmentName) -> SegmentManifest | None:
    """The manifest of a segment; None where it is not there or cannot be read."""
    try:
        manifest = parse_manifest(read_manifest(store, name.manifest_key))
        is_its_own = manifest.name == name
    except (ObjectNotFound, ValueError):  # a `ManifestError`, or what names no segment
        return None
    return manifest if is_its_own else None


def _similar(wanted: str, names: set[str]) -> tuple[str, ...]:
    close = get_close_matches(wanted, sorted(names), _SIMILAR)
    within = [name for name in sorted(names) if wanted and wanted in name]
    return tuple(dict.fromkeys([*close, *within]))[:_SIMILAR]

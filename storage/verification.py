"""Whether everything that was recorded is in a bucket, whole, and the rest has its reason.

Reads every object of a watch, follows the chain of its manifests (see `chain` for where one may begin and
end), and accounts for the time. Knows no daemon; works on any `ObjectStore`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from storage import chain
from storage.accounts import Accounts
from storage.chain import Link
from storage.examination import Examined, examine, read_link
from storage.findings import ChainEnd, Fault, FaultKind, Note, WatchReport
from storage.joints import judge
from storage.names import SegmentName, WatchId
from storage.shelves import MAX_SEGMENT, Shelf, Shelves, shelve
from storage.store import ObjectStore

_THREADS = 8
"""Segments looked at at a time: hashing leaves Python to the others, and a store its answers."""

_SEARCHED = timedelta(days=2)
"""How long before the time that a segment accounts for the one before it is looked for."""


def verify(
    store: ObjectStore,
    watch: WatchId,
    start: datetime | None = None,
    end: datetime | None = None,
    progress: Callable[[int, int], object] = lambda _more, _done: None,
) -> WatchReport:
    """Verify what a watch has between `start` and `end` (not included); None: from the first, to the last.

    Of every segment with audio in the range the manifest, the tombstones and the audio are read whole: each
    SHA-256 is computed anew, the audio decoded, and compared with format, length, ledger and levels. The
    first segment of each recorder in the range is checked against the manifest before it, which is looked for
    where the segment says it ended; a note says which it was. Time before the first segment of a recorder and
    after its last is not judged: nothing in a bucket says whether anybody was to be recorded then.

    `progress` is called with how many bytes more are to be read and how many have been, as either is known.

    Raises:
        StoreError: the store cannot be read. Nothing is known then.
    """
    shelves = shelve(store, watch, start, end)
    before, within = _divide(shelves, start, end)
    verification = _Verification(store, watch, start, end)
    verification.reach_before(before)
    progress(sum(_size(shelf) for shelf in within), 0)
    for shelf, examined in _examined(store, within):
        verification.take(examined)
        progress(0, _size(shelf))
    verification.follow()
    verification.note_strangers(shelves.strangers)
    return verification.report()


class _Verification:
    """A verification under way: what has been found so far."""

    def __init__(
        self, store: ObjectStore, watch: WatchId, start: datetime | None, end: datetime | None
    ) -> None:
        self._store = store
        self._watch = watch
        self._start = start
        self._end = end
        self._accounts = Accounts()
        self._links: list[Link] = []
        self._earlier: dict[str, Link] = {}
        self._examined: list[Examined] = []  # without their manifests: a year has a hundred thousand
        self._unusable: list[SegmentName] = []
        self._faults: list[Fault] = []
        self._notes: list[Note] = []
        self._ends: tuple[ChainEnd, ...] = ()
        self._segments = 0
        self._size = 0
        self._erased: list[Examined] = []
        self._names: dict[str, None] = {}  # the last ones last

    def reach_before(self, shelves: Iterable[Shelf]) -> None:
        """Take the last segment of each recorder before the range: look at it if it may reach into it."""
        for shelf in shelves:
            link = read_link(self._store, shelf)
            # Where no manifest says when it ended, it may reach as far as any segment can.
            ended_at = link.ended_at if link else shelf.name.started_at + MAX_SEGMENT
            if self._start is not None and ended_at > self._start:
                examined = examine(self._store, shelf)
                link = examined.link
                if link is None or link.ended_at > self._start:
                    self.take(examined)
                    continue
            if link:
                self._remember(link)

    def take(self, examined: Examined) -> None:
        """Take what was found of a segment."""
        self._faults += examined.faults
        if examined.link:
            self._links.append(examined.link)
        else:
            self._unusable.append(examined.name)
        if examined.manifest:
            self._segments += 1
            self._size += examined.size
            for name in reversed(examined.manifest.names):
                self._names.pop(name, None)
                self._names[name] = None
            self._accounts.add_segment(examined.manifest, is_sound=examined.is_sound)
        if examined.erased:
            self._erased.append(examined)

    def follow(self) -> None:
        """Follow the chains, and account for the time between segments."""
        joints = chain.follow(self._links, self._earlier)
        if self._start is not None and self._search(joints):
            joints = chain.follow(self._links, self._earlier)
        for joint in joints:
            judgement = judge(joint, self._unusable, {link.name for link in self._earlier.values()})
            self._faults += judgement.faults
            self._notes += judgement.notes
            for span in judgement.spans:
                began = span.started_at if self._start is None else max(span.started_at, self._start)
                duration = span.started_at + span.duration - began
                if duration > timedelta(0):
                    recorder = joint.segment.name.recorder
                    self._accounts.add(recorder, span.kind, began, duration, span.reason)
        for before, one, other in chain.forks(joints):
            message = f"it follows on {before.name.stem}, and so does {one.name.stem}"
            self._faults.append(Fault(FaultKind.FORKED, other.key, message))
        self._ends = tuple(ChainEnd(link.key, link.sha256) for link in chain.ends(joints))

    def note_strangers(self, keys: Iterable[str]) -> None:
        """Take the keys that are of no segment of this watch."""
        for key in keys:
            if _looks_like_ours(key):
                message = "it has the name of a segment that belongs elsewhere"
                self._faults.append(Fault(FaultKind.OF_ANOTHER, key, message))
            else:
                self._notes.append(Note(key, "not checked: it is nothing that a recorder makes"))

    def report(self) -> WatchReport:
        """All of it."""
        return WatchReport(
            self._watch,
            self._start,
            self._end,
            self._segments,
            self._size,
            self._accounts.by_day,
            tuple(self._faults),
            tuple(self._notes),
            tuple(erased for examined in self._erased for erased in examined.erased),
            self._ends,
            tuple(reversed(self._names)),
        )

    def _remember(self, link: Link) -> None:
        self._earlier[link.sha256] = link
        if link.replaces:
            self._earlier[link.replaces] = link

    def _search(self, joints: Iterable[chain.Joint]) -> bool:
        """Look before the range for what its first segments name; whether any of it was found."""
        earlier = {link.name for link in self._earlier.values()}
        found = False
        for joint in joints:
            is_first = joint.before is None or joint.before.name in earlier
            if joint.hold is chain.Hold.BROKEN and is_first:
                for link in self._candidates(joint.segment):
                    if joint.segment.previous in {link.sha256, link.replaces}:
                        self._remember(link)
                        found = True
                        break
        return found

    def _candidates(self, segment: Link) -> Iterator[Link]:
        ended_at = segment.started_at - segment.accounted
        shelves = shelve(self._store, self._watch, ended_at - _SEARCHED, segment.started_at)
        names = [name for name in shelves.segments if name.started_at < segment.started_at]
        for name in sorted(names, key=lambda name: abs(name.started_at - ended_at)):
            link = read_link(self._store, shelves.segments[name])
            if link:
                yield link


def _divide(
    shelves: Shelves, start: datetime | None, end: datetime | None
) -> tuple[list[Shelf], list[Shelf]]:
    """The last segment of each recorder before the range, and those that begin in it."""
    before: dict[str, Shelf] = {}
    within = []
    for name, shelf in shelves.segments.items():
        if start is not None and name.started_at < start:
            before[name.recorder] = shelf
        elif end is None or name.started_at < end:
            within.append(shelf)
    return list(before.values()), within


def _examined(store: ObjectStore, shelves: Iterable[Shelf]) -> Iterator[tuple[Shelf, Examined]]:
    """Look at segments, in order, a few at a time and a few ahead."""
    with ThreadPoolExecutor(_THREADS, "verify") as threads:
        under_way: deque[tuple[Shelf, Future[Examined]]] = deque()
        try:
            for shelf in shelves:
                under_way.append((shelf, threads.submit(partial(examine, store, shelf))))
                if len(under_way) > 2 * _THREADS:
                    done, future = under_way.popleft()
                    yield done, future.result()
            while under_way:
                done, future = under_way.popleft()
                yield done, future.result()
        finally:
            for _, future in under_way:
                future.cancel()


def _size(shelf: Shelf) -> int:
    return sum(shelf.audio.values()) + sum(shelf.remains.values())


def _looks_like_ours(key: str) -> bool:
    """Whether an object has a name of ours, though not in this place."""
    folders, _, file = key.rpartition("/")
    kind_and_id = "/".join(folders.split("/")[:2])
    with suppress(ValueError, IndexError):
        day = f"{file[:4]}/{file[4:6]}/{file[6:8]}"
        for parse in (SegmentName.from_key, SegmentName.from_erasure_key):
            with suppress(ValueError):
                parse(f"{kind_and_id}/{day}/{file}")
                return True
    return False

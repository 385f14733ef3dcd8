"""What waits to be uploaded, and whose turn it is. Knows no store, no file, no clock and no task.

Oldest first, but no watch has all turns: first come those with the fewest segments under way. What fails
comes again at a pace of its own, so that a segment that always fails holds up no other.

Where two fail and none succeeds meanwhile it is not the segments: two of one watch close the gate of that
watch, two watches close that of the store. Then one segment asks for all, from time to time, and another one
each time; as soon as one succeeds all go.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from recorder.core.backoff import Backoff, Pace
from recorder.segment import SealedSegment
from storage.names import SegmentName, WatchId

_WITNESSES: Final = 2
"""Different ones that must fail in a row before it is not for them: one may be unlucky for good. Who failed
before, while others succeeded, is no witness the next time."""
_SLACK: Final = 100
"""Entries of a heap that may be out of date before they are cleared away."""

_Key = tuple[int, datetime, str]


@dataclass(slots=True, eq=False)
class Item:
    """A sealed segment and how its upload stands."""

    segment: SealedSegment
    attempts: int = field(init=False)
    backoff: Backoff = field(default_factory=Backoff)
    failed_at: "_Gate | None" = None

    def __post_init__(self) -> None:
        """Count all attempts of the lives before as one."""
        self.attempts = int(self.segment.tried)

    @property
    def name(self) -> SegmentName:
        """The name of the segment."""
        return self.segment.name

    def key(self, *, gated: bool) -> _Key:
        """What comes first: the oldest, but behind a gate what has asked least."""
        return self.attempts if gated else 0, self.name.started_at, self.name.spool_stem


class _Gate:
    """Open, or closed until some moment, when one may ask. Closed by witnesses who failed in a row."""

    def __init__(self) -> None:
        self._witnesses: set[Item | _Line] = set()
        self._backoff = Backoff()
        self._pace: Pace | None = None
        self.until = -math.inf  # monotonic seconds

    @property
    def closed(self) -> bool:
        return len(self._witnesses) >= _WITNESSES

    def failed(self, witness: "Item | _Line", pace: Pace, now: float, chance: float) -> None:
        self._pace = pace
        if not self.closed and witness.failed_at in (None, self):  # each success makes a new gate
            self._witnesses.add(witness)
            self.asked(now, chance)
        witness.failed_at = self

    def asked(self, now: float, chance: float) -> None:
        """One asks. The next one does not wait for its answer: it may be long in coming."""
        if self.closed and self._pace:
            self.until = now + self._backoff.delay(self._pace, chance)


class _Line:
    """The segments of one watch."""

    def __init__(self) -> None:
        self.ready: list[tuple[_Key, Item]] = []
        self.under_way = 0
        self.gate = _Gate()
        self.failed_at: _Gate | None = None
        self.version = 0  # of what was last said of it


_Offer = tuple[float, _Key, int, _Line]


class Backlog:
    """Segments in line. Each is ready, waits until it is due, or is under way: taken, and not settled yet.

    Args:
        share: segments of one watch that may be under way at once; fewer than there is room for.
        chance: a random number from 0 to 1.
    """

    def __init__(self, share: int, chance: Callable[[], float]) -> None:
        self._share = share
        self._chance = chance
        self._names: set[SegmentName] = set()
        self._lines: defaultdict[WatchId, _Line] = defaultdict(_Line)
        self._later: list[tuple[float, str, Item]] = []  # by when they are due, monotonic seconds
        # Both may hold what was said of a line before; only the last version of each counts.
        self._offers: list[_Offer] = []  # by how many of the line are under way
        self._behind_gates: list[_Offer] = []  # by when its gate opens
        self._gate = _Gate()

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: SegmentName) -> bool:
        return name in self._names

    @property
    def away(self) -> bool:
        """Whether the store counts as away."""
        return self._gate.closed

    def add(self, segment: SealedSegment) -> None:
        """Take a segment that is not known yet."""
        self._names.add(segment.name)
        self._make_ready(Item(segment))

    def untried(self) -> list[SealedSegment]:
        """Segments that have never been taken, those that began first, first."""
        ready = (item for line in self._lines.values() for _, item in line.ready)
        untried = [item.segment for item in ready if not item.attempts]
        return sorted(untried, key=lambda segment: segment.name.started_at)

    def hold(self, name: SegmentName) -> bool:
        """Keep a segment from being taken until it is put back; False if it has been taken before."""
        line = self._lines[name.watch] if name in self._names else _Line()
        kept = [entry for entry in line.ready if entry[1].name != name or entry[1].attempts]
        if len(kept) == len(line.ready):
            return False
        line.ready = kept
        heapq.heapify(line.ready)
        self._offer(line)
        return True

    def put_back(self, segment: SealedSegment) -> None:
        """Let a segment be taken that was held. Its audio may have another format now."""
        self._make_ready(Item(segment))

    def take(self, now: float) -> Item | None:
        """Whose turn it is, by `now` (monotonic seconds); None if it is nobody's."""
        while self._later and self._later[0][0] <= now:
            self._make_ready(heapq.heappop(self._later)[2])
        while self._behind_gates and self._behind_gates[0][0] <= now:
            *_, version, line = heapq.heappop(self._behind_gates)
            if version == line.version:
                heapq.heappush(self._offers, (line.under_way, line.ready[0][0], version, line))
        if self._gate.closed and now < self._gate.until:
            return None
        while self._offers:
            *_, version, line = heapq.heappop(self._offers)
            if version == line.version:
                _, item = heapq.heappop(line.ready)
                item.attempts += 1
                line.under_way += 1
                line.gate.asked(now, self._chance())
                self._gate.asked(now, self._chance())
                self._offer(line)
                return item
        return None

    def wait(self, now: float) -> float:
        """Seconds until it may be somebody's turn though nothing is added or settled; infinity for never."""
        dues = [self._later[0][0]] if self._later else []
        if self._behind_gates:
            dues.append(self._behind_gates[0][0])
        if self._offers and self._gate.closed:
            dues.append(self._gate.until)
        return max(0.0, min(dues, default=math.inf) - now)

    def succeeded(self, item: Item) -> bool:
        """Settle what is in the bucket; return whether the store counted as away."""
        line = self._settle(item)
        was_away, was_gated = self._gate.closed, line.gate.closed
        self._gate, line.gate = _Gate(), _Gate()
        if was_away:
            for each in self._lines.values():
                each.gate = _Gate()
            self._reorder(*self._lines.values())
            self.hurry()
        elif was_gated:
            self._reorder(line)
            self._advance(lambda later: later.name.watch == item.name.watch)
        self._offer(line)
        self._forget(item, line)
        return was_away

    def failed(self, item: Item, pace: Pace, now: float) -> float:
        """Put back what did not succeed; return in how many seconds it will be due."""
        line = self._settle(item)
        delay = item.backoff.delay(pace, self._chance())
        heapq.heappush(self._later, (now + delay, item.name.spool_stem, item))
        was_open, store_was_open = not line.gate.closed, not self._gate.closed
        line.gate.failed(item, pace, now, self._chance())
        self._gate.failed(line, pace, now, self._chance())
        if store_was_open and self._gate.closed:
            self._reorder(*self._lines.values())
        elif was_open and line.gate.closed:
            self._reorder(line)
        self._offer(line)
        return delay

    def dropped(self, item: Item) -> None:
        """Settle what will never be in the bucket. It tells nothing of the store."""
        line = self._settle(item)
        self._offer(line)
        self._forget(item, line)

    def hurry(self) -> None:
        """Wait for nothing: all that is not under way is ready."""
        self._gate.until = -math.inf
        for line in self._lines.values():
            line.gate.until = -math.inf
        self._advance(lambda _: True)
        for line in self._lines.values():
            self._offer(line)

    def _settle(self, item: Item) -> _Line:
        line = self._lines[item.name.watch]
        line.under_way -= 1
        return line

    def _forget(self, item: Item, line: _Line) -> None:
        self._names.remove(item.name)
        if not line.ready and not line.under_way and not line.gate.closed:
            self._lines.pop(item.name.watch, None)

    def _advance(self, which: Callable[[Item], bool]) -> None:
        later, self._later = self._later, []
        for due, stem, item in later:
            if which(item):
                self._make_ready(item)
            else:
                self._later.append((due, stem, item))
        heapq.heapify(self._later)

    def _make_ready(self, item: Item) -> None:
        line = self._lines[item.name.watch]
        heapq.heappush(line.ready, (item.key(gated=self._is_gated(line)), item))
        if line.ready[0][1] is item:
            self._offer(line)

    def _is_gated(self, line: _Line) -> bool:
        return line.gate.closed or self._gate.closed

    def _reorder(self, *lines: _Line) -> None:
        """Do what a gate that has opened or closed changes in the order."""
        for line in lines:
            line.ready = [(item.key(gated=self._is_gated(line)), item) for _, item in line.ready]
            heapq.heapify(line.ready)
            self._offer(line)

    def _offer(self, line: _Line) -> None:
        """Say anew what there is to have of a line, if anything."""
        line.version += 1
        if not line.ready or line.under_way >= self._share:
            return
        first = line.ready[0][0]
        if line.gate.closed:
            self._push(self._behind_gates, (line.gate.until, first, line.version, line))
        else:
            self._push(self._offers, (line.under_way, first, line.version, line))

    def _push(self, offers: list[_Offer], offer: _Offer) -> None:
        if len(offers) > _SLACK + 2 * len(self._lines):
            offers[:] = [each for each in offers if each[2] == each[3].version]
            heapq.heapify(offers)
        heapq.heappush(offers, offer)

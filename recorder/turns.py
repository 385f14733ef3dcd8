"""When each watch is due to be asked for by itself, of those that no list has. Pure; monotonic seconds.

Asked for first is what was listed the last time, for it has just ended or been deleted; then who was not
heard of for longest. What is over seldom comes back, and gives way to the others.
"""

import math
from collections.abc import Collection, Iterator
from typing import Final

from storage.names import WatchId

OVER_INTERVAL: Final = 600.0
"""Seconds that what is over, or refused, gives way to the others."""
ABSENT_INTERVAL: Final = 5.0
"""The same of what the platform does not know, or say: a call may begin at any time, unheard of."""
NEVER: Final = -math.inf


class Turns(Collection[WatchId]):
    """Of the watches that are asked about."""

    def __init__(self) -> None:
        self._heard_of: dict[WatchId, float] = {}
        self._gives_way: dict[WatchId, float] = {}  # for so many seconds
        self._listed: frozenset[WatchId] = frozenset()  # the last time
        self._forgotten: set[WatchId] = set()

    def __contains__(self, watch: object) -> bool:
        return watch in self._heard_of

    def __iter__(self) -> Iterator[WatchId]:
        return iter(self._heard_of)

    def __len__(self) -> int:
        return len(self._heard_of)

    def add(self, watch: WatchId, heard_of: float = NEVER) -> None:
        """Ask about this one, too, which was heard of then."""
        self._heard_of.setdefault(watch, heard_of)

    def remove(self, watch: WatchId) -> None:
        """Ask about it no more."""
        self._heard_of.pop(watch, None)
        self._gives_way.pop(watch, None)
        self._forgotten.discard(watch)

    def heard_of(self, watch: WatchId, now: float, gives_way: float = 0.0) -> None:
        """There was an answer about it; it gives way for so long after."""
        self._heard_of[watch] = now
        self._gives_way[watch] = gives_way
        self._forgotten.discard(watch)

    def absent(self, watch: WatchId, now: float) -> None:
        """The platform knows none of that id. One that was over is over."""
        self.heard_of(watch, now, self._gives_way.get(watch) or ABSENT_INTERVAL)

    def forget(self, watch: WatchId) -> bool:
        """Nothing is known of it any more; False if that was so already, or it is none of ours."""
        if watch not in self._heard_of or watch in self._forgotten:
            return False
        self._forgotten.add(watch)
        return True

    def take(self, listed: Collection[WatchId], now: float) -> list[WatchId]:
        """There was a list: who is due to be asked for beside it, the most urgent first."""
        due = sorted((each for each in self._heard_of.keys() - listed if self._at(each) <= now), key=self._at)
        self._listed = frozenset(self._heard_of.keys() & listed)
        return due

    def _at(self, watch: WatchId) -> float:
        if watch in self._listed:
            return NEVER
        gives_way = 0.0 if watch in self._forgotten else self._gives_way.get(watch, 0.0)
        return self._heard_of[watch] + gives_way

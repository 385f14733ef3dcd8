"""What the patterns of a watch list find among the conferences of the platform, as those are shown. Pure.

Once found, a conference stays found until it has ended, whatever it is renamed to: nobody should be cut off
in the middle. What has ended stays for a while, and is found again if it comes back. Times are monotonic
seconds; the clock is the caller's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from recorder.core.snapshot import Snapshot
from recorder.problems import nearest
from recorder.watchlist import Pattern, Watch, WatchList
from storage.names import WatchId

KEPT: Final = 3600.0
"""Seconds that one which has ended stays, so that it can be seen that it has."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One that is recorded.

    Attributes:
        first: as it was when it was found; what it is called in the recorder does not change afterwards.
        ended_at: when it was first shown to have ended, None while it has not.
    """

    pattern: Pattern
    first: Snapshot
    ended_at: float | None = None

    @property
    def watch(self) -> Watch:
        return self.pattern.watch(self.first)


class _Shown(NamedTuple):
    """One that the platform has, the patterns that name it as it is called now, and whether it is ours."""

    conference: Snapshot
    patterns: tuple[Pattern, ...]
    ours: bool


class Double(NamedTuple):
    """One conference that is named twice, and by what; the first counts."""

    watch: WatchId
    first: str
    second: str


class Unmatched(NamedTuple):
    """A pattern that names nothing, and the name of a conference that comes near it, if there is one."""

    pattern: Pattern
    near: str | None


class Discovery:
    """Finds what the patterns of one watch list name.

    Attributes:
        doubles: conferences that were seen to be named twice, by the two that name them: an example of each.

    Args:
        ours: whether it is for this instance to find one of that id.
    """

    def __init__(self, ours: Callable[[WatchId], bool] = lambda _: True) -> None:
        self._ours = ours
        self._patterns: tuple[Pattern, ...] = ()
        self._named: frozenset[WatchId] = frozenset()
        self._shown: dict[WatchId, _Shown] = {}
        self._found: dict[WatchId, _Found] = {}
        self.doubles: dict[tuple[str, str], Double] = {}

    def follow(self, listed: WatchList) -> None:
        """Take the patterns of this list. What none of them names any more is found no more."""
        self._patterns = listed.patterns
        self._named = frozenset(watch.watch_id for watch in listed)
        self.doubles = {}
        before, self._found = self._found, {}
        shown, self._shown = self._shown, {}
        for conference, *_ in shown.values():
            self._fit(conference)
        for watch_id, found in before.items():
            if watch_id in self._named:
                continue
            now = shown[watch_id].conference if watch_id in shown else found.first
            pattern = next((p for p in self._patterns if p.matches(now) or p.matches(found.first)), None)
            if pattern:
                self._found[watch_id] = replace(found, pattern=pattern)
        for conference, *_ in shown.values():
            self._find(conference)

    def recall(self, conferences: Sequence[Snapshot]) -> None:
        """Find what was found in a life before, while nobody can be asked whether it is still there."""
        for conference in conferences:
            self._fit(conference)
            self._find(conference)

    def show(self, conference: Snapshot, now: float) -> None:
        """The platform has this one, like that."""
        self._fit(conference)
        found = self._found.get(conference.watch_id)
        if found is None:
            self._find(conference)
        elif not conference.over:
            self._found[conference.watch_id] = replace(found, ended_at=None)
        else:
            self._end(conference.watch_id, now)

    def miss(self, watch_id: WatchId, now: float) -> None:
        """The platform knows none of that id."""
        self._shown.pop(watch_id, None)
        self._end(watch_id, now)

    def show_all(self, conferences: Sequence[Snapshot], now: float) -> None:
        """The platform has these, and of those that can be listed no others."""
        there = {conference.watch_id for conference in conferences}
        for watch_id in self._shown.keys() - there - self._found.keys():
            del self._shown[watch_id]
        for conference in conferences:
            self.show(conference, now)

    def forget(self, now: float) -> None:
        """Let go of what has ended long ago."""
        for watch_id, found in tuple(self._found.items()):
            if found.ended_at is not None and now - found.ended_at >= KEPT:
                del self._found[watch_id]
                self._shown.pop(watch_id, None)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """What is to be recorded beside what the list names one by one."""
        return tuple(found.watch for found in self._found.values())

    @property
    def elsewhere(self) -> int:
        """How many more there are that the patterns name, for other instances to find."""
        others = (shown.conference for shown in self._shown.values() if shown.patterns and not shown.ours)
        return sum(each.watch_id not in self._named and not each.over for each in others)

    @property
    def living(self) -> tuple[Snapshot, ...]:
        """What of that has not ended, as it was found."""
        return tuple(found.first for found in self._found.values() if found.ended_at is None)

    @property
    def counts(self) -> tuple[tuple[Pattern, int], ...]:
        """How many conferences there are that each pattern names, in the order of the list."""
        living = [shown.patterns for shown in self._shown.values() if not shown.conference.over]
        return tuple((pattern, sum(pattern in each for each in living)) for pattern in self._patterns)

    @property
    def unmatched(self) -> tuple[Unmatched, ...]:
        """The patterns that name nothing."""
        names = [shown.conference.name for shown in self._shown.values()]
        return tuple(
            Unmatched(pattern, nearest(pattern.name.replace("*", ""), filter(None, names)))
            for pattern, count in self.counts
            if not count
        )

    def _fit(self, conference: Snapshot) -> None:
        """Know which patterns name it. That is found out once, and anew when it is called otherwise."""
        before = self._shown.get(conference.watch_id)
        if before and (before.conference.name, before.conference.type) == (conference.name, conference.type):
            self._shown[conference.watch_id] = before._replace(conference=conference)
            return
        patterns = tuple(pattern for pattern in self._patterns if pattern.matches(conference))
        ours = bool(patterns) and self._ours(conference.watch_id)
        self._shown[conference.watch_id] = _Shown(conference, patterns, ours)
        names = [str(pattern) for pattern in patterns]
        if conference.watch_id in self._named:
            names.insert(0, "its own entry")
        if len(names) > 1:
            self.doubles.setdefault((names[0], names[1]), Double(conference.watch_id, *names[:2]))

    def _find(self, conference: Snapshot) -> None:
        _, patterns, ours = self._shown[conference.watch_id]
        known = conference.watch_id in self._named or conference.watch_id in self._found
        if ours and not known and not conference.over:
            self._found[conference.watch_id] = _Found(patterns[0], conference)

    def _end(self, watch_id: WatchId, now: float) -> None:
        found = self._found.get(watch_id)
        if found and found.ended_at is None:
            self._found[watch_id] = replace(found, ended_at=now)

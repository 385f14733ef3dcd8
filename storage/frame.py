"""Where the stretches of several recorders lie on one line of samples: the frame.

Pure. What was measured goes before what was counted, and that before what labels say: two stretches of which
the audio shows how far they are apart lie just so; the stretches of one recorder lie as far apart as its own
line has them, unless audio shows otherwise; and where nothing else binds two stretches, their labels do.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from storage.layout import to_samples
from storage.stretches import Stretch

_ANY_INSTANT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Measured:
    """Two stretches, by their places in a list, and at which sample of `one` the first of `other` lies."""

    one: int
    other: int
    sample: int


class Frame:
    """The places of stretches on a line that they share. Sample 0 of it is where the first stretch begins.

    Attributes:
        places: the sample at which each stretch begins.
    """

    def __init__(self, stretches: Sequence[Stretch], measured: Iterable[Measured]) -> None:
        self._stretches = stretches
        bonds = _Bonds(len(stretches))
        for each in measured:
            bonds.bind(each.one, each.other, each.sample)
        self._as_shown = [bonds.find(node)[0] for node in range(len(stretches))]
        for one, other, apart in _counted(stretches):
            bonds.bind(one, other, apart)
        for one, other, apart in _labelled(stretches):
            bonds.bind(one, other, apart)
        self.places = [bonds.find(node)[1] for node in range(len(stretches))]
        by_recorder: dict[str, list[int]] = {}
        for node in sorted(range(len(stretches)), key=lambda node: stretches[node].started_at):
            by_recorder.setdefault(stretches[node].recorder, []).append(node)
        self._own = [own for _, own in sorted(by_recorder.items())]

    def shown(self, one: int, other: int) -> bool:
        """Whether audio shows how far two stretches are apart, directly or over others."""
        return self._as_shown[one] == self._as_shown[other]

    def end(self, node: int) -> int:
        """The sample just after a stretch."""
        return self.places[node] + self._stretches[node].samples

    def at(self, instant: datetime) -> int:
        """The sample of an instant: by the labels of who recorded it, in the order of their names.

        A later instant has no earlier sample, though labels of two recorders may contradict each other.
        """
        lowest: list[int] = []
        highest: list[int] = []

        def within(place: int) -> int:
            return min([max([place, *lowest]), *highest])

        near: list[int] = []
        for own in self._own:
            begun = bisect_right(own, instant, key=lambda node: self._stretches[node].started_at)
            if begun and instant <= self._stretches[own[begun - 1]].ended_at:
                return within(self._place(own[begun - 1], instant))
            near += own[max(begun - 1, 0) : begun + 1]
            lowest += [self.end(node) for node in own[:begun][-1:]]
            highest += [self.places[node] for node in own[begun:][:1]]
        if not near:
            return to_samples(instant - _ANY_INSTANT)
        closest = min(near, key=lambda node: _away(self._stretches[node], instant))
        return within(self._place(closest, instant))

    def _place(self, node: int, instant: datetime) -> int:
        return self.places[node] + self._stretches[node].sample_at(instant)


def _away(stretch: Stretch, instant: datetime) -> timedelta:
    return instant - stretch.ended_at if instant > stretch.ended_at else stretch.started_at - instant


class _Bonds:
    """Which of some nodes are bound to each other, and how far apart; the first bond of two groups holds."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))
        self._away = [0] * count

    def find(self, node: int) -> tuple[int, int]:
        """The first node of a group, and how far a node is from it."""
        path, away = [], 0
        while self._parent[node] != node:
            path.append(node)
            node = self._parent[node]
        for each in reversed(path):
            away += self._away[each]
            self._parent[each], self._away[each] = node, away
        return node, away

    def bind(self, one: int, other: int, apart: int) -> None:
        """Let `other` lie `apart` samples after `one`, unless it is known already where it lies."""
        (first, before), (second, after) = self.find(one), self.find(other)
        if first == second:
            return
        away = before + apart - after
        # The lower number leads, so that the first stretch has sample 0.
        if first < second:
            self._parent[second], self._away[second] = first, away
        else:
            self._parent[first], self._away[first] = second, -away


def _counted(stretches: Sequence[Stretch]) -> list[tuple[int, int, int]]:
    """Neighbours in the line of one recorder, and how far they are apart there; the closest first."""
    by_recorder: dict[str, list[int]] = {}
    for node in sorted(range(len(stretches)), key=lambda node: stretches[node].at):
        by_recorder.setdefault(stretches[node].recorder, []).append(node)
    neighbours = [pair for own in by_recorder.values() for pair in pairwise(own)]
    neighbours.sort(
        key=lambda pair: stretches[pair[1]].at - stretches[pair[0]].at - stretches[pair[0]].samples
    )
    return [(one, other, stretches[other].at - stretches[one].at) for one, other in neighbours]


def _labelled(stretches: Sequence[Stretch]) -> list[tuple[int, int, int]]:
    """Neighbours by their labels, and how far those are apart; the closest first."""
    in_order = sorted(range(len(stretches)), key=lambda node: stretches[node].started_at)
    neighbours = sorted(
        pairwise(in_order), key=lambda pair: stretches[pair[1]].started_at - stretches[pair[0]].ended_at
    )
    return [(one, other, stretches[one].sample_at(stretches[other].started_at)) for one, other in neighbours]

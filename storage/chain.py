"""The chain of manifests: each names the one that its recorder sealed before it. Pure: knows no store.

A chain goes through all that one spool has recorded of a watch, whatever it has been through. It may begin
with the first segment of a recorder; after thirty days without one, when the last is forgotten; with a new
spool; and where the disk did not let the segment before be sealed in its turn. It may end anywhere, for what
comes next may still be in the spool: that the end of a chain was deleted cannot be seen in what is left, but
for a reader who has kept the SHA-256 of its last manifest. In between every link must hold.

Time is judged along the links and not by labels alone: where a link holds, nothing was between, and labels
that say otherwise tell of a wall clock that was set. Within one life of a recorder its numbers rise.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from storage.layout import LABEL_TOLERANCE
from storage.manifest import OpenedAfter, OpenedAfterReason
from storage.names import SegmentName, are_of_one_life

FORGOTTEN_AFTER = timedelta(days=30)
"""How long a recorder remembers the last manifest of a watch."""

_DRIFT = 500e-6
"""Seconds a second by which the clock that counts may move against the clock on the wall."""

_RESTARTS = frozenset({OpenedAfterReason.CRASH, OpenedAfterReason.STOPPED, OpenedAfterReason.START})


@dataclass(frozen=True, slots=True)
class Link:
    """What the chain needs of a manifest; `sha256` (hex) is that of its JSON."""

    name: SegmentName
    sha256: str
    previous: str | None
    replaces: str | None
    started_at: datetime
    ended_at: datetime
    opened_after: OpenedAfter | None

    @property
    def key(self) -> str:
        """The object key of the manifest."""
        return self.name.manifest_key

    @property
    def accounted(self) -> timedelta:
        """How long before its first sample it accounts for."""
        return timedelta(seconds=self.opened_after.seconds) if self.opened_after else timedelta(0)


class Hold(StrEnum):
    """How a segment is linked to the one before it."""

    PROVEN = "proven"
    """It carries the SHA-256 of the manifest before it."""
    BEGINS = "begins"
    """It names none: a chain begins with it."""
    BROKEN = "broken"
    """The manifest that it names is not there, or is not what it was."""


@dataclass(frozen=True, slots=True)
class Joint:
    """Where a segment follows on another.

    Attributes:
        before: what the time is measured from: the segment that it names, or else the one that its recorder
            began before it; None if there is none.
        skipped: a segment that it passes over, or follows out of order.
        excess: by how much the labels are further apart than it accounts for; negative where they overlap
            or are closer. None where nothing is before it.
    """

    segment: Link
    hold: Hold
    before: Link | None
    skipped: Link | None = None
    excess: timedelta | None = None

    @property
    def is_in_time(self) -> bool:
        """Whether all the time before the segment is accounted for, to within what labels allow."""
        return self.excess is None or abs(self.excess) <= self.tolerance

    @property
    def tolerance(self) -> timedelta:
        """What labels allow."""
        return LABEL_TOLERANCE + self.segment.accounted * _DRIFT

    @property
    def is_one_life(self) -> bool:
        """Whether the recorder lived on between the two."""
        after = self.segment.opened_after
        return after is None or not _RESTARTS & {after.reason, *after.by_reason}

    @property
    def is_forgotten(self) -> bool:
        """Whether so much time lies between that the recorder need not have remembered."""
        return (
            self.before is not None
            and self.segment.started_at - self.before.ended_at >= FORGOTTEN_AFTER - timedelta(days=1)
        )


def follow(links: Sequence[Link], earlier: Mapping[str, Link]) -> list[Joint]:
    """Follow the chains through the segments of one watch, in their order.

    `earlier` has those before the range that are named in it, by the SHA-256 that they are named by.
    """
    known = dict(earlier)
    for link in links:
        known.setdefault(link.sha256, link)
        if link.replaces:
            known.setdefault(link.replaces, link)
    named = {link.name: _named(link, known) for link in links}
    in_life = _neighbours_in_life(links)
    in_time = _neighbours_in_time([*earlier.values(), *links], named)
    return [_joint(link, named[link.name], in_life.get(link.name), in_time.get(link.name)) for link in links]


def forks(joints: Iterable[Joint]) -> list[tuple[Link, Link, Link]]:
    """Where two segments name the same one: that, and the two."""
    found = []
    first: dict[SegmentName, Link] = {}
    for joint in joints:
        if joint.hold is Hold.PROVEN and joint.before:
            other = first.setdefault(joint.before.name, joint.segment)
            if other is not joint.segment:
                found.append((joint.before, other, joint.segment))
    return found


def ends(joints: Sequence[Joint]) -> list[Link]:
    """The last segment of each chain."""
    named = {joint.before.name for joint in joints if joint.hold is Hold.PROVEN and joint.before}
    return [joint.segment for joint in joints if joint.segment.name not in named]


def _named(link: Link, known: Mapping[str, Link]) -> Link | None:
    named = known.get(link.previous) if link.previous else None
    return None if named is link else named


def _joint(link: Link, named: Link | None, in_life: Link | None, in_time: Link | None) -> Joint:
    if named:
        skipped = None
        if _is_later(named, link):
            skipped = named
        elif in_life and in_life is not named and are_of_one_life(in_life.name, named.name):
            skipped = in_life
        return Joint(link, Hold.PROVEN, named, skipped, _excess(named, link))
    hold = Hold.BROKEN if link.previous else Hold.BEGINS
    before = in_life or in_time
    return Joint(link, hold, before, None, _excess(before, link) if before else None)


def _excess(before: Link, link: Link) -> timedelta:
    return link.started_at - before.ended_at - link.accounted


def _is_later(one: Link, other: Link) -> bool:
    """Whether `one` was opened after `other` in the same life."""
    return are_of_one_life(one.name, other.name) and one.name.number > other.name.number


def _neighbours_in_life(links: Iterable[Link]) -> dict[SegmentName, Link]:
    """Of each segment the one that was opened before it in the same life."""
    ordered = sorted(links, key=lambda link: (link.name.recorder, link.name.number))
    return {
        link.name: before for before, link in pairwise(ordered) if are_of_one_life(before.name, link.name)
    }


def _neighbours_in_time(
    links: Iterable[Link], named: Mapping[SegmentName, Link | None]
) -> dict[SegmentName, Link]:
    """Of each segment that follows on none, the one that its recorder began before it by the wall clock.

    One of its own chain came after it, whatever the clock said then.
    """
    found: dict[SegmentName, Link] = {}
    roots: dict[SegmentName, SegmentName] = {}
    ordered = sorted(links, key=lambda link: (link.name.recorder, link.started_at, link.name.number))
    for index, link in enumerate(ordered):
        if named.get(link.name):
            continue
        for before in reversed(ordered[:index]):
            if before.name.recorder != link.name.recorder:
                break
            if _root(before.name, named, roots) != link.name:
                found[link.name] = before
                break
    return found


def _root(
    name: SegmentName, named: Mapping[SegmentName, Link | None], roots: dict[SegmentName, SegmentName]
) -> SegmentName:
    """Where the chain begins that goes through a segment."""
    passed: dict[SegmentName, None] = {}  # a forged manifest may name one that comes after it
    while name not in roots:
        passed[name] = None
        before = named.get(name)
        if before is None or before.name in passed:
            break
        name = before.name
    root = roots.get(name, name)
    roots.update(dict.fromkeys(passed, root))
    return root

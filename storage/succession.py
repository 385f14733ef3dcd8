"""Which segment of a recorder came before which, whatever its clock was set to.

Pure: knows names, and by what SHA-256 manifests name each other. Labels tell the order of segments as long as
the wall clock goes forward. Where it was set back, numbers do, which rise within one life of a recorder, and
the links from each manifest to the one before it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from storage.layout import LABEL_TOLERANCE
from storage.manifest import SegmentManifest
from storage.names import SegmentName, are_of_one_life
from storage.shelves import MAX_SEGMENT


class Read(NamedTuple):
    """A manifest as it was read, and the SHA-256 of its JSON, by which the next one knows it."""

    manifest: SegmentManifest
    sha256: str


def select(names: Sequence[SegmentName], start: datetime | None, end: datetime | None) -> list[SegmentName]:
    """The names whose segments may have audio in the range, out of names in the order of their labels.

    A segment is over when its recorder opens the next one, give or take what labels move. So of all that
    began before the range the last can reach into it; and where the clock was set back, the last before that,
    too, for as long as a segment may be. The last of each recorder is given in any case: it says how a range
    begins.
    """
    in_life = dict(_in_life(names))
    begin_a_life = set(names) - set(in_life.values())
    selected = []
    next_of: dict[str, SegmentName] = {}
    for name in reversed(names):
        after, successor = next_of.get(name.recorder), in_life.get(name)
        next_of[name.recorder] = name
        if end is not None and name.started_at >= end:
            continue
        if start is not None and after is not None and after.started_at + LABEL_TOLERANCE <= start:
            over_at = name.started_at + MAX_SEGMENT
            if successor is None and after in begin_a_life:
                over_at = after.started_at
            elif successor is not None and successor.started_at >= name.started_at:
                over_at = successor.started_at
            if over_at + LABEL_TOLERANCE <= start:
                continue
        selected.append(name)
    return selected[::-1]


def orphans(read: Sequence[Read], names: Sequence[SegmentName]) -> frozenset[SegmentName]:
    """Segments that came after another one than is there: a whole segment, manifest and all, is missing.

    `names` are all that there are, in the order of their labels, whether they were read or not. Of a segment
    that may have come after one which was not read, nothing is known.
    """
    found = linked(read)
    were_read = {manifest.name for manifest, _ in read}
    in_life = dict(_in_life(names))
    # A life came after the end of another, by its label where the clock was not set back in between.
    before = {name: before for before, name in _by_label(names) if before not in in_life}
    before |= {name: before for before, name in in_life.items()}
    return frozenset(
        manifest.name
        for manifest, _ in read
        if manifest.previous and manifest.name not in found and before.get(manifest.name) in were_read
    )


def linked(read: Sequence[Read]) -> frozenset[SegmentName]:
    """The segments of which the one before is there: none is missing between them, whatever labels say."""
    known = {*(sha256 for _, sha256 in read), *(manifest.replaces for manifest, _ in read)} - {None}
    return frozenset(manifest.name for manifest, _ in read if manifest.previous in known)


def after_damaged(names: Collection[SegmentName], damaged: Collection[SegmentName]) -> Iterator[SegmentName]:
    """Of the names, those before which one of the same life is damaged."""
    for before, name in _in_life([*names, *damaged]):
        if before in damaged and name not in damaged:
            yield name


def _in_life(names: Iterable[SegmentName]) -> Iterator[tuple[SegmentName, SegmentName]]:
    """Each two of which a recorder opened one after the other in one life."""
    ordered = sorted(names, key=lambda name: (name.recorder, name.number))
    return ((before, name) for before, name in pairwise(ordered) if are_of_one_life(before, name))


def _by_label(names: Iterable[SegmentName]) -> Iterator[tuple[SegmentName, SegmentName]]:
    """Each two of a recorder of which one has the label after the other's."""
    ordered = sorted(names, key=lambda name: name.recorder)
    return ((before, name) for before, name in pairwise(ordered) if before.recorder == name.recorder)

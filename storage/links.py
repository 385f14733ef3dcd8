"""A link to one segment: which segment an instant or a name means, and the URL that gives its audio away.

Whoever has the URL can read the audio until it expires, and nothing else. Knows no player: see `playlist`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.catalog import Catalog, NothingRecorded
from storage.layout import Cut
from storage.manifest import SegmentManifest
from storage.names import MANIFEST_SUFFIX, AudioFormat, WatchId
from storage.report import iso
from storage.store import ObjectStore

_A_SAMPLE = timedelta(microseconds=125)

_SUFFIXES = (MANIFEST_SUFFIX, *(audio_format.suffix for audio_format in AudioFormat))


@dataclass(frozen=True, slots=True)
class Link:
    """A URL that gives the audio of a segment, whole and as it is stored, until `expires_at`.

    With temporary credentials (of a role of the machine, for example) it ends with them, if that is sooner;
    `ends_with_credentials` says that it was signed with such.
    """

    segment: SegmentManifest
    url: str
    expires_at: datetime

    @property
    def ends_with_credentials(self) -> bool:
        """Whether the credentials it was signed with have an end of their own."""
        return "X-Amz-Security-Token=" in self.url


def link(store: ObjectStore, segment: SegmentManifest, expires: timedelta) -> Link:
    """Make a link to the audio of a segment, for `expires` from now.

    Raises:
        ValueError: `expires` is less than a second or more than `store.LONGEST_LINK`.
        NotOffered: the store has no links, as a folder.
        ObjectNotFound: the audio is not there.
    """
    made_at = datetime.now(UTC)
    url = store.link(segment.audio.key, expires)
    store.stat(segment.audio.key)
    return Link(segment, url, made_at + expires)


def segment_at(catalog: Catalog, watch: WatchId, at: datetime) -> SegmentManifest:
    """The segment that has the sample of this instant. Of two recorders', the one that `fetch` would take.

    Raises:
        NothingRecorded: none has.
    """
    try:
        pieces = catalog.layout(watch, at, at + _A_SAMPLE, by_labels=True).pieces
    except NothingRecorded:
        raise NothingRecorded(f"{watch}: nothing was recorded at {iso(at)}") from None
    return next(piece.segment for piece in pieces if isinstance(piece, Cut))


def segment_named(catalog: Catalog, watch: WatchId, text: str) -> SegmentManifest:
    """The segment of that name: as `list` and keys have it, with or without folders and suffix.

    Raises:
        NothingRecorded: the watch has none, or its manifest is damaged.
    """
    stem = text.rpartition("/")[2]
    for suffix in _SUFFIXES:
        stem = stem.removesuffix(suffix)
    try:
        began = datetime.strptime(stem.partition("_")[0], "%Y%m%dT%H%M%S.%f%z")
    except ValueError:
        raise NothingRecorded(
            f"{text!r} is no name of a segment: expected one as 20261122T150500.000Z_rec-a_17"
        ) from None
    for entry in catalog.segments(watch, began, began + timedelta(milliseconds=1)):
        if isinstance(entry, SegmentManifest):
            if entry.name.stem == stem:
                return entry
        elif entry.name.stem == stem:
            raise NothingRecorded(f"{entry.key}: {entry.message}")
    raise NothingRecorded(f"{watch}: there is no segment {stem}")

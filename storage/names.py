"""The vocabulary of names: what is watched, and what a segment of it is called.

A `SegmentName` is made once, when a segment is opened, and then only written in different places: as a file
name in the spool and as an object key in the bucket. Parsing is the inverse of formatting. Pure: knows no
directory, no bucket and no audio.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

MANIFEST_SUFFIX = ".json"

MAX_RECORDER_LENGTH = 64
"""Bytes. Stores limit one component of a key to 255 bytes, and so do file systems a file name."""

_NEAR = 100_000
"""Numbers that are no further apart are of one life: each life begins somewhere in 10^15."""

_RECORDER = re.compile(rf"[A-Za-z0-9][A-Za-z0-9.-]{{0,{MAX_RECORDER_LENGTH - 1}}}")
_STEM = re.compile(
    rf"""
    (?P<instant> \d{{8}}T\d{{6}}\.\d{{3}}Z )  # UTC of the first sample, to the millisecond
    _ (?P<recorder> {_RECORDER.pattern} )     # the daemon instance that recorded it
    _ (?P<number> \d{{1,20}} )                # makes the name unique for good
    """,
    re.VERBOSE | re.ASCII,
)


class AudioFormat(StrEnum):
    """What the audio of a segment is stored as: the same samples in any of them."""

    WAV = "wav"
    FLAC = "flac"

    @property
    def suffix(self) -> str:
        """What names of such files and objects end in."""
        return f".{self.value}"

    @property
    def content_type(self) -> str:
        """Its media type."""
        return f"audio/{self.value}"


_ERASED = re.compile(
    rf"""
    (?P<stem> {_STEM.pattern} )
    \.erased-(?P<erasure> [1-9]\d{{0,5}} )   # counts the erasures of this segment
    (?: {re.escape(MANIFEST_SUFFIX)}   # a tombstone
      | \.[0-9a-f]{{16}}{re.escape(AudioFormat.FLAC.suffix)} )  # or what is left of the audio
    """,
    re.VERBOSE | re.ASCII,
)

_SUFFIXES = (MANIFEST_SUFFIX, *(audio_format.suffix for audio_format in AudioFormat))


class WatchKind(StrEnum):
    """What VoIPBIN lets a client listen to."""

    CONFERENCE = "conference"
    CALL = "call"

    @property
    def folder(self) -> str:
        """The kind as a folder of the bucket, which is also its collection in VoIPBIN's URLs."""
        return f"{self.value}s"


@dataclass(frozen=True, slots=True, order=True)
class WatchId:
    """One conference or call, as VoIPBIN identifies it.

    `id` is a UUID in its canonical form: lower case, with hyphens.

    Raises:
        ValueError: `id` is not a UUID, or is the nil UUID, which VoIPBIN uses for "none".
    """

    kind: WatchKind
    id: str

    def __post_init__(self) -> None:
        try:
            canonical = UUID(self.id)
        except ValueError:
            raise ValueError(f"{self.id!r} is not a UUID") from None
        if not canonical.int:
            raise ValueError("the nil UUID stands for 'none' and names nothing")
        object.__setattr__(self, "id", str(canonical))

    @property
    def prefix(self) -> str:
        """What every object key of this watch begins with, up to and including the slash."""
        return f"{self.kind.folder}/{self.id}/"

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


@dataclass(frozen=True, slots=True)
class SegmentName:
    """The name of one segment, never used for another.

    Attributes:
        watch: whose audio it is.
        started_at: UTC of the first sample, cut to the millisecond.
        recorder: the daemon instance; letters, digits, dots and hyphens.
        number: tells apart names that would otherwise be equal, as after a step of the wall clock.

    Raises:
        ValueError: `started_at` has no time zone, or `recorder` or `number` cannot stand in a name.
    """

    watch: WatchId
    started_at: datetime
    recorder: str
    number: int

    def __post_init__(self) -> None:
        if self.started_at.tzinfo is None:
            raise ValueError("started_at has no time zone")
        instant = self.started_at.astimezone(UTC)
        cut = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
        object.__setattr__(self, "started_at", cut)
        check_recorder(self.recorder)
        if not 0 <= self.number < 10**20:
            raise ValueError(f"number {self.number} is not between 0 and 10^20")

    @property
    def stem(self) -> str:
        """The name without folder and suffix: `20261122T150500.000Z_rec-a_17`."""
        milliseconds = self.started_at.microsecond // 1000
        return f"{self.started_at:%Y%m%dT%H%M%S}.{milliseconds:03d}Z_{self.recorder}_{self.number}"

    @property
    def audio_key(self) -> str:
        """The object key of the audio as a WAV, below the store's own prefix."""
        return self.audio_key_as(AudioFormat.WAV)

    def audio_key_as(self, audio_format: AudioFormat) -> str:
        """The object key of the audio in a format, below the store's own prefix."""
        return self._key(audio_format.suffix)

    def format_of(self, audio_key: str) -> AudioFormat:
        """The format of the audio of this segment that has this object key.

        Raises:
            ValueError: it is not the key of audio of this segment.
        """
        for audio_format in AudioFormat:
            if audio_key == self.audio_key_as(audio_format):
                return audio_format
        if audio_key.endswith(AudioFormat.FLAC.suffix) and self._is_of_erasure(audio_key):
            return AudioFormat.FLAC
        raise ValueError(f"{audio_key!r} is not the key of audio of {self.stem}")

    @property
    def manifest_key(self) -> str:
        """The object key of the manifest, below the store's own prefix."""
        return self._key(MANIFEST_SUFFIX)

    def tombstone_key(self, erasure: int) -> str:
        """The object key of the manifest that stands for this segment since its `erasure`-th erasure."""
        return self._key(f".erased-{erasure}{MANIFEST_SUFFIX}")

    def erased_audio_key(self, erasure: int, sha256: str) -> str:
        """The object key of what the `erasure`-th erasure left of the audio: a FLAC of this SHA-256 (hex)."""
        return self._key(f".erased-{erasure}.{sha256[:16]}{AudioFormat.FLAC.suffix}")

    @classmethod
    def from_erasure_key(cls, key: str) -> tuple[Self, int]:
        """Read the key of a tombstone or of what an erasure left; give the segment's name and which erasure.

        Raises:
            ValueError: it is neither.
        """
        folders, _, file = key.rpartition("/")
        if match := _ERASED.fullmatch(file):
            name = cls.from_key(f"{folders}/{match['stem']}{MANIFEST_SUFFIX}")
            return name, int(match["erasure"])
        raise ValueError(f"{key!r} is not the key of what an erasure left")

    def _is_of_erasure(self, key: str) -> bool:
        try:
            return self.from_erasure_key(key)[0] == self
        except ValueError:
            return False

    @property
    def keys(self) -> tuple[str, ...]:
        """Every object key that a segment of this name may have."""
        return tuple(map(self._key, _SUFFIXES))

    def _key(self, suffix: str) -> str:
        return f"{self.watch.prefix}{self.started_at:%Y/%m/%d}/{self.stem}{suffix}"

    @property
    def spool_stem(self) -> str:
        """The name as a file of the flat spool directory, without suffix."""
        return f"{self.watch.kind}_{self.watch.id}_{self.stem}"

    @classmethod
    def from_key(cls, key: str) -> Self:
        """Read an object key (audio or manifest, below the store's prefix).

        Raises:
            ValueError: it is not the key of a segment.
        """
        folders, _, file = key.rpartition("/")
        stem = next((file.removesuffix(suffix) for suffix in _SUFFIXES if file.endswith(suffix)), file)
        folder, _, rest = folders.partition("/")
        kind = next((k for k in WatchKind if k.folder == folder), None)
        name = cls._parse(kind, rest.partition("/")[0], stem)
        if name is not None and key in name.keys:
            return name
        raise ValueError(f"{key!r} is not the key of a segment")

    @classmethod
    def from_spool_stem(cls, spool_stem: str) -> Self:
        """Read a spool file name without its suffix.

        Raises:
            ValueError: it is not the name of a segment.
        """
        kind, _, rest = spool_stem.partition("_")
        watch_id, _, stem = rest.partition("_")
        name = cls._parse(next((k for k in WatchKind if k == kind), None), watch_id, stem)
        if name is None or name.spool_stem != spool_stem:
            raise ValueError(f"{spool_stem!r} is not the name of a segment")
        return name

    @classmethod
    def _parse(cls, kind: WatchKind | None, watch_id: str, stem: str) -> Self | None:
        match = _STEM.fullmatch(stem)
        if kind is None or match is None:
            return None
        try:
            started_at = datetime.strptime(match["instant"], "%Y%m%dT%H%M%S.%f%z")
            return cls(WatchId(kind, watch_id), started_at, match["recorder"], int(match["number"]))
        except ValueError:
            return None


def are_of_one_life(one: SegmentName, other: SegmentName) -> bool:
    """Whether a recorder gave both names in one life; its numbers rise then, whatever its clock is set to."""
    return one.recorder == other.recorder and abs(one.number - other.number) <= _NEAR


def check_recorder(recorder: str) -> str:
    """Return `recorder` if it can stand in names.

    Raises:
        ValueError: it is empty, too long, or has characters other than letters, digits, dots and hyphens.
    """
    if not _RECORDER.fullmatch(recorder):
        raise ValueError(
            f"{recorder!r} is not 1 to {MAX_RECORDER_LENGTH} letters, digits, dots or hyphens,"
            " beginning with a letter or digit"
        )
    return recorder

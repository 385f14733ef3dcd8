"""The manifest of a segment: what a reader needs to rebuild the timeline without the daemon.

Version 1 of the schema, as JSON. Pure: knows no store and no file. Readers ignore keys they do not know, so
that a later recorder may say more; a manifest of another schema version is refused.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeVar

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from storage.names import AudioFormat, SegmentName, WatchId, WatchKind
from storage.presence import PlatformFacts
from storage.record import Instant, Record, Seconds, Sha256


class GapReason(StrEnum):
    """Why samples of a segment are silence of ours and not of the conference."""

    DISCONNECTED = "disconnected"
    """There was no connection to the platform."""
    STALLED = "stalled"
    """The connection stood, and less audio came than time passed."""
    LOST = "lost"
    """Sequence numbers show that packets did not arrive."""
    DISK = "disk"
    """The disk of the recorder did not take them, or had to give them up for what came later."""
    ERASED = "erased"
    """Somebody had them erased from the bucket; the tombstone says who, when and why."""


class OpenedAfterReason(StrEnum):
    """Why time passed between a segment and the one before it."""

    START = "start"
    """The first audio since this recorder began to watch."""
    IDLE = "idle"
    """Nobody was heard: the stream stood and carried nothing."""
    DISCONNECTED = "disconnected"
    """There was no connection to the platform for longer than `gap_limit`."""
    CRASH = "crash"
    """The recorder died: what it had not written is lost, and nobody listened until it ran again."""
    STOPPED = "stopped"
    """The recorder had been told to stop, or not to watch this any more."""


class ClosedBy(StrEnum):
    """Why a segment ended."""

    GRID = "grid"
    """The next instant of the UTC grid."""
    IDLE = "idle"
    """No audio for `idle_after`; or the platform says that nobody is there any more, or that it is over. The
    last has no word of its own, for readers of before would refuse the manifest."""
    DISCONNECTED = "disconnected"
    """No connection for `gap_limit`."""
    STOPPED = "stopped"
    """The watch was removed or the recorder stopped."""
    CODEC = "codec"
    """The platform changed to another codec."""
    CRASH = "crash"
    """The recorder died; this segment was repaired at its next start."""


_Facts = TypeVar("_Facts", bound="SegmentFacts")


class ManifestError(ValueError):
    """A manifest that cannot be read: not JSON, another schema, or values that contradict each other."""


class WatchFacts(Record):
    """What was watched, its name for people, if it has one, and whether it is on legal hold."""

    kind: WatchKind
    id: str
    name: str | None = None
    legal_hold: bool = False

    @property
    def watch_id(self) -> WatchId:
        """The identity without the name."""
        return WatchId(self.kind, self.id)

    @field_validator("id")
    @classmethod
    def _canonical(cls, value: str) -> str:
        return WatchId(WatchKind.CALL, value).id


class LedgerEntry(Record):
    """A run of silence of ours: `samples` samples from sample `start` of the segment on, for one reason."""

    start: NonNegativeInt
    samples: PositiveInt
    reason: GapReason

    @property
    def end(self) -> int:
        """The sample just after it."""
        return self.start + self.samples

    def between(self, start: int, end: int) -> "LedgerEntry":
        """An entry of the same reason, from sample `start` to `end` (not included)."""
        return LedgerEntry(start=start, samples=end - start, reason=self.reason)


class Reception(Record):
    """What happened on the wire during a segment. Counts of messages or packets, not of samples.

    `jitter_ms` is the interarrival jitter of RFC 3550 at the end of the segment, in milliseconds. `drift_ppm`
    is the sender's clock against ours, positive when the sender is slow; null before it is known.
    """

    messages: NonNegativeInt = 0
    discarded: dict[str, PositiveInt] = Field(default_factory=dict)
    lost: NonNegativeInt = 0
    late: NonNegativeInt = 0
    duplicate: NonNegativeInt = 0
    reconnects: NonNegativeInt = 0
    jitter_ms: float | None = None
    drift_ppm: float | None = None


class OpenedAfter(Record):
    """The time between the segment before and this one, in seconds; `reason` is the first of its reasons."""

    reason: OpenedAfterReason
    seconds: Seconds
    by_reason: dict[OpenedAfterReason, Seconds] = Field(default_factory=dict)


class Levels(Record):
    """Loudness of the audio in dB below full scale; null where every sample is zero."""

    peak_dbfs: float | None
    rms_dbfs: float | None


class Audio(Record):
    """The audio object: its key below the store's prefix, its SHA-256 (hex) and its size in bytes.

    `pcm_sha256` is that of its samples alone, 16 bit little-endian, whatever they are stored as. Null for a
    WAV, which is a header of 44 bytes and these samples as they are.
    """

    key: str
    sha256: Sha256
    size: PositiveInt
    pcm_sha256: Sha256 | None = None


class Erasure(Record):
    """Samples `start` to `stop` (not included) of a segment were erased: by whom, when and why."""

    who: str
    at: Instant
    why: str
    start: NonNegativeInt
    stop: PositiveInt


class Tombstone(Record):
    """What makes a manifest stand for one that the recorder sealed, since audio of it was erased.

    `manifest` is the SHA-256 (hex) of the JSON of that one, by which the one after it knows it. `seal` is
    that of this manifest's JSON with zeros in its place.
    """

    manifest: Sha256
    erasures: tuple[Erasure, ...] = Field(min_length=1)
    seal: Sha256 = "0" * 64


class SegmentFacts(Record):
    """All that is known of a segment before its file is closed.

    Attributes:
        started_at: UTC of the first sample.
        samples: length, in samples; ours and the conference's alike.
        encapsulation: how audio sat in the messages: `rtp`, `sln` or `audiosocket`.
        codec: what the payload was: `pcm16le`, `ulaw` or `alaw`.
        ledger: the runs of samples that are silence of ours, in order, not overlapping.
        opened_after: the time since the segment before, null when this one continues it to the sample.
        closed_by: why it ended.
        platform: what the platform said meanwhile; absent where it was not asked, or nothing is known.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    watch: WatchFacts
    recorder: str
    version: str
    number: NonNegativeInt
    started_at: Instant
    sample_rate: PositiveInt = 8000
    samples: NonNegativeInt
    encapsulation: str
    codec: str
    ledger: tuple[LedgerEntry, ...] = ()
    reception: Reception = Reception()
    opened_after: OpenedAfter | None = None
    closed_by: ClosedBy
    # Not even null where there is none: such a manifest is, byte for byte, what it was before there was any.
    platform: PlatformFacts | None = Field(default=None, exclude_if=lambda platform: platform is None)

    @property
    def name(self) -> SegmentName:
        """The segment's name, from which its keys follow."""
        return SegmentName(self.watch.watch_id, self.started_at, self.recorder, self.number)

    @property
    def names(self) -> tuple[str, ...]:
        """What people call what was watched: the name of the watch list, then that of the platform."""
        both = (self.watch.name, self.platform and self.platform.name)
        return tuple(dict.fromkeys(name for name in both if name))

    @property
    def ended_at(self) -> datetime:
        """UTC just after the last sample."""
        return self.started_at + timedelta(seconds=self.samples / self.sample_rate)

    @property
    def silence(self) -> int:
        """How many samples are silence of ours."""
        return sum(entry.samples for entry in self.ledger)

    @model_validator(mode="after")
    def _ledger_fits(self) -> "SegmentFacts":
        end = 0
        for entry in self.ledger:
            if entry.start < end:
                raise ValueError(f"ledger entry at sample {entry.start} overlaps the one before it")
            end = entry.end
        if end > self.samples:
            raise ValueError(f"the ledger reaches sample {end} of a segment of {self.samples}")
        return self


class SegmentManifest(SegmentFacts):
    """The facts of a sealed segment with what only its file can tell.

    `previous` is the SHA-256 (hex) of the JSON of the manifest before this one, null at the start of a chain.
    `replaces` is that of the manifest that this segment had before its audio was given up, by which the one
    after it knows it; null where it has all that was recorded. `erased` is there in a tombstone only.
    """

    audio: Audio
    levels: Levels
    previous: Sha256 | None = None
    replaces: Sha256 | None = None
    erased: Tombstone | None = None

    @property
    def key(self) -> str:
        """The object key of this manifest, or of this tombstone."""
        if self.erased is None:
            return self.name.manifest_key
        return self.name.tombstone_key(SegmentName.from_erasure_key(self.audio.key)[1])

    @property
    def audio_format(self) -> AudioFormat:
        """What the audio is stored as.

        Raises:
            ValueError: `audio.key` is not one of this segment.
        """
        return self.name.format_of(self.audio.key)

    @classmethod
    def seal(
        cls, facts: SegmentFacts, *, audio: Audio, levels: Levels, previous: str | None
    ) -> "SegmentManifest":
        """Complete `facts` with what is known once the file is closed."""
        return cls(**dict(facts), audio=audio, levels=levels, previous=previous)


def names_of(segments: Sequence[SegmentFacts]) -> tuple[str, ...]:
    """What people called what was watched in these segments, those of the last segment first."""
    return tuple(dict.fromkeys(name for segment in reversed(segments) for name in segment.names))


def format_manifest(manifest: SegmentFacts) -> bytes:
    """The manifest (or, before sealing, the facts) as UTF-8 JSON with a newline at the end."""
    return manifest.model_dump_json(by_alias=True, indent=1).encode() + b"\n"


def parse_manifest(data: bytes) -> SegmentManifest:
    """Read a manifest.

    Raises:
        ManifestError: with one line that names every field that is wrong.
    """
    return _parse(SegmentManifest, data)


def parse_facts(data: bytes) -> SegmentFacts:
    """Read the facts of a segment that is still open.

    Raises:
        ManifestError: with one line that names every field that is wrong.
    """
    return _parse(SegmentFacts, data)


def _parse(record: type[_Facts], data: bytes) -> _Facts:
    try:
        return record.model_validate_json(data)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}" for e in error.errors())
        raise ManifestError("; ".join(problems)) from None

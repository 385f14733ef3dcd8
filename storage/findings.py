"""What a verification finds: faults, notes, and the report of one watch. Holds facts; decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from storage.accounts import Account
from storage.manifest import Erasure
from storage.names import WatchId


class FaultKind(StrEnum):
    """What can be wrong. Each of them ends a verification with a failure."""

    AUDIO_MISSING = "audio missing"
    """A manifest has no audio."""
    AUDIO_TRUNCATED = "audio truncated"
    """The audio is shorter than its manifest says."""
    AUDIO_ALTERED = "audio altered"
    """The SHA-256 of the audio is not that of its manifest."""
    AUDIO_CONTRADICTED = "audio contradicted"
    """Format, length, ledger or levels of a manifest are not those of its audio."""
    MANIFEST_MISSING = "manifest missing"
    """There is audio, and no manifest says what it is; or a segment names a manifest that is not there."""
    MANIFEST_DAMAGED = "manifest damaged"
    """A manifest cannot be read."""
    MANIFEST_ALTERED = "manifest altered"
    """A manifest is not the one that the one after it was sealed after."""
    OF_ANOTHER = "of another"
    """An object is that of another watch or segment, or lies in a place that is not its own."""
    REORDERED = "reordered"
    """A segment follows on another than the one that its recorder had opened before it."""
    FORKED = "forked"
    """Two segments follow on the same one."""
    OVERLAP = "overlap"
    """One recorder has recorded a time twice."""
    HOLE = "hole"
    """Time lies between two segments for which there is no reason."""
    NOT_ERASED = "not erased"
    """Audio is still there that a tombstone says is gone: an erasure was interrupted, or undone."""
    TOMBSTONE_ALTERED = "tombstone altered"
    """A tombstone is not what it was, or does not fit the manifest that it stands for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with an object, and in which words."""

    kind: FaultKind
    key: str
    message: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know about an object, which is no fault; `is_usual` where it is so in every bucket."""

    key: str
    message: str
    is_usual: bool = False


@dataclass(frozen=True, slots=True)
class Erased:
    """An erasure that a tombstone tells of."""

    key: str
    erasure: Erasure


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The last manifest of a chain, and the SHA-256 (hex) of its JSON. Kept elsewhere, it proves the end."""

    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What a verification found of one watch.

    Attributes:
        started_at: where the range began, None for the first segment.
        ended_at: where it ended (not included), None for the last.
        segments: those that were looked at, each whole, also where only a part of it is in the range.
        size: bytes of audio that were hashed.
        accounts: time by UTC day and recorder, in order.
        faults: everything that is wrong, in the order of the segments.
        notes: what else there is to know, such as where chains begin and what was not checked.
        erased: the erasures, in order.
        ends: the last link of each chain.
        names: what it was called, by the watch list and by the platform, the last first.
    """

    watch: WatchId
    started_at: datetime | None
    ended_at: datetime | None
    segments: int
    size: int
    accounts: Mapping[tuple[date, str], Account]
    faults: tuple[Fault, ...]
    notes: tuple[Note, ...]
    erased: tuple[Erased, ...]
    ends: tuple[ChainEnd, ...]
    names: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong, and all time between the first segment and the last has its reason."""
        return not self.faults and all(account.is_whole for account in self.accounts.values())

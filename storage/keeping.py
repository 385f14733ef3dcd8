"""How a store is asked to keep objects: locked, in what class, with what tags, encrypted. Knows no store."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_MOST_TAGS = 10
_LONGEST_TAG = 128
_LONGEST_TAG_VALUE = 256
_MOST_DAYS = 36_500


class LockMode(StrEnum):
    """Who can lift a lock before its time: in governance mode those who have a right to, else nobody."""

    GOVERNANCE = "governance"
    COMPLIANCE = "compliance"


class Encryption(StrEnum):
    """With whose key the store encrypts: its own, or one of its key management service."""

    SSE_S3 = "sse-s3"
    SSE_KMS = "sse-kms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is asked of a store with every object. Its fields are keys of `[storage]` of a `recorder.toml`.

    Attributes:
        object_lock: no version of an object can be deleted before its time; None: it can be.
        retain_days: how many days from its upload on, with `object_lock`.
        storage_class: as the store calls it; None: its usual one. One that can be read at once.
        tags: by name; at most ten.
        encryption: None: as the bucket is set up.
        kms_key_id: with `sse-kms`, which key; None: the one of the bucket or the account.

    Raises:
        ValueError: values that no store takes, or that contradict each other; with what to write instead.
    """

    object_lock: LockMode | None = None
    retain_days: int | None = None
    storage_class: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    encryption: Encryption | None = None
    kms_key_id: str | None = None

    def __post_init__(self) -> None:
        if (self.object_lock is None) != (self.retain_days is None):
            raise ValueError("object_lock and retain_days belong together; write both, or neither")
        if self.retain_days is not None:
            check_retain_days(self.retain_days)
        if self.storage_class is not None:
            check_storage_class(self.storage_class)
        check_tags(self.tags)
        if self.kms_key_id is not None and self.encryption is not Encryption.SSE_KMS:
            raise ValueError('kms_key_id is for encryption = "sse-kms"; write that, or remove the key')

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> Self:
        """What a table `[storage]` says.

        Raises:
            ValueError: see the class.
        """
        values = {each.name: table[each.name] for each in fields(cls) if each.name in table}
        for name, kind in (("object_lock", LockMode), ("encryption", Encryption)):
            if name in values:
                values[name] = kind(values[name])
        kinds = {"retain_days": int, "tags": dict}
        for name, value in values.items():
            if not isinstance(value, kinds.get(name, str)) or isinstance(value, bool):
                raise ValueError(f"{name} of [storage] is not what it should be")  # noqa: TRY004  the file is wrong
        return cls(**values)

    @property
    def asked(self) -> tuple[str, ...]:
        """The keys that are set."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name))


def check_retain_days(days: int) -> int:
    """Return `days` if an object can be locked for so long.

    Raises:
        ValueError: it cannot.
    """
    if not 1 <= days <= _MOST_DAYS:
        raise ValueError(f"{days} is no number of days; write a whole number from 1 to {_MOST_DAYS}")
    return days


def check_storage_class(name: str) -> str:
    """Return `name` if objects of that class can be read back at once, as manifests must be.

    Raises:
        ValueError: they cannot, or it is no name.
    """
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"{name!r} is no storage class; write one such as STANDARD_IA")
    if name in _ARCHIVES:
        raise ValueError(
            f"objects in {name} cannot be read before they are restored, and what was uploaded is read back;"
            " move audio there later, by a lifecycle rule of the bucket"
        )
    return name


def check_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Return `tags` if an object can have them.

    Raises:
        ValueError: it cannot.
    """
    if len(tags) > _MOST_TAGS:
        raise ValueError(f"{len(tags)} tags are too many; an object can have {_MOST_TAGS}")
    for name, value in tags.items():
        if not isinstance(value, str):
            raise ValueError(f"the tag {name} is no text; put it in quotes")  # noqa: TRY004  the file is wrong
        if not 0 < len(name) <= _LONGEST_TAG or len(value) > _LONGEST_TAG_VALUE:
            raise ValueError(
                f"the tag {name[:_LONGEST_TAG]!r} is too long; a name has 1 to {_LONGEST_TAG} characters and"
                f" a value up to {_LONGEST_TAG_VALUE}"
            )
    return tags

"""The port to a bucket. Written for what a recorder needs: whole objects, written once, never changed.

Every call blocks. A daemon takes them off its event loop; a command line need not.
Keys are relative to the place the store was opened on (`s3://bucket/prefix`, `file:///folder`) and use `/`.
What a key may be is the same for every store: see `check_key`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

from storage.errors import StoreRejected

LONGEST_LINK = timedelta(days=7)
"""What signatures of S3 are valid for at most."""


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What a store says of an object: size in bytes, SHA-256 in hex where the store computed it itself.

    `sha256` is None where the store does not vouch for one; metadata that a client wrote does not count.
    """

    key: str
    size: int
    sha256: str | None = None


class ObjectStore(Protocol):
    """A place of immutable objects.

    Any method may raise `StoreUnavailable` (try again) or `StoreRejected` (do not), and any may be called
    from several threads at once.
    """

    @property
    def url(self) -> str:
        """Where this is, for messages and logs. Holds no credential."""

    def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
        """Store `source` under `key`, atomically: other readers see nothing or all of it.

        `sha256` (hex) is that of `source`; the store is asked to check it. An object is never overwritten:
        where the key is taken by the same content, nothing happens and the call succeeds.

        Raises:
            ObjectConflict: the key is taken by other content.
            StoreUnavailable: also when the bytes that arrived are not those that were sent.
        """

    def open(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[BinaryIO]:
        """Read an object from byte `start` on, `length` bytes or to its end, as a stream of bytes.

        Raises:
            ObjectNotFound: there is none.
        """

    def stat(self, key: str) -> ObjectStat:
        """What the store says of an object.

        Raises:
            ObjectNotFound: there is none.
        """

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """All objects whose key begins with `prefix`; none is no error.

        In no particular order: SeaweedFS, for one, puts `a/b` before `a.b`. Who needs an order sorts.
        """

    def folders(self, prefix: str = "") -> Iterator[str]:
        """The distinct beginnings of keys, from `prefix` up to and including the next `/`, in order.

        With `a/b/1` and `a/c/2`, `folders("a/")` is `a/b/` and `a/c/`, and `folders("a/c")` is `a/c/`.
        Some stores go on to show a folder whose objects have all been deleted.
        """

    def delete(self, key: str) -> None:
        """Remove an object. That there is none is no error."""

    def link(self, key: str, expires: timedelta) -> str:
        """A URL by which anybody can read the object until `expires` from now, without a credential.

        Made here: the store is not asked, and that the object is there is not seen. See `check_expiry`.

        Raises:
            NotOffered: the store has no such links.
            ValueError: `expires` is less than a second, or more than `LONGEST_LINK`.
        """

    def close(self) -> None:
        """Give back connections. No other method is called afterwards."""


def check_key(key: str) -> str:
    """Return `key` if every store can hold it: parts between slashes, none empty or beginning with a dot.

    Stores that keep objects as files would take `..` for a way out, and `a//b` for `a/b`; stores that do not
    would keep them as they are. Hidden names are for files that are still being written.

    Raises:
        StoreRejected: it cannot be a key. A manifest from a bucket may hold anything.
    """
    if "\0" in key or any(not part or part.startswith(".") for part in key.split("/")):
        raise StoreRejected(
            f"{key!r} cannot be the key of an object: a part of it is empty or begins with a dot"
        )
    return key


def check_expiry(expires: timedelta) -> int:
    """Return in how many whole seconds a link expires, if there can be such a link.

    Raises:
        ValueError: in less than a second, or in more than `LONGEST_LINK`.
    """
    if not timedelta(seconds=1) <= expires <= LONGEST_LINK:
        raise ValueError(
            f"a link can be valid for a second to {LONGEST_LINK.days} days, and not for {expires}; "
            "for longer, make a new one when it has expired"
        )
    return int(expires.total_seconds())

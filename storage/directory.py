"""A folder as a bucket: the store that needs no server.

An object is a file, published whole by `durable`; what is still being written has a hidden name and is no
object. Knows no audio and no manifest.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from storage import durable
from storage.errors import (
    NotOffered,
    ObjectConflict,
    ObjectNotFound,
    StoreError,
    StoreRejected,
    StoreUnavailable,
)
from storage.store import ObjectStat, check_expiry, check_key
from storage.streams import RangeReader, open_source

_BLOCK = 1 << 20
"""Bytes copied at a time; one write per 65 seconds of audio."""

_HINTS: dict[int, tuple[type[StoreError], str]] = {
    errno.ENOSPC: (StoreUnavailable, "the file system is full: free some space or enlarge it"),
    errno.EDQUOT: (StoreUnavailable, "the disk quota is used up: free some space or raise it"),
    errno.EIO: (StoreUnavailable, "the disk or its connection fails: see the kernel log"),
    errno.ESTALE: (StoreUnavailable, "the network file system was replaced under us: mount it again"),
    errno.EACCES: (StoreRejected, "give the user this runs as access to it"),
    errno.EPERM: (StoreRejected, "the file system forbids it to this user: see its mode and attributes"),
    errno.EROFS: (StoreRejected, "the file system is mounted read-only: mount it read-write"),
    errno.ENAMETOOLONG: (StoreRejected, "the file system allows no name of that length"),
    errno.EFBIG: (StoreRejected, "the file system, or a limit of this process, allows no file of that size"),
    errno.EEXIST: (StoreRejected, "a part of the key is the key of another object"),
    errno.ENOTDIR: (StoreRejected, "a part of the key is the key of another object"),
    errno.EISDIR: (StoreRejected, "the key is a part of the key of another object"),
    errno.EXDEV: (StoreRejected, "a folder and its files must lie on one file system"),
}
"""What the system calls answer, what follows for the caller, and what an operator can do."""


class DirectoryStore:
    """The folder `root` as an `ObjectStore`; keys are paths below it.

    The folder must exist: a missing one may be a disk that is not mounted, and what was then written below
    the mount point would vanish with the next mount.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def url(self) -> str:
        """Where this is, for messages and logs."""
        return self._root.absolute().as_uri()

    def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:  # noqa: ARG002
        """See `ObjectStore`. A folder keeps no content type; the suffix of the key says as much."""
        path = self._path(key)
        with open_source(source) as content, self._errors("write", path):
            self._check_root()
            durable.make_directories(path.parent, below=self._root)
            aside = durable.temporary(path)
            try:
                if _copy(content, aside) != sha256:
                    raise StoreUnavailable(f"write {path}: its content is not that of its SHA-256")
                durable.publish(aside, path)
            except FileExistsError:
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from None
                if _digest(path) != sha256:
                    raise ObjectConflict(
                        f"write {path}: there is another file of that name already"
                    ) from None
            finally:
                aside.unlink(missing_ok=True)

    @contextmanager
    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        """See `ObjectStore`."""
        path = self._path(key)
        with self._errors("read", path):
            file = path.open("rb", buffering=0)
        with file:
            file.seek(start)
            yield RangeReader(file.readinto, length, lambda: self._errors("read", path)).buffered()

    def stat(self, key: str) -> ObjectStat:
        """See `ObjectStore`. Gives no SHA-256: a file system keeps none."""
        path = self._path(key)
        with self._errors("look up", path):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            return ObjectStat(key, path.stat().st_size)

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """See `ObjectStore`."""
        folder, _, _ = prefix.rpartition("/")
        with self._errors("list", self._root):
            self._check_root()
            yield from self._walk(f"{folder}/" if folder else "", prefix)

    def folders(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore`."""
        with self._errors("list", self._root):
            self._check_root()
            above = prefix[: prefix.rfind("/") + 1]
            for name in self._names(above):
                if name.endswith("/") and f"{above}{name}".startswith(prefix):
                    yield f"{above}{name}"

    def delete(self, key: str) -> None:
        """See `ObjectStore`. Folders stay: another writer may be about to use them."""
        path = self._path(key)
        with self._errors("delete", path):
            if path.exists():
                durable.remove(path)

    def link(self, key: str, expires: timedelta) -> str:
        """See `ObjectStore`. A folder has none: who may read a file is a matter of its mode.

        Raises:
            NotOffered: always.
        """
        path = self._path(key)
        check_expiry(expires)
        raise NotOffered(f"link {path}: a folder has no links that expire; give the file itself")

    def close(self) -> None:
        """See `ObjectStore`. Nothing is held between calls."""

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _check_root(self) -> None:
        if not self._root.is_dir():
            raise StoreUnavailable(
                f"{self._root}: there is no such folder: create it, or mount its file system"
            )

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectStat]:
        for name in self._names(folder):
            key = folder + name
            if key.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(key, prefix)
            elif key.startswith(prefix):
                try:
                    yield ObjectStat(key, (self._root / key).stat().st_size)
                except FileNotFoundError:  # deleted since the folder was read
                    continue

    def _names(self, folder: str) -> tuple[str, ...]:
        """What stands in a folder; folders end with a slash, so that the order is that of whole keys."""
        try:
            with os.scandir(self._root / folder) as entries:
                visible = (entry for entry in entries if not entry.name.startswith("."))
                return tuple(sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in visible))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    @contextmanager
    def _errors(self, operation: str, path: Path) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            self._check_root()
            raise ObjectNotFound(f"{operation} {path}: there is no such file") from None
        except OSError as error:
            kind, hint = _HINTS.get(error.errno or 0, (StoreUnavailable, "it may work later"))
            raise kind(f"{operation} {path}: {error.strerror}: {hint}") from error


def _copy(content: BinaryIO, target: Path) -> str:
    """Write a new file, and give the SHA-256 of what was written."""
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while block := content.read(_BLOCK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

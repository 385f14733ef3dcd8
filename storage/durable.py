"""Files that survive a power cut: write aside, fsync, rename, fsync the directory. Once, for everybody.

A name becomes visible only after its content is on the disk, and a call returns only after the name is too.
Blocking; knows no bucket, no spool and no audio. Every function raises the `OSError` it meets.

A file whose fsync failed is lost: the kernel reports a failed write once and then forgets the pages (Linux
marks them clean), so a second fsync of the same file succeeds and means nothing. Nothing here tries again;
the caller writes the data anew.
"""

import ctypes
import errno
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

TEMPORARY_SUFFIX = ".tmp"

_LIBC = ctypes.CDLL(None, use_errno=True)
"""For syncfs(2), which Python does not offer."""

_NO_DIRECTORY_FSYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})
"""Answers of network and FUSE file systems that have no fsync of a directory; nothing more can be done."""

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""link(2): EPERM from FAT, the next two from network and FUSE file systems, EMLINK at the limit of links."""


def temporary(path: Path) -> Path:
    """A hidden name beside `path` that nobody else uses, so that a rename stays within one file system.

    A crash may leave such a file behind. It is nobody's data: hidden, never listed, and safe to delete.
    """
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")


def write_file(path: Path, data: bytes, sync: Callable[[Path], None] | None = None) -> None:
    """Make `path` hold `data`, replacing what was there; a reader sees the old content or the new, whole.

    `sync` sees the names of a directory onto the disk; by default it is `sync_directory`.
    """
    replace_file(path, data, to_disk=True)
    (sync or sync_directory)(path.parent)


def replace_file(path: Path, data: bytes, *, to_disk: bool = False) -> None:
    """Make `path` hold `data` as `write_file` does; a power cut may take it, the death of this process not.

    With `to_disk`, what a power cut leaves is the old content or the new, whole.
    """
    aside = temporary(path)
    try:
        with aside.open("xb") as file:
            file.write(data)
            if to_disk:
                file.flush()
                os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def link_over(source: Path, path: Path) -> None:
    """Give a file that is on the disk a second name, which may be another's. A power cut may undo it."""
    aside = temporary(path)
    try:
        try:
            os.link(source, aside)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            aside.write_bytes(source.read_bytes())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)  # rename(2) does nothing where both are names of one file


def publish(aside: Path, path: Path, *, replace: bool = False) -> None:
    """Give the finished file `aside` the name `path`, which nobody may hold yet unless it is to be replaced.

    `aside` is gone afterwards.

    Raises:
        FileExistsError: `path` is taken. Neither file is touched.
    """
    sync_file(aside)
    if replace:
        rename(aside, path)
        return
    # rename(2) replaces silently. link(2) fails with EEXIST and leaves one winner among racing writers.
    try:
        os.link(aside, path)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        rename_if_free(aside, path)
        return
    aside.unlink()
    sync_directory(path.parent)


def rename_if_free(source: Path, path: Path) -> None:
    """What `publish` does where there are no hard links: look, then rename. Two racing writers may both win.

    Raises:
        FileExistsError: `path` is taken.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    rename(source, path)


def rename(source: Path, path: Path) -> None:
    """Rename within one file system, replacing what `path` names, and see the new name onto the disk."""
    source.replace(path)
    sync_directory(path.parent)
    if source.parent != path.parent:
        sync_directory(source.parent)


def remove(path: Path) -> None:
    """Delete a file, and see its absence onto the disk. That there is none is no error."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def make_directories(path: Path, *, below: Path) -> None:
    """Create `path` and its missing parents below the existing directory `below`, and see them onto the disk.

    Raises:
        FileNotFoundError: `below` is not there. It is not created, for it may be a disk that is not mounted.
    """
    if path == below or path.is_dir():
        return
    make_directories(path.parent, below=below)
    path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def sync_file(path: Path) -> None:
    """See the content of a file onto the disk, whoever wrote it."""
    _fsync(path, os.O_RDONLY)


def sync_directory(path: Path) -> None:
    """See the names of a directory onto the disk, as far as its file system has a way to."""
    try:
        _fsync(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in _NO_DIRECTORY_FSYNC:
            raise


class FileSystem:
    """The file system on which a directory lies, to be synced as a whole: one call for thousands of files.

    Raises:
        OSError: the directory cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Kept open: the kernel reports a failed write to those who had the file system open when it happened.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def sync(self) -> None:
        """See all that was written until now onto the disk, whoever wrote it.

        Raises:
            OSError: some of it is not there; which, nobody knows.
        """
        if _LIBC.syncfs(self._descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(self._path))

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


class SharedSync:
    """`sync_directory` of one directory for many threads: what they ask for at a time is done once.

    Hundreds of files are finished at the same instant, and a sync is for all names of a directory.

    Attributes:
        asked: how many syncs have been asked for.
    """

    def __init__(self, sync: Callable[[Path], None] | None = None) -> None:
        self._sync = sync or sync_directory
        self.asked = 0
        self._done = 0
        self._asking = threading.Lock()
        self._syncing = threading.Lock()

    def __call__(self, path: Path) -> None:
        """Return when every name that `path` had at the time of the call is on the disk.

        Raises:
            OSError: they are not.
        """
        with self._asking:
            self.asked += 1
            ticket = self.asked
        with self._syncing:
            if self._done >= ticket:
                return
            covered = self.asked
            self._sync(path)
            self._done = covered


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Archives that are the same bytes for the same files: tar and ZIP, over the standard library.

Knows no recording. Written from beginning to end, so that they can go to a pipe. Nothing is compressed: what
two versions of zlib make of the same bytes is not the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from shutil import copyfileobj
from tarfile import PAX_FORMAT, TarFile, TarInfo
from typing import BinaryIO, Protocol
from zipfile import ZIP_STORED, ZipFile, ZipInfo

_MODE = 0o644
_REGULAR_FILE = 0o100000
_UNIX = 3
"""The system a ZIP says that it was made on: modes are understood of this one."""
_BLOCK = 1 << 20


class ArchiveFormat(StrEnum):
    """What kinds there are, as suffixes of files."""

    TAR = "tar"
    ZIP = "zip"


class Archive(Protocol):
    """Takes files, in order."""

    def add(self, path: str, content: BinaryIO, size: int, at: datetime) -> None:
        """Add a file of `size` bytes that was changed last `at`.

        Raises:
            OSError: it cannot be written.
        """


class _Tar:
    """POSIX.1-2001 (pax), where paths are as long as they must be."""

    def __init__(self, file: BinaryIO) -> None:
        self._tar = TarFile(fileobj=file, mode="w", format=PAX_FORMAT)

    def add(self, path: str, content: BinaryIO, size: int, at: datetime) -> None:
        info = TarInfo(path)
        info.size, info.mode, info.mtime = size, _MODE, int(at.timestamp())
        self._tar.addfile(info, content)

    def close(self) -> None:
        self._tar.close()


class _Zip:
    """Stored, with 64-bit sizes where a file or the archive is beyond 4 GiB."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = ZipFile(file, "w", ZIP_STORED)

    def add(self, path: str, content: BinaryIO, size: int, at: datetime) -> None:
        when = at.astimezone(UTC)  # a ZIP has no zone
        info = ZipInfo(path, (when.year, when.month, when.day, when.hour, when.minute, when.second))
        info.file_size, info.create_system = size, _UNIX
        info.external_attr = (_REGULAR_FILE | _MODE) << 16
        with self._zip.open(info, "w") as out:
            copyfileobj(content, out, _BLOCK)

    def close(self) -> None:
        self._zip.close()


@contextmanager
def create_archive(file: BinaryIO, archive_format: ArchiveFormat) -> Iterator[Archive]:
    """An archive that is written to `file`; it is whole when the context has ended without an error.

    Raises:
        OSError: its end cannot be written.
    """
    archive = _Tar(file) if archive_format is ArchiveFormat.TAR else _Zip(file)
    try:
        yield archive
    except BaseException:
        with suppress(OSError):  # else a ZIP does it when it is collected, with nobody to tell
            archive.close()
        raise
    archive.close()

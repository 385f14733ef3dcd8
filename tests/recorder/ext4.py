"""A disk of its own: an ext4 in a file, that can be full, be frozen and lose its power. Needs root and loops.

Power is cut by shutting the file system down without writing its log: what was not synced is gone when it is
mounted again, whether or not the kernel would have got to it.
"""

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_FREEZE, _THAW, _SHUTDOWN = 0xC0045877, 0xC0045878, 0x8004587D
_NO_LOG_FLUSH = struct.pack("I", 2)
_MARGIN = 256 << 10
"""Bytes that are taken by writing, to the very last."""


class Ext4:
    """A mounted image; `folder` is its root."""

    def __init__(self, image: Path, folder: Path) -> None:
        self._image = image
        self.folder = folder

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def unmount(self) -> None:
        _run("umount", str(self.folder))

    def kill_power(self) -> None:
        """From now on every call fails; what was synced is there after `unmount` and `mount`."""
        self._ioctl(_SHUTDOWN, _NO_LOG_FLUSH)

    def restore_power(self) -> None:
        self.unmount()
        self.mount()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Whoever writes meanwhile waits."""
        self._ioctl(_FREEZE, bytes(4))
        try:
            yield
        finally:
            self._ioctl(_THAW, bytes(4))

    def fill(self, *, but: int = 0) -> None:
        """Take all room but so many bytes."""
        found = os.statvfs(self.folder)
        room = found.f_bavail * found.f_frsize - but
        with (self.folder / "ballast").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, room if but else room - _MARGIN))
        with (self.folder / "ballast-2").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while not but:
                file.write(bytes(4096))

    def empty(self) -> None:
        """Give back what `fill` took."""
        for path in self.folder.glob("ballast*"):
            path.unlink()

    def _ioctl(self, request: int, argument: bytes) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, request, argument)
        finally:
            os.close(descriptor)


@contextmanager
def ext4_of(tmp_path: Path, size: int = 64 << 20) -> Iterator[Ext4]:
    """An empty one, of so many bytes; skips the test where none can be had."""
    if os.geteuid():
        pytest.skip("only root may mount a disk")
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(size)
    folder.mkdir()
    disk = Ext4(image, folder)
    try:
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        disk.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk of its own can be mounted here: {error}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)

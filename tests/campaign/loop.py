"""A disk of its own, in a file: one that can be frozen, cut off from power, and filled. Blocking."""

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recorder.config import RecordingSettings

_FREEZE = 0xC0045877
_THAW = 0xC0045878
_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = struct.pack("I", 2)
_MIB = 1 << 20


class NoDisk(Exception):
    """There is none to be had here; the message says why."""


def little_room() -> dict[str, object]:
    """Settings of a recorder that is to fill a disk as small as these."""
    return {"min_free": "1MiB"} if "min_free" in RecordingSettings.model_fields else {}


@dataclass
class LoopDisk:
    """A mounted ext4. Get one from `loop_disk`."""

    image: Path
    folder: Path

    def mount(self) -> None:
        """Mount it.

        Raises:
            NoDisk: that may not be done here.
        """
        _run("mount", "-o", "loop", str(self.image), str(self.folder))

    def unmount(self) -> None:
        """Unmount it; once nobody uses it, or at the latest after some seconds in any case."""
        for _ in range(50):
            if not os.path.ismount(self.folder):
                return
            try:
                _run("umount", str(self.folder))
            except NoDisk:
                time.sleep(0.1)
        _run("umount", "-l", str(self.folder))

    def freeze(self) -> None:
        """Let every write wait from now on."""
        self._control(_FREEZE, b"\0\0\0\0")

    def thaw(self) -> None:
        """Let them go on."""
        self._control(_THAW, b"\0\0\0\0")

    def cut(self) -> None:
        """Cut the power: what is not on the disk by now never will be, and nothing can be written."""
        self._control(_SHUTDOWN, _NO_LOG_FLUSH)

    def fill(self) -> Path:
        """Write a file that takes all the room there is."""
        path = self.folder / "filler"
        with path.open("wb", buffering=0) as file:
            for size in (_MIB, 4096):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue
        return path

    def _control(self, request: int, argument: bytes) -> None:
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(folder, request, argument)
        finally:
            os.close(folder)


@contextmanager
def loop_disk(folder: Path, mebibytes: int) -> Iterator[LoopDisk]:
    """A disk of that size, its image and its mount in `folder`; gone at the end.

    Raises:
        NoDisk: not as root, or without loop devices, or without the tools.
    """
    if os.geteuid() != 0:
        raise NoDisk("only root may mount a disk")
    if not shutil.which("mkfs.ext4"):
        raise NoDisk("there is no mkfs.ext4")
    folder.mkdir(parents=True)
    disk = LoopDisk(folder / "image", folder / "disk")
    disk.folder.mkdir()
    with disk.image.open("wb") as image:
        image.truncate(mebibytes * _MIB)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", str(disk.image))
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()


def _run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise NoDisk(f"{command[0]}: {result.stderr.strip()}")

"""The claim on a spool: one daemon at a time; and whether the machine was started in between. Blocking."""

import contextlib
import fcntl
from pathlib import Path
from typing import Final

_CLAIM: Final = ".claim"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""The kernel makes a new one at each start."""


class SpoolInUse(Exception):
    """Another daemon uses the folder."""


class Claim:
    """A claim on a folder, until it is released or the process dies.

    Attributes:
        booted: whether the machine may have been started since all was last in order here. What was written
            then and not synced need not be on the disk, though the length of a file may say so.

    Raises:
        OSError: the folder cannot be written to.
        SpoolInUse: another daemon uses it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = (folder / _CLAIM).open("ab+", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise SpoolInUse(f"another recorder uses the spool {folder}; give each its own") from None
        self._file.seek(0)
        self.booted = self._file.read() != _BOOT_ID.read_bytes()

    def in_order(self) -> None:
        """Say that nothing is left of a run before the machine was started."""
        if self.booted:
            # A disk that is full must not keep us from starting: what is there is uploaded, and makes room.
            with contextlib.suppress(OSError):
                self._file.truncate(0)
                self._file.write(_BOOT_ID.read_bytes())

    def release(self) -> None:
        """Let another daemon use the folder."""
        self._file.close()

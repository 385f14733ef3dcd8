"""The claim on a spool: one daemon at a time, and what a start may know of the life before. Blocking.

    .claim   locked while a daemon lives, its time when that was last known. It holds the start of the machine
             since which all is in order here, and the word that the daemon was told to stop.

Knows no segment.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_CLAIM: Final = ".claim"
_STOPPED: Final = b"stopped\n"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""The kernel makes a new one at each start."""


class SpoolInUse(Exception):
    """Another daemon uses the folder."""


class Claim:
    """A claim on a folder, until it is released or the process dies.

    Attributes:
        utc: the wall clock.
        began_at: UTC since when the folder is ours.
        ended_at: UTC when the life before was last known to go on; None if there was none.
        stopped: whether that one was told to stop.
        booted: whether the machine may have been started since all was last in order here. What was written
            then and not synced need not be on the disk, though the length of a file may say so.

    Raises:
        OSError: the folder cannot be written to.
        SpoolInUse: another daemon uses it.
    """

    def __init__(self, folder: Path, utc: Callable[[], datetime]) -> None:
        path = folder / _CLAIM
        before = path.stat().st_mtime if path.exists() else None
        self._file = path.open("ab+", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise SpoolInUse(f"another recorder uses the spool {folder}; give each its own") from None
        self._file.seek(0)
        content = self._file.read()
        self.utc = utc
        self.began_at = utc()
        self.ended_at = None if before is None else datetime.fromtimestamp(before, UTC)
        self.stopped = content.endswith(_STOPPED)
        self._in_order_since = content.removesuffix(_STOPPED)
        self.booted = self._in_order_since != _BOOT_ID.read_bytes()
        self._write(self._in_order_since)

    def in_order(self) -> None:
        """Say that nothing is left of a run before the machine was started."""
        if self.booted:
            self._in_order_since = _BOOT_ID.read_bytes()
            self._write(self._in_order_since)

    def beat(self) -> None:
        """Let it be known that we live."""
        now = self.utc().timestamp()
        os.utime(self._file.fileno(), (now, now))

    def stop(self) -> None:
        """Let it be known that we were told to stop."""
        self._write(self._in_order_since + _STOPPED)

    def release(self) -> None:
        """Let another daemon use the folder. The kernel does so too when the process dies."""
        self._file.close()

    def _write(self, content: bytes) -> None:
        # A disk that is full or fails must keep us neither from starting nor from ending: what is there is
        # uploaded, and makes room.
        with contextlib.suppress(OSError):
            self._file.truncate(0)
            self._file.write(content)
            os.fsync(self._file.fileno())
            self.beat()

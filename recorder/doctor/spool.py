"""Whether the disk of the spool takes what is recorded. Leaves nothing there. Blocking.

What is written has no name: a daemon does not notice, and nothing is left even if the doctor dies.
"""

import errno
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from recorder.config import Settings
from recorder.doctor.finding import Finding, explained, failed, ok, warning

WRITE, OWNER, ROOM = "spool write", "spool owner", "spool room"

SAMPLE_SIZE = 1 << 20
"""Bytes that are written: a minute of audio."""
SLOW = 2.0
"""Seconds for them to get to the disk. Streams wait in memory meanwhile."""
AN_HOUR = 3600 * 16_000
"""Bytes of a watch."""

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space or enlarge it",
    errno.EDQUOT: "the quota is used up: free some space or raise it",
    errno.EROFS: "the file system is read-only: mount it read-write, or allow it in the unit",
    errno.EACCES: "give the folder to the user of the service: chown",
    errno.EPERM: "give the folder to the user of the service: chown",
    errno.EIO: "the disk fails: see the kernel log",
}


def examine_spool(settings: Settings) -> Iterator[Finding]:
    """Write and sync, look whose it is, and how long an outage of the store it could bridge."""
    folder = settings.recording.spool
    if folder.exists():
        yield _write(folder, f"{folder}")
        yield _owner(folder)
    else:
        made_in = next(parent for parent in folder.parents if parent.exists())
        yield _write(made_in, f"{folder} will be made in {made_in}, which")
        folder = made_in
    yield _room(folder, settings.recording.min_free, len(settings.watches))


def _write(folder: Path, name: str) -> Finding:
    began = time.monotonic()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(SAMPLE_SIZE))
            file.flush()
            os.fsync(file.fileno())
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        hint = _REMEDIES.get(error.errno or 0, "see the kernel log")
        return explained(WRITE, f"{name} takes no data ({error.strerror}): {hint}", hint)
    seconds = time.monotonic() - began
    said = f"{name} took {SAMPLE_SIZE >> 20} MiB in {1000 * seconds:.0f} ms"
    if seconds > SLOW:
        return warning(WRITE, f"{said}, which is slow", "use a disk of its own, and none over a network")
    return ok(WRITE, said)


def _owner(folder: Path) -> Finding:
    us, theirs = os.geteuid(), folder.stat().st_uid
    if us != theirs:
        if us == 0:
            return warning(
                OWNER,
                f"{folder} belongs to user {theirs}, and root may do everything",
                "run the doctor as the service runs: systemctl start conference-recorder-doctor",
            )
        return failed(OWNER, f"{folder} belongs to user {theirs}, and we are {us}", f"chown -R {us} {folder}")
    others = [entry for entry in folder.rglob("*") if entry.lstat().st_uid != us]
    if others and us:
        return failed(
            OWNER,
            f"{len(others)} files in {folder} belong to others, such as {others[0].name}",
            f"chown -R {us} {folder}",
        )
    return ok(OWNER, f"{folder} belongs to us (user {us})")


def _room(folder: Path, min_free: int, watches: int) -> Finding:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if free <= min_free:
        return failed(
            ROOM,
            f"{free >> 20} MiB are free, and recording.min_free is {min_free >> 20} MiB: nothing is recorded",
            "free some space, or give the spool a larger disk",
        )
    hours = (free - min_free) / (AN_HOUR * max(watches, 1))
    said = f"{free >> 20} MiB are free: {hours:.0f} h of all watches while the store is away"
    if hours < 1:
        return warning(ROOM, said, "give the spool a larger disk")
    return ok(ROOM, said)

"""Files that the disk may not have, though they were written: which they are, and what is made of them.

The kernel tells of a failed write once and then takes the pages for clean: to sync the same file again
succeeds and proves nothing. So a file whose fsync failed, and every segment that was open when a sync of the
whole disk failed (of which files, nobody knows), is written anew from what can be read of it, under another
name, and that is synced. What had left the memory by then is a hole of the old file, and goes into the ledger
as lost. (A block that the disk had in part before can be older than it should be, and nothing tells.)
Where it cannot be written anew either, it is set aside, and its segment is missing whole. Blocking.
"""

import errno
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from recorder import logs, wav
from storage import durable
from storage.ledger import merged
from storage.manifest import SegmentFacts

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_log = structlog.stdlib.get_logger(__name__)


class AudioSetAside(OSError):
    """What a segment holds cannot be trusted and not be read either; its file is in the quarantine."""


class Doubts:
    """The open files of a spool, and which of them are in doubt. `set_aside` takes one out of the way."""

    def __init__(self, set_aside: Callable[[Sequence[Path]], None]) -> None:
        self._set_aside = set_aside
        self._open: set[Path] = set()
        self._doubtful: set[Path] = set()

    def opened(self, path: Path) -> None:
        """A file is being written."""
        self._open.add(path)

    def sealed(self, path: Path) -> None:
        """It is finished, and on the disk."""
        self._open.discard(path)

    def doubt(self, path: Path) -> None:
        """A sync of this file has failed."""
        self._doubtful.add(path)

    def doubt_all(self) -> None:
        """A sync of the disk has failed: any open file may have lost something."""
        self._doubtful |= self._open.copy()

    def see_onto_disk(self, path: Path, facts: SegmentFacts) -> SegmentFacts:
        """See finished audio onto the disk; return the facts, with what is lost of it.

        Raises:
            AudioSetAside: it cannot be.
            OSError: the disk is full.
        """
        if path not in self._doubtful:
            try:
                durable.sync_file(path)
            except OSError as error:
                self._doubtful.add(path)
                _alarm("fsync", path, error)
            else:
                return facts
        return self._write_anew(path, facts)

    def _write_anew(self, path: Path, facts: SegmentFacts) -> SegmentFacts:
        copied = durable.temporary(path)
        try:
            lost = wav.copy(path, copied)
            durable.rename(copied, path)
        except OSError as error:
            if error.errno in _FULL:
                raise
            _alarm("copy", path, error)
            self._set_aside([path])
            self._doubtful.discard(path)
            raise AudioSetAside(error.errno, "its file is set aside", str(path)) from error
        finally:
            copied.unlink(missing_ok=True)
        self._doubtful.discard(path)
        return facts.model_copy(update={"ledger": merged(facts.ledger, lost)})


def _alarm(operation: str, path: Path, error: OSError) -> None:
    _log.error(
        "the disk failed: what was written may not be on it",
        **{
            "operation": operation,
            logs.FILE: str(path),
            logs.ERROR: str(error),
            "remedy": "see the kernel log; move the spool to another disk",
        },
    )

"""The spool: segments on their way to the bucket. A file's name says how far it is; there is no other state.

    open     NAME.wav.open   audio, growing      NAME.facts   what is known of it so far
    sealed   NAME.wav        audio, finished     NAME.json    its manifest
             or NAME.flac    the same samples, and NAME.wav.open is gone
             and NAME.tried  empty: from here on, some of it may be in the bucket
    gone     discarded, once the bucket has been read back equal; see `history` for what is kept of it
    aside    in the folder `quarantine`, for a person to look at

The order of the steps makes every moment between them one of these states, or one that `recover` completes:
a manifest is on the disk before its audio is called sealed, and audio is discarded before its manifest.
Audio that is given up to make room (`dropping`) goes the same way: the manifest first.
To seal as FLAC is to encode aside and prove it equal, write the manifest, give the FLAC its name, and only
then let NAME.wav.open go, from which all of it can be done again. Where that fails, or we die, it is a WAV.
Blocking. Knows no bucket and no connection.
"""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from recorder.claim import Claim
from recorder.clock import wall_clock
from recorder.history import Before, History
from recorder.recovery import Recovery, Salvage
from recorder.segment import OpenSegment, SealedSegment
from recorder.shelf import AUDIO_SUFFIXES, FACTS_SUFFIX, OPEN_SUFFIX, QUARANTINE, TRIED_SUFFIX, Shelf
from storage import durable
from storage.manifest import (
    SegmentFacts,
    SegmentManifest,
)
from storage.names import AudioFormat, WatchId

__all__ = ["FACTS_SUFFIX", "OPEN_SUFFIX", "QUARANTINE", "TRIED_SUFFIX", "Recovery", "Spool"]


class Spool:
    """One folder on one disk, which only one daemon uses.

    `audio_format` is what segments are sealed as from now on; what is sealed already may be of any.

    Raises:
        OSError: the folder cannot be created or written to.
        SpoolInUse: another daemon uses it.
    """

    def __init__(
        self,
        folder: Path,
        audio_format: AudioFormat = AudioFormat.WAV,
        utc: Callable[[], datetime] = wall_clock,
    ) -> None:
        self.folder = folder
        self._audio_format = audio_format
        folder.mkdir(parents=True, exist_ok=True)
        self._claim = Claim(folder, utc)
        self._history = History(folder, self._claim)
        self._shelf = Shelf(folder, self._history)
        self._disk = durable.FileSystem(folder)

    def release(self) -> None:
        """Let another daemon use the folder. The kernel does so too when the process dies."""
        self._claim.release()
        self._disk.close()

    def stop(self) -> None:
        """Let the next start know that the daemon was told to end.

        Raises:
            OSError: the disk does not take it.
        """
        self._claim.stop()

    def before(self, watch: WatchId) -> Before:
        """What came before a recording of a watch that begins now."""
        return self._history.before(watch)

    def sync(self) -> None:
        """See all that was written, open segments too, onto the disk. It may take seconds.

        Raises:
            OSError: the disk did not take some of it. Each open segment is written anew when it is sealed.
        """
        try:
            self._disk.sync()
        except OSError:
            self._shelf.doubts.doubt_all()
            raise
        self._claim.beat()

    def open(self, facts: SegmentFacts) -> OpenSegment:
        """Begin a segment.

        Raises:
            OSError: the disk does not take it.
        """
        path = self._shelf.path(facts.name, OPEN_SUFFIX)
        segment = OpenSegment(self._shelf.path(facts.name, FACTS_SUFFIX), path, facts)
        self._shelf.doubts.opened(path)
        return segment

    def seal(
        self, segment: OpenSegment, facts: SegmentFacts, previous: str | None
    ) -> tuple[SegmentManifest, str]:
        """Finish a segment, closed or not; what it says and what it holds is on the disk when this returns.

        `previous` is the SHA-256 (hex) of the manifest before this one, if there is one; that of this one is
        returned with it. Where it fails, it may be tried again.

        Raises:
            AudioSetAside: what was written did not get to the disk, and cannot be written anew either.
            OSError: the disk does not take it.
        """
        segment.wav.close()
        path = self._shelf.path(facts.name, OPEN_SUFFIX)
        if not path.exists():  # it had its new name already when the disk failed
            self._shelf.sync(self.folder)
            manifest, data = self._shelf.sealed(path.with_suffix("")).read_manifest()
            return manifest, hashlib.sha256(data).hexdigest()
        if segment.doubtful:
            self._shelf.doubts.doubt(path)
        sealed = self._shelf.seal(facts, previous, self._audio_format)
        self._shelf.doubts.sealed(path)
        return sealed

    def sealed(self) -> Iterator[SealedSegment]:
        """All finished segments, those that began first, first."""
        found: list[SealedSegment] = []
        for path in itertools.chain(*(self.folder.glob(f"*{suffix}") for suffix in AUDIO_SUFFIXES)):
            # What somebody else put here is for the next start to set aside, not for an upload to fail at.
            with contextlib.suppress(ValueError):
                segment = self._shelf.sealed(path)
                # A FLAC beside what it was made from is not sealed yet: uploaded now, it would be made again.
                made_from = self._shelf.path(segment.name, OPEN_SUFFIX)
                if segment.is_plain() and not made_from.exists():
                    tried = self._shelf.path(segment.name, TRIED_SUFFIX).exists()
                    found.append(replace(segment, tried=tried))
        yield from sorted(found, key=lambda segment: (segment.name.started_at, segment.name.number))

    def segment(self, manifest: SegmentManifest) -> SealedSegment:
        """Where a segment is that was sealed here."""
        return self._shelf.segment(manifest)

    def note_tried(self, segment: SealedSegment) -> None:
        """See it onto the disk that some of a segment may be in the bucket, before it may be.

        A disk that does not take it must not hold up what makes room on it; it takes nothing then of what it
        needs to give the audio up either.
        """
        mark = self._shelf.path(segment.name, TRIED_SUFFIX)
        with contextlib.suppress(OSError):
            if not mark.exists():
                mark.touch()
                self._shelf.sync(self.folder)

    def discard(self, segment: SealedSegment) -> None:
        """Forget a segment that is safe elsewhere. The manifest goes last, and marks what was begun here."""
        segment.audio.unlink(missing_ok=True)
        self._shelf.sync(self.folder)
        self._shelf.path(segment.name, TRIED_SUFFIX).unlink(missing_ok=True)
        segment.manifest.unlink(missing_ok=True)

    def free(self) -> int:
        """Bytes that are free on the disk, as far as this user may have them."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def set_aside(self, segment: SealedSegment) -> None:
        """Move a segment that nothing can be done with out of the way. Nothing is deleted."""
        mark = self._shelf.path(segment.name, TRIED_SUFFIX)
        self._shelf.set_aside([segment.audio, segment.manifest, mark])

    def recover(self) -> Recovery:
        """Complete what the last run left unfinished. To be called once, before anything is opened."""
        self._history.forget_old()
        recovery = Salvage(self._shelf, self._history, torn=self._claim.booted).run()
        if not recovery.postponed:
            self._claim.in_order()
        return recovery

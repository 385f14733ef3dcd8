"""The spool: segments on their way to the bucket. A file's name says how far it is; there is no other state.

    open     NAME.wav.open   audio, growing      NAME.facts   what is known of it so far
    sealed   NAME.wav        audio, finished     NAME.json    its manifest
             or NAME.flac    the same samples, and NAME.wav.open is gone
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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from recorder import dropping, sealing, wav
from recorder.claim import Claim
from recorder.clock import wall_clock
from recorder.core.ledger import merged
from recorder.doubt import Doubts
from recorder.history import Before, History
from recorder.segment import OpenSegment, SealedSegment
from storage import durable
from storage.manifest import (
    ClosedBy,
    ManifestError,
    SegmentFacts,
    SegmentManifest,
    format_manifest,
    parse_facts,
    parse_manifest,
)
from storage.names import MANIFEST_SUFFIX, AudioFormat, SegmentName, WatchId

AUDIO_SUFFIXES = frozenset(audio_format.suffix for audio_format in AudioFormat)
OPEN_SUFFIX = AudioFormat.WAV.suffix + ".open"
FACTS_SUFFIX = ".facts"
QUARANTINE = "quarantine"
_SUFFIXES = (OPEN_SUFFIX, *AUDIO_SUFFIXES, FACTS_SUFFIX, MANIFEST_SUFFIX)


def _is_ours(stem: str) -> bool:
    try:
        SegmentName.from_spool_stem(stem)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a start found of the run before.

    Attributes:
        recovered: segments that were made whole.
        quarantined: files that could not be.
        postponed: why some could not be yet; the next start tries again.
    """

    recovered: tuple[SegmentManifest, ...]
    quarantined: tuple[Path, ...]
    postponed: tuple[OSError, ...] = ()


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
        self._sync = durable.SharedSync()
        self._audio_format = audio_format
        self._doubts = Doubts(self._set_aside)
        folder.mkdir(parents=True, exist_ok=True)
        self._claim = Claim(folder, utc)
        self._history = History(folder, self._claim)
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
            self._doubts.doubt_all()
            raise
        self._claim.beat()

    def open(self, facts: SegmentFacts) -> OpenSegment:
        """Begin a segment.

        Raises:
            OSError: the disk does not take it.
        """
        path = self._path(facts.name, OPEN_SUFFIX)
        segment = OpenSegment(self._path(facts.name, FACTS_SUFFIX), path, facts)
        self._doubts.opened(path)
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
        path = self._path(facts.name, OPEN_SUFFIX)
        if not path.exists():  # it had its new name already when the disk failed
            self._sync(self.folder)
            manifest, data = self._sealed(path.with_suffix("")).read_manifest()
            return manifest, hashlib.sha256(data).hexdigest()
        if segment.doubtful:
            self._doubts.doubt(path)
        sealed = self._seal(facts, previous, self._audio_format)
        self._doubts.sealed(path)
        return sealed

    def sealed(self) -> Iterator[SealedSegment]:
        """All finished segments, those that began first, first."""
        found: list[SealedSegment] = []
        for path in itertools.chain(*(self.folder.glob(f"*{suffix}") for suffix in AUDIO_SUFFIXES)):
            # What somebody else put here is for the next start to set aside, not for an upload to fail at.
            with contextlib.suppress(ValueError):
                segment = self._sealed(path)
                # A FLAC beside what it was made from is not sealed yet: uploaded now, it would be made again.
                if not self._path(segment.name, OPEN_SUFFIX).exists():
                    found.append(segment)
        yield from sorted(found, key=lambda segment: (segment.name.started_at, segment.name.number))

    def segment(self, manifest: SegmentManifest) -> SealedSegment:
        """Where a segment is that was sealed here."""
        return self._sealed(self._path(manifest.name, manifest.audio_format.suffix))

    def discard(self, segment: SealedSegment) -> None:
        """Forget a segment that is safe elsewhere. The manifest goes last, and marks what was begun here."""
        segment.audio.unlink(missing_ok=True)
        self._sync(self.folder)
        segment.manifest.unlink(missing_ok=True)

    def free(self) -> int:
        """Bytes that are free on the disk, as far as this user may have them."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def set_aside(self, segment: SealedSegment) -> None:
        """Move a segment that nothing can be done with out of the way. Nothing is deleted."""
        self._set_aside([segment.audio, segment.manifest])

    def recover(self) -> Recovery:
        """Complete what the last run left unfinished. To be called once, before anything is opened.

        What has to be sealed is sealed as a WAV: nothing is recorded until this is done.
        Killed at any moment and begun again, it comes to the same end.
        """
        recovered: list[SegmentManifest] = []
        quarantined: list[Path] = []
        postponed: list[OSError] = []
        self._history.forget_old()
        for stem, suffixes in self._by_stem().items():
            try:
                recovered += self._recover(stem, suffixes)
            except ValueError:
                paths = [self.folder / (stem + suffix) for suffix in sorted(suffixes)]
                quarantined += paths
                self._set_aside(paths)
            except OSError as error:
                # A disk that is full or failing: what is sealed can still be uploaded, and may make room.
                postponed.append(error)
        if not postponed:
            self._claim.in_order()
        return Recovery(tuple(recovered), tuple(quarantined), tuple(postponed))

    def _recover(self, stem: str, suffixes: frozenset[str]) -> Iterator[SegmentManifest]:
        """Bring the files of one segment into a state; yield its manifest if that is now sealed.

        Raises:
            ValueError: they are not of a segment, or not enough of it is left.
        """
        name = SegmentName.from_spool_stem(stem)
        if OPEN_SUFFIX in suffixes:
            if MANIFEST_SUFFIX in suffixes:
                self._complete(name)
                self._history.note_found(name, self._path(name, MANIFEST_SUFFIX))
            elif AUDIO_SUFFIXES & suffixes:
                raise ManifestError("this audio has no manifest, and is there twice")
            else:
                yield from self._repair(name)
        elif AUDIO_SUFFIXES & suffixes:
            if MANIFEST_SUFFIX not in suffixes:
                raise ManifestError("this audio has no manifest")
            manifest = parse_manifest(self._path(name, MANIFEST_SUFFIX).read_bytes())
            if manifest.replaces:
                dropping.finish(self.segment(manifest), manifest)
            elif AUDIO_SUFFIXES & suffixes != {manifest.audio_format.suffix}:
                raise ManifestError("this audio is not, or not all, what its manifest names")
            self._history.note_found(name, self._path(name, MANIFEST_SUFFIX))
        else:
            # Facts of a segment that never began, or the manifest of one that was being discarded.
            durable.remove(self._path(name, MANIFEST_SUFFIX))
        durable.remove(self._path(name, FACTS_SUFFIX))

    def _complete(self, name: SegmentName) -> None:
        """Do the last steps for a segment whose manifest is there.

        Raises:
            ManifestError: the manifest cannot be read, or is not of this audio.
        """
        path, data = self._path(name, OPEN_SUFFIX), self._path(name, MANIFEST_SUFFIX).read_bytes()
        manifest = parse_manifest(data)
        if manifest.audio_format is AudioFormat.WAV:
            durable.rename(path, self._path(name, AudioFormat.WAV.suffix))
            return
        encoded = self._path(name, AudioFormat.FLAC.suffix)
        if sealing.is_whole(encoded, manifest.audio):
            durable.remove(path)
        elif sealing.is_source(path, manifest.audio):
            durable.remove(encoded)
            self._seal(parse_facts(data), manifest.previous)
        else:
            raise ManifestError("neither the FLAC nor what it was made from is what was sealed")

    def _repair(self, name: SegmentName) -> Iterator[SegmentManifest]:
        path, facts_path = self._path(name, OPEN_SUFFIX), self._path(name, FACTS_SUFFIX)
        if not facts_path.exists():
            raise ManifestError("nothing is known of this audio but its name")
        facts = parse_facts(facts_path.read_bytes())
        samples = wav.repair(path)
        if not samples:
            durable.remove(path)
            return
        ledger = tuple(
            entry.model_copy(update={"samples": min(entry.samples, samples - entry.start)})
            for entry in facts.ledger
            if entry.start < samples
        )
        ledger = merged(merged(ledger, wav.holes(path)), wav.torn(path) if self._claim.booted else ())
        if (samples, ledger) != (facts.samples, facts.ledger):  # else it had been closed: its facts are final
            update = {"samples": samples, "ledger": ledger, "closed_by": ClosedBy.CRASH}
            facts = facts.model_copy(update=update)
        manifest, _ = self._seal(facts, self._history.last(name.watch))
        yield manifest

    def _seal(
        self, facts: SegmentFacts, previous: str | None, audio_format: AudioFormat = AudioFormat.WAV
    ) -> tuple[SegmentManifest, str]:
        name = facts.name
        path = self._path(name, OPEN_SUFFIX)
        facts = self._doubts.see_onto_disk(path, facts)
        measure = wav.measure(path)
        with sealing.finished(path, measure, name, audio_format) as (finished, audio):
            manifest = SegmentManifest.seal(facts, audio=audio, levels=measure.levels, previous=previous)
            data = format_manifest(manifest)
            durable.write_file(self._path(name, MANIFEST_SUFFIX), data, sync=self._sync)
            self._history.note(name, self._path(name, MANIFEST_SUFFIX))
            finished.replace(self._path(name, manifest.audio_format.suffix))
            self._sync(self.folder)
        if finished != path:
            durable.remove(path)
        self._path(name, FACTS_SUFFIX).unlink(missing_ok=True)
        return manifest, hashlib.sha256(data).hexdigest()

    def _by_stem(self) -> dict[str, frozenset[str]]:
        """The suffixes of our files, by segment. What is not ours is not looked at, let alone moved."""
        files: dict[str, set[str]] = {}
        for path in sorted(self.folder.iterdir()):
            name = path.name.removeprefix(".")
            suffix = next((suffix for suffix in _SUFFIXES if suffix in name), "")
            stem = name.partition(suffix)[0] if suffix else name
            if not suffix or not path.is_file() or not _is_ours(stem):
                continue
            if path.name.startswith(".") and path.suffix == durable.TEMPORARY_SUFFIX:
                path.unlink()
            elif path.name == stem + suffix:
                files.setdefault(stem, set()).add(suffix)
        return {stem: frozenset(suffixes) for stem, suffixes in files.items()}

    def _path(self, name: SegmentName, suffix: str) -> Path:
        return self.folder / (name.spool_stem + suffix)

    def _sealed(self, audio: Path) -> SealedSegment:
        name = SegmentName.from_spool_stem(audio.stem)
        return SealedSegment(name, audio, self._path(name, MANIFEST_SUFFIX))

    def _set_aside(self, paths: Iterable[Path]) -> None:
        quarantine = self.folder / QUARANTINE
        durable.make_directories(quarantine, below=self.folder)
        for path in paths:
            if path.exists():
                durable.rename(path, quarantine / path.name)

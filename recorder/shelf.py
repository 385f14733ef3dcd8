"""The files of a spool: where those of each segment lie, and the steps that change what they are.

Blocking. Knows the names and their order, but not when a step is due.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from recorder import sealing, wav
from recorder.doubt import Doubts
from recorder.history import History
from recorder.segment import SealedSegment, free_name, is_plain
from storage import durable
from storage.manifest import SegmentFacts, SegmentManifest, format_manifest
from storage.names import MANIFEST_SUFFIX, AudioFormat, SegmentName

AUDIO_SUFFIXES = frozenset(audio_format.suffix for audio_format in AudioFormat)
OPEN_SUFFIX = AudioFormat.WAV.suffix + ".open"
FACTS_SUFFIX = ".facts"
TRIED_SUFFIX = ".tried"
QUARANTINE = "quarantine"
_SUFFIXES = (OPEN_SUFFIX, *AUDIO_SUFFIXES, FACTS_SUFFIX, TRIED_SUFFIX, MANIFEST_SUFFIX)


class Shelf:
    """The files of one spool.

    Attributes:
        folder: where they lie.
        doubts: those that the disk may not have.
        sync: sees their names onto the disk.
    """

    def __init__(self, folder: Path, history: History) -> None:
        self.folder = folder
        self.doubts = Doubts(self.set_aside)
        self.sync = durable.SharedSync()
        self._history = history

    def path(self, name: SegmentName, suffix: str) -> Path:
        """The file of a segment with that suffix."""
        return self.folder / (name.spool_stem + suffix)

    def sealed(self, audio: Path) -> SealedSegment:
        """The segment whose finished audio that is.

        Raises:
            ValueError: it is not the audio of a segment.
        """
        name = SegmentName.from_spool_stem(audio.stem)
        return SealedSegment(name, audio, self.path(name, MANIFEST_SUFFIX))

    def segment(self, manifest: SegmentManifest) -> SealedSegment:
        """Where a segment is that was sealed here."""
        return self.sealed(self.path(manifest.name, manifest.audio_format.suffix))

    def seal(
        self,
        facts: SegmentFacts,
        previous: str | None,
        audio_format: AudioFormat = AudioFormat.WAV,
        *,
        found: bool = False,
    ) -> tuple[SegmentManifest, str]:
        """Seal what lies open, or a start has `found` so; return its manifest, and the SHA-256 (hex) of that.

        Raises:
            OSError: the disk does not take it.
        """
        name = facts.name
        path = self.path(name, OPEN_SUFFIX)
        facts = self.doubts.see_onto_disk(path, facts)
        measure = wav.measure(path)
        with sealing.finished(path, measure, name, audio_format) as (finished, audio):
            manifest = SegmentManifest.seal(facts, audio=audio, levels=measure.levels, previous=previous)
            data = format_manifest(manifest)
            durable.write_file(self.path(name, MANIFEST_SUFFIX), data, sync=self.sync)
            self._history.note(name, self.path(name, MANIFEST_SUFFIX), found=found)
            finished.replace(self.path(name, manifest.audio_format.suffix))
            self.sync(self.folder)
        if finished != path:
            durable.remove(path)
        self.path(name, FACTS_SUFFIX).unlink(missing_ok=True)
        return manifest, hashlib.sha256(data).hexdigest()

    def set_aside(self, paths: Iterable[Path]) -> None:
        """Move files out of the way, for a person to look at. Nothing is deleted.

        Audio goes last: should we die in between, audio alone is set aside by the next start as well, while a
        manifest alone is taken for that of a segment that was being discarded.
        """
        quarantine = self.folder / QUARANTINE
        durable.make_directories(quarantine, below=self.folder)
        for path in sorted(paths, key=_is_audio):
            if path.exists():
                durable.rename(path, free_name(quarantine / path.name))

    def by_stem(self) -> dict[str, frozenset[str]]:
        """The suffixes of our files, by segment. What is not ours is not looked at, let alone moved."""
        files: dict[str, set[str]] = {}
        for path in sorted(self.folder.iterdir()):
            name = path.name.removeprefix(".")
            suffix = next((suffix for suffix in _SUFFIXES if suffix in name), "")
            stem = name.partition(suffix)[0] if suffix else name
            if not suffix or not is_plain(path) or not _is_ours(stem):
                continue
            if path.name.startswith(".") and path.suffix == durable.TEMPORARY_SUFFIX:
                path.unlink(missing_ok=True)
            elif path.name == stem + suffix:
                files.setdefault(stem, set()).add(suffix)
        return {stem: frozenset(suffixes) for stem, suffixes in files.items()}


def _is_audio(path: Path) -> bool:
    return path.name.endswith((OPEN_SUFFIX, *AUDIO_SUFFIXES))


def _is_ours(stem: str) -> bool:
    try:
        SegmentName.from_spool_stem(stem)
    except ValueError:
        return False
    return True

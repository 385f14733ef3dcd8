"""A start after an end that nobody planned: each file of the run before is brought into a state.

What can be made whole is sealed, as a WAV: nothing is recorded until this is done. What cannot is set aside
and holds up nothing. Killed at any moment and begun again, it comes to the same end. Blocking.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recorder import dropping, sealing, wav
from recorder.history import History
from recorder.segment import is_plain
from recorder.shelf import AUDIO_SUFFIXES, FACTS_SUFFIX, OPEN_SUFFIX, TRIED_SUFFIX, Shelf
from storage import durable
from storage.ledger import merged
from storage.manifest import ClosedBy, ManifestError, SegmentManifest, parse_facts, parse_manifest
from storage.names import MANIFEST_SUFFIX, AudioFormat, SegmentName


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


class Salvage:
    """Brings the files of a shelf into a state.

    `torn` says that the machine was started meanwhile: what was not synced may be zeros.
    """

    def __init__(self, shelf: Shelf, history: History, *, torn: bool) -> None:
        self._shelf = shelf
        self._history = history
        self._torn = torn

    def run(self) -> Recovery:
        """Do so with all files."""
        recovered: list[SegmentManifest] = []
        quarantined: list[Path] = []
        postponed: list[OSError] = []
        for stem, suffixes in self._shelf.by_stem().items():
            try:
                try:
                    recovered += self._recover(stem, suffixes)
                except ValueError:
                    paths = [self._shelf.folder / (stem + suffix) for suffix in sorted(suffixes)]
                    self._shelf.set_aside(paths)
                    quarantined += paths
            except OSError as error:
                # A disk that is full or failing: what is sealed can still be uploaded, and may make room.
                postponed.append(error)
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
                self._history.note(name, self._shelf.path(name, MANIFEST_SUFFIX), found=True)
            elif AUDIO_SUFFIXES & suffixes:
                raise ManifestError("this audio has no manifest, and is there twice")
            else:
                yield from self._repair(name)
        elif AUDIO_SUFFIXES & suffixes:
            if MANIFEST_SUFFIX not in suffixes:
                raise ManifestError("this audio has no manifest")
            manifest = parse_manifest(self._shelf.path(name, MANIFEST_SUFFIX).read_bytes())
            if manifest.replaces:
                dropping.finish(self._shelf.segment(manifest), manifest)
            elif AUDIO_SUFFIXES & suffixes != {manifest.audio_format.suffix}:
                raise ManifestError("this audio is not, or not all, what its manifest names")
            self._history.note(name, self._shelf.path(name, MANIFEST_SUFFIX), found=True)
        else:
            # Facts of a segment that never began, or the manifest of one that was being discarded.
            durable.remove(self._shelf.path(name, MANIFEST_SUFFIX))
        durable.remove(self._shelf.path(name, FACTS_SUFFIX))
        paths = [self._shelf.path(name, suffix) for suffix in AUDIO_SUFFIXES]
        if TRIED_SUFFIX in suffixes and not any(path.exists() for path in paths):
            durable.remove(self._shelf.path(name, TRIED_SUFFIX))  # of one that was being discarded, too

    def _complete(self, name: SegmentName) -> None:
        """Do the last steps for a segment whose manifest is there.

        Raises:
            ManifestError: the manifest cannot be read, or is not of this audio.
        """
        path, data = self._shelf.path(name, OPEN_SUFFIX), self._shelf.path(name, MANIFEST_SUFFIX).read_bytes()
        manifest = parse_manifest(data)
        if manifest.audio_format is AudioFormat.WAV:
            durable.rename(path, self._shelf.path(name, AudioFormat.WAV.suffix))
            return
        encoded = self._shelf.path(name, AudioFormat.FLAC.suffix)
        if sealing.is_whole(encoded, manifest.audio):
            durable.remove(path)
        elif sealing.is_source(path, manifest.audio):
            durable.remove(encoded)
            self._shelf.seal(parse_facts(data), manifest.previous, found=True)
        else:
            raise ManifestError("neither the FLAC nor what it was made from is what was sealed")

    def _repair(self, name: SegmentName) -> Iterator[SegmentManifest]:
        path, facts_path = self._shelf.path(name, OPEN_SUFFIX), self._shelf.path(name, FACTS_SUFFIX)
        if not is_plain(facts_path):
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
        ledger = merged(merged(ledger, wav.holes(path)), wav.torn(path) if self._torn else ())
        if (samples, ledger) != (facts.samples, facts.ledger):  # else it had been closed: its facts are final
            update = {"samples": samples, "ledger": ledger, "closed_by": ClosedBy.CRASH}
            facts = facts.model_copy(update=update)
        manifest, _ = self._shelf.seal(facts, self._history.last_before(name), found=True)
        yield manifest

"""The files of one segment in the spool, while it is open and once it is sealed. Knows no order of steps."""

import itertools
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from recorder import wav
from storage import durable
from storage.manifest import SegmentFacts, SegmentManifest, format_manifest, parse_manifest
from storage.names import AudioFormat, SegmentName


def is_plain(path: Path) -> bool:
    """Whether this is a file as we make them: no folder, no link to what is others', nothing that blocks."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def free_name(path: Path) -> Path:
    """`path`, or the first of `path.2`, `path.3` ... that there is not yet."""
    names = itertools.chain([path], (path.with_name(f"{path.name}.{n}") for n in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """A finished segment in the spool.

    Attributes:
        tried: whether its upload had been begun when it was found there, so that some may be in the bucket.
    """

    name: SegmentName
    audio: Path
    manifest: Path
    tried: bool = False

    @property
    def audio_format(self) -> AudioFormat:
        """What the audio is stored as."""
        return AudioFormat(self.audio.suffix.removeprefix("."))

    @property
    def audio_key(self) -> str:
        """The object key of the audio."""
        return self.name.audio_key_as(self.audio_format)

    def is_plain(self) -> bool:
        """Whether its files are plain ones, as far as they are there."""
        return is_plain(self.audio) and (is_plain(self.manifest) or not os.path.lexists(self.manifest))

    def size(self) -> int:
        """Bytes of the audio. Blocking.

        Raises:
            OSError: it is gone, or the disk fails.
        """
        return self.audio.stat().st_size

    def read_manifest(self) -> tuple[SegmentManifest, bytes]:
        """The manifest, and the very bytes of it.

        Raises:
            ManifestError: it cannot be read.
        """
        data = self.manifest.read_bytes()
        return parse_manifest(data), data


class OpenSegment:
    """A segment that is being written: its file and the facts beside it.

    Attributes:
        doubtful: whether something of it may not have got to the disk.
    """

    def __init__(self, facts_path: Path, audio_path: Path, facts: SegmentFacts) -> None:
        self._facts_path = facts_path
        self.doubtful = False
        # Before the audio: the kernel may see that onto the disk on its own, and alone it says nothing.
        self.note(facts)
        self.wav = wav.WavWriter(audio_path)

    def note(self, facts: SegmentFacts) -> None:
        """Keep what is known so far, so that the ledger stays honest if we die.

        What was known before is not given up for what is not on the disk yet.
        """
        durable.replace_file(self._facts_path, format_manifest(facts), to_disk=True)

    def skip(self, samples: int) -> None:
        """Go on `samples` further, of which `note` has told.

        Raises:
            OSError: the disk does not let it. What was written before may not be on it: see `doubtful`.
        """
        try:
            self.wav.sync()  # or a power cut might leave the length without the samples
        except OSError:
            self.doubtful = True
            raise
        self.wav.skip(samples)

    def close(self, facts: SegmentFacts) -> None:
        """Write no more: the file is finished, and `facts` are final.

        Raises:
            OSError: the disk does not take it.
        """
        self.note(facts)
        self.wav.close()

"""What lies in the spool, counted by looking: a counter may be wrong, and knows of no life before.

Blocking. Changes nothing.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from recorder.core.media import SAMPLE_WIDTH
from recorder.segment import SealedSegment
from recorder.shelf import OPEN_SUFFIX, QUARANTINE
from recorder.wav import HEADER_SIZE
from storage.manifest import ManifestError
from storage.names import MANIFEST_SUFFIX, AudioFormat, SegmentName

_FLAC, _WAV = AudioFormat.FLAC.suffix, AudioFormat.WAV.suffix


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found.

    Attributes:
        segments: sealed ones, which wait for their upload.
        size: bytes of all audio, open segments too.
        samples: the same in samples.
        oldest: seconds since the last of a sealed segment was written that has waited longest; 0 without one.
        aside: files that were set aside for a person to look at.
        free: bytes free on the disk.
    """

    segments: int = 0
    size: int = 0
    samples: int = 0
    oldest: float = 0.0
    aside: int = 0
    free: int = 0


class Surveyor:
    """Looks at one folder, again and again, and remembers what is slow to find out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._flac_samples: dict[str, int] = {}

    def look(self) -> Survey:
        """Look.

        Raises:
            OSError: the disk does not let it.
        """
        segments = size = samples = 0
        oldest = now = time.time()
        flac: dict[str, int] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.endswith((OPEN_SUFFIX, _WAV, _FLAC)):
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # uploaded meanwhile
                    continue
                size += found.st_size
                if not entry.name.endswith(OPEN_SUFFIX):
                    segments += 1
                    oldest = min(oldest, found.st_mtime)
                if entry.name.endswith(_FLAC):
                    flac[entry.name] = self._of_flac(entry.name, found.st_size)
                else:
                    samples += max(0, found.st_size - HEADER_SIZE) // SAMPLE_WIDTH
        self._flac_samples = flac
        disk = os.statvfs(self._folder)
        return Survey(
            segments,
            size,
            samples + sum(flac.values()),
            max(0.0, now - oldest),
            self._aside(),
            disk.f_bavail * disk.f_frsize,
        )

    def _of_flac(self, name: str, size: int) -> int:
        """How many samples a FLAC holds, as its manifest says; as many as bytes where none says it."""
        if name in self._flac_samples:
            return self._flac_samples[name]
        path = self._folder / name
        try:
            segment_name = SegmentName.from_spool_stem(path.stem)
            manifest = path.with_name(segment_name.spool_stem + MANIFEST_SUFFIX)
            return SealedSegment(segment_name, path, manifest).read_manifest()[0].samples
        except (OSError, ManifestError, ValueError):
            return size

    def _aside(self) -> int:
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder / QUARANTINE) as entries:
            return sum(1 for _ in entries)
        return 0

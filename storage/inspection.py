"""One audio object against its manifest: every byte is hashed, and every sample looked at.

Bounded in memory. Knows no watch, no chain and no time.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import numpy as np

from storage.audio import AudioError, Samples, read_flac_samples, read_samples
from storage.errors import ObjectNotFound
from storage.manifest import Levels, SegmentManifest
from storage.names import AudioFormat
from storage.store import ObjectStore

_IN_MEMORY = 32 << 20
"""Bytes of an object kept in memory while it is looked at: half an hour. Longer ones go through a file."""

_BLOCK = 1 << 20
"""Bytes read at a time."""

_FULL_SCALE = 32768

_SAME_LEVEL = 0.02
"""Decibels by which a level may differ from the one that the recorder has rounded to a hundredth."""


class Flaw(StrEnum):
    """What can be wrong with an audio object."""

    MISSING = "missing"
    """It is not there."""
    TRUNCATED = "truncated"
    """It is shorter than what was recorded."""
    ALTERED = "altered"
    """It is not the bytes that were recorded."""
    CONTRADICTED = "contradicted"
    """It is the bytes that the manifest names, and not what the manifest says of them."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found of one object: nothing wrong, or a flaw, and in which words.

    `sha256` (hex) is that of what is there, if anything is.
    """

    flaw: Flaw | None
    message: str = ""
    sha256: str | None = None


def inspect(store: ObjectStore, manifest: SegmentManifest) -> Inspection:
    """Look at the audio of a segment: its size and SHA-256, then its format, length, ledger and levels.

    What the ledger calls silence must be silence, to the sample.

    Raises:
        StoreError: the store cannot be read.
    """
    audio = manifest.audio
    digest = hashlib.sha256()
    with SpooledTemporaryFile(_IN_MEMORY) as file:
        try:
            with store.open(audio.key, length=audio.size + 1) as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    file.write(block)
        except ObjectNotFound:
            return Inspection(Flaw.MISSING, "the audio is not there")
        size, sha256 = file.tell(), digest.hexdigest()
        if size < audio.size:
            return Inspection(
                Flaw.TRUNCATED, f"the audio ends after {size} of its {audio.size} bytes", sha256
            )
        if size > audio.size:
            return Inspection(Flaw.ALTERED, f"the audio is longer than its {audio.size} bytes")
        if sha256 != audio.sha256:
            return Inspection(
                Flaw.ALTERED, "the audio is not what was recorded: its SHA-256 is another", sha256
            )
        file.seek(0)
        try:
            contradiction = next(_contradictions(cast("BinaryIO", file), manifest), None)
        except AudioError as error:
            contradiction = f"the audio is not what its manifest says: {error}"
        return Inspection(Flaw.CONTRADICTED if contradiction else None, contradiction or "", sha256)


def samples_of(file: BinaryIO, manifest: SegmentManifest) -> Iterator[Samples]:
    """All samples of a segment, out of its whole audio object, in blocks.

    Raises:
        AudioError: the object is not the audio of that segment.
    """
    total, rate = manifest.samples, manifest.sample_rate
    if not total:
        return iter(())
    if manifest.audio_format is AudioFormat.FLAC:
        sha256 = manifest.audio.pcm_sha256
        return read_flac_samples(file, 0, total, total=total, sample_rate=rate, sha256=sha256)
    return read_samples(file, 0, total, total=total, sample_rate=rate)


class Meter:
    """Measures the levels of samples that pass, as the recorder does."""

    def __init__(self) -> None:
        self._peak = 0
        self._energy = 0.0
        self._samples = 0

    def add(self, samples: Samples) -> None:
        """Take samples, in any order."""
        if len(samples):
            self._peak = max(self._peak, int(samples.max()), -int(samples.min()))
            self._energy += float(np.square(samples, dtype=np.float32).sum(dtype=np.float64))
            self._samples += len(samples)

    @property
    def levels(self) -> Levels:
        """Of all that has passed."""
        rms = math.sqrt(self._energy / self._samples) if self._samples else 0.0
        return Levels(peak_dbfs=_decibels(self._peak), rms_dbfs=_decibels(rms))


def _contradictions(file: BinaryIO, manifest: SegmentManifest) -> Iterator[str]:
    meter, at = Meter(), 0
    ledger = manifest.ledger
    for block in samples_of(file, manifest):
        while ledger and ledger[0].end <= at:
            ledger = ledger[1:]
        for entry in takewhile(lambda entry: entry.start < at + len(block), ledger):  # noqa: B023  at once
            part = block[max(0, entry.start - at) : max(0, entry.end - at)]
            if part.any():
                sound = at + max(0, entry.start - at) + int(np.argmax(part != 0))
                yield f"sample {sound} is no silence, and the ledger has it as {entry.reason}"
        meter.add(block)
        at += len(block)
    levels = meter.levels
    for name, said, measured in (
        ("peak", manifest.levels.peak_dbfs, levels.peak_dbfs),
        ("RMS", manifest.levels.rms_dbfs, levels.rms_dbfs),
    ):
        if not _is_same_level(said, measured):
            yield f"the manifest says a {name} level of {said} dBFS, and the audio has {measured}"


def _is_same_level(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _SAME_LEVEL


def _decibels(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude / _FULL_SCALE), 2) if amplitude else None

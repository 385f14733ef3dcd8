"""FLAC of the spool: made of a finished WAV of ours, and proven to hold its samples before anybody needs it.

libsndfile encodes and decodes. Blocking: knows no spool, no bucket and no name.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from recorder.core.media import SAMPLE_RATE, SAMPLE_WIDTH
from recorder.wav import HEADER_SIZE
from storage import durable

_BLOCK: Final = 1 << 18
"""Samples at a time: half a megabyte. soundfile seeks after each block, and for a FLAC that is work."""


class NotEncoded(Exception):
    """The encoder failed, or what it wrote does not hold the samples that it was given."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A FLAC on the disk: SHA-256 (hex) of it and of its samples as 16-bit little-endian, size in bytes."""

    sha256: str
    pcm_sha256: str
    size: int


def encode(wav: Path, path: Path) -> Encoded:
    """Write the samples of a finished WAV of ours to `path` as FLAC, see it onto the disk and prove it.

    Memory is bounded whatever the length. The WAV is not touched.

    Raises:
        NotEncoded: `path` does not hold the same samples; it may hold anything, or not be there.
        OSError: a file cannot be read or written.
    """
    try:
        given = _write(wav, path)
        durable.sync_file(path)
        prove(path, given)
    # soundfile asserts that everything was written; the other errors are libsndfile's.
    except (soundfile.SoundFileError, AssertionError) as error:
        raise NotEncoded(f"libsndfile: {str(error) or repr(error)}") from error
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Encoded(sha256, given, path.stat().st_size)


def prove(path: Path, given: str) -> None:
    """See that what a FLAC decodes to has the SHA-256 (hex) `given`, as 16-bit little-endian samples.

    Raises:
        NotEncoded: it has another.
        SoundFileError: it cannot be decoded.
    """
    if _read(path) != given:
        raise NotEncoded("what was encoded is not what comes out when it is decoded")


def pcm_sha256(wav: Path) -> str:
    """The SHA-256 (hex) of the samples of a finished WAV of ours.

    Raises:
        OSError: it cannot be read.
    """
    with wav.open("rb") as file:
        file.seek(HEADER_SIZE)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(wav: Path, path: Path) -> str:
    """Encode; give the SHA-256 of the samples."""
    digest = hashlib.sha256()
    with (
        wav.open("rb", buffering=0) as file,
        # By name: errors of a file object of Python's would be printed by libsndfile, and not raised.
        soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC") as sound,
    ):
        file.seek(HEADER_SIZE)
        while block := file.read(_BLOCK * SAMPLE_WIDTH):
            digest.update(block)
            sound.write(np.frombuffer(block, "<i2"))
    return digest.hexdigest()


def _read(path: Path) -> str:
    """Decode; give the SHA-256 of the samples."""
    digest = hashlib.sha256()
    with soundfile.SoundFile(path) as sound:
        while len(block := sound.read(_BLOCK, dtype="int16")):
            digest.update(block.astype("<i2", copy=False).tobytes())
    return digest.hexdigest()

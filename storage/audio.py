"""Audio files on the reading side, over soundfile: the samples of a stored segment.

Mono, 16 bit. Knows no store and no time.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.int16]

_WIDTH = 2
"""Bytes of a sample."""

_BLOCK = 1 << 16
"""Samples at a time."""

_FLAC_BLOCK = 1 << 18
"""The same for a FLAC: soundfile seeks after each block, and there that is work."""

_FLAC_MAGIC = b"fLaC"

_IN_MEMORY = 32 << 20
"""Bytes of samples kept in memory while a FLAC is checked: 35 minutes. More of them go through a file."""


class AudioError(ValueError):
    """A file that is not the audio it should be."""


class AudioWriter(Protocol):
    """Takes samples, in order."""

    def write(self, samples: Samples) -> None:
        """Append samples."""


def read_samples(file: BinaryIO, start: int, stop: int, *, total: int, sample_rate: int) -> Iterator[Samples]:
    """Samples `start` to `stop` (not included) of a WAV that should hold `total`, in blocks.

    Everything is checked before the first block is given.

    Raises:
        AudioError: it is no WAV, or not mono, 16 bit, of that rate and that length.
    """
    with _open(file, total=total, sample_rate=sample_rate) as sound:
        sound.seek(start)
        for at in range(start, stop, _BLOCK):
            yield sound.read(min(_BLOCK, stop - at), dtype="int16")


def read_flac_samples(
    file: BinaryIO, start: int, stop: int, *, total: int, sample_rate: int, sha256: str | None
) -> Iterator[Samples]:
    """The same of a FLAC, whose samples as 16-bit little-endian have this SHA-256 (hex), where it is known.

    All of it is decoded before the first block is given, for only then is it known to be whole: an hour is
    58 MB, of which no more than 32 are ever in memory.

    Raises:
        AudioError: it is no FLAC, or damaged, or not mono, 16 bit, of that rate and that length.
    """
    # Other files are none of libsndfile's business: what it takes for an MP3, it talks to stderr about.
    magic = file.read(len(_FLAC_MAGIC))
    if magic != _FLAC_MAGIC:
        raise AudioError("it is no FLAC")
    file.seek(0)
    with SpooledTemporaryFile(_IN_MEMORY) as pcm:
        digest = hashlib.sha256()
        with _open(file, total=total, sample_rate=sample_rate) as sound:
            for block in _decode(sound, total):
                digest.update(block)
                pcm.write(block)
        if sha256 not in (None, digest.hexdigest()):
            raise AudioError("its samples are not those that were recorded")
        pcm.seek(start * _WIDTH)
        for at in range(start, stop, _BLOCK):
            yield np.frombuffer(pcm.read(min(_BLOCK, stop - at) * _WIDTH), "<i2").astype(np.int16, copy=False)


def _decode(sound: soundfile.SoundFile, total: int) -> Iterator[bytes]:
    """All samples, as 16-bit little-endian.

    Raises:
        AudioError: the file is damaged.
    """
    for at in range(0, total, _FLAC_BLOCK):
        wanted = min(_FLAC_BLOCK, total - at)
        try:
            block = sound.read(wanted, dtype="int16")
        except soundfile.LibsndfileError:  # its words are of a decoder's inside, or none
            raise AudioError(f"it cannot be decoded from sample {at} on") from None
        if len(block) != wanted:
            raise AudioError(f"it ends after {at + len(block)} samples of {total}")
        yield block.astype("<i2", copy=False).tobytes()


@contextmanager
def _open(file: BinaryIO, *, total: int, sample_rate: int) -> Iterator[soundfile.SoundFile]:
    try:
        sound = soundfile.SoundFile(file)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"it is no audio that can be read: {error.error_string}") from None
    with sound:
        actual = (sound.subtype, sound.channels, sound.samplerate, sound.frames)
        expected = ("PCM_16", 1, sample_rate, total)
        if actual != expected:
            raise AudioError(f"it holds {_describe(*actual)} instead of {_describe(*expected)}")
        yield sound


def _describe(subtype: str, channels: int, sample_rate: int, samples: int) -> str:
    return f"{samples} samples ({subtype}, {channels} channels, {sample_rate} Hz)"

"""WAV files on the reading side, over soundfile: samples of a stored segment, and the file that is fetched.

Mono, 16 bit. Knows no store and no time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.int16]

_BLOCK = 1 << 16
"""Samples at a time."""

_WAV_LIMIT = (1 << 31) - (1 << 16)
"""Bytes of samples: a WAV has 32 bits for its size, read as signed by some. It is 37 hours at 8 kHz."""


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
    try:
        sound = soundfile.SoundFile(file)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"it is no audio that can be read: {error.error_string}") from None
    with sound:
        actual = (sound.subtype, sound.channels, sound.samplerate, sound.frames)
        expected = ("PCM_16", 1, sample_rate, total)
        if actual != expected:
            raise AudioError(f"it holds {_describe(*actual)} instead of {_describe(*expected)}")
        sound.seek(start)
        for at in range(start, stop, _BLOCK):
            yield sound.read(min(_BLOCK, stop - at), dtype="int16")


def _describe(subtype: str, channels: int, sample_rate: int, samples: int) -> str:
    return f"{samples} samples ({subtype}, {channels} channels, {sample_rate} Hz)"


@contextmanager
def create_wav(path: Path, samples: int, sample_rate: int) -> Iterator[AudioWriter]:
    """Create `path` for that many samples; as RF64 (EBU Tech 3306) where they are too many for a WAV.

    Raises:
        OSError: it cannot be created or written.
    """
    form = "WAV" if samples * 2 <= _WAV_LIMIT else "RF64"
    # By name: errors of a file object of Python's would be printed from within libsndfile, and not raised.
    try:
        with soundfile.SoundFile(path, "x", sample_rate, 1, "PCM_16", format=form) as sound:
            yield sound
    except soundfile.LibsndfileError as error:
        raise OSError(f"{path}: {error.error_string}") from error

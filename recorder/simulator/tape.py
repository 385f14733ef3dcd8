"""What a conference says: samples, and the same samples as each codec sends them and leaves them.

Knows no schedule, no encapsulation and no connection.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Self, cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from recorder.core.media import SAMPLE_RATE, Codec
from recorder.simulator import g711

_SPEECH = Path(__file__).parent / "speech"

_read = cast("Callable[..., tuple[NDArray[np.int16], int]]", soundfile.read)  # soundfile ships no types


class Tape:
    """Samples to play. One tape may serve any number of watches: what a codec makes of it is worked out once.

    Args:
        samples: 16-bit, one channel, 8000 a second.
        name: for people.

    Raises:
        ValueError: there are no samples, or they have more than one channel.
    """

    def __init__(self, samples: NDArray[np.int16], name: str = "samples") -> None:
        if samples.ndim != 1 or not len(samples):
            raise ValueError(f"{name}: a tape is one channel of at least one sample, not {samples.shape}")
        self.samples = samples
        self.name = name
        self._coded: dict[Codec, bytes] = {}
        self._heard: dict[Codec, NDArray[np.int16]] = {}

    @classmethod
    def read(cls, path: Path) -> Self:
        """The tape in a WAV or FLAC file (blocking).

        Raises:
            OSError: the file cannot be opened.
            ValueError: it holds no audio that can be played, or not at 8000 samples a second in one channel.
        """
        with path.open("rb") as file:
            try:
                samples, rate = _read(file, dtype="int16")
            except RuntimeError as error:  # all that soundfile raises about a file's content
                raise ValueError(f"{path}: {error}") from error
        if rate != SAMPLE_RATE:
            raise ValueError(f"{path}: {rate} samples a second; VoIPBIN streams {SAMPLE_RATE}")
        return cls(samples, name=path.stem)

    @classmethod
    def speech(cls, name: str) -> Self:
        """One of the meetings shipped with the simulator (blocking).

        Raises:
            OSError: there is no such meeting; `speeches()` has their names.
        """
        return cls.read(_SPEECH / f"{name}.flac")

    def __len__(self) -> int:
        return len(self.samples)

    def coded(self, codec: Codec) -> bytes:
        """The whole tape as payload bytes."""
        if codec not in self._coded:
            self._coded[codec] = g711.encode(self.samples, codec)
        return self._coded[codec]

    def heard(self, codec: Codec) -> NDArray[np.int16]:
        """The whole tape as a correct receiver must decode it, sample for sample."""
        if codec not in self._heard:
            self._heard[codec] = g711.decode(self.coded(codec), codec)
        return self._heard[codec]


def speeches() -> tuple[str, ...]:
    """Names of the meetings shipped with the simulator, in alphabetical order (blocking)."""
    return tuple(sorted(path.stem for path in _SPEECH.glob("*.flac")))

"""What the simulated conferences say: audio of which any fifth of a second tells where it is from.

Knows nothing of messages or time. Coded by the simulator's tables, which the recorder does not use.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recorder.core.media import Codec
from recorder.simulator import g711

SAMPLE_RATE: Final = 8000

_STEP: Final = 80
"""Samples from one level to the next; between them the signal is straight, so that a codec shows."""
_LEVELS: Final = 16
_TELLING: Final = 20 * _STEP
"""Samples that occur once: 20 levels of 16."""


class Tape:
    """An endless recording that is different for each seed, as heard through a codec."""

    def __init__(self, seed: int, codec: Codec) -> None:
        self._random = np.random.default_rng(seed)
        self._codec = codec
        self._levels = np.zeros(0, np.int16)

    def payload(self, first: int, samples: int) -> bytes:
        """Samples `first` and following as a sender codes them."""
        return g711.encode(self._spoken(first, samples), self._codec)

    def heard(self, samples: int) -> NDArray[np.int16]:
        """The first `samples` samples as a receiver must have them."""
        return g711.decode(self.payload(0, samples), self._codec)

    def _spoken(self, first: int, samples: int) -> NDArray[np.int16]:
        begin, end = first // _STEP, -(-(first + samples) // _STEP)
        while len(self._levels) <= end:
            more = self._random.integers(-_LEVELS // 2, _LEVELS // 2, 1 << 16, np.int16)
            self._levels = np.concatenate((self._levels, more))
        levels = self._levels[begin : end + 1, None]
        rising = np.arange(_STEP, dtype=np.int16)
        spoken = (levels[:-1] * (_STEP - rising) + levels[1:] * rising) // 2
        # So quiet, and about zero, no two codecs can be taken for each other.
        return spoken.reshape(-1)[first - begin * _STEP :][:samples]


def find(piece: NDArray[np.int16], said: NDArray[np.int16], since: int) -> int | None:
    """From which sample of `said` on a piece was taken, looked for from `since` on; None: from none."""
    needle, hay = piece[:_TELLING].tobytes(), said[since:].tobytes()
    at = hay.find(needle)
    while at % 2 and at >= 0:
        at = hay.find(needle, at + 1)
    return None if at < 0 else since + at // 2

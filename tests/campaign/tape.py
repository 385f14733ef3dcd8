"""A tape of which every sixteen samples tell where on it they are: speech, with a mark in its lowest bits.

Speech repeats itself in its pauses, and what was lost or doubled there could not be told. The marks are at
the height of a quiet room's noise: a decoder takes them for what they are.
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from recorder.core.media import SAMPLE_RATE
from recorder.simulator.tape import Tape

SPAN = 16
"""Samples that make a mark."""
_BITS = 4
_MASK = (1 << _BITS) - 1

Samples = NDArray[np.int16]


class MarkedTape(Tape):
    """Samples to play in a loop, and where on it any of them are.

    Args:
        samples: of which only the lowest four bits have to be different everywhere.
    """

    def __init__(self, samples: Samples, name: str = "marked") -> None:
        super().__init__(samples, name)
        keys = _keys(np.concatenate([samples, samples[: SPAN - 1]]))
        self._order = np.argsort(keys)
        self._keys = keys[self._order]

    @classmethod
    def marked(cls, name: str, seconds: float, seed: int) -> Self:
        """A shipped meeting, played as often as it takes, with marks that are drawn from the seed."""
        speech = Tape.speech(name).samples
        samples = np.resize(speech, round(seconds * SAMPLE_RATE))
        marks = np.random.default_rng(seed).integers(0, _MASK + 1, len(samples), dtype=np.int16)
        return cls((samples & ~np.int16(_MASK)) | marks, f"{name}, marked")

    def find(self, samples: Samples) -> tuple[int, int] | None:
        """The first place in `samples` that is of this tape, and where on the tape that is."""
        if len(samples) < SPAN:
            return None
        keys = _keys(samples)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        for offset in np.flatnonzero(self._keys[at] == keys):
            position = int(self._order[at[offset]])
            if np.array_equal(samples[offset : offset + SPAN], self.at(position, SPAN)):
                return int(offset), position
        return None

    def at(self, position: int, count: int) -> Samples:
        """`count` samples from `position` on, round and round."""
        start = position % len(self.samples)
        if start + count <= len(self.samples):
            return self.samples[start : start + count]
        return np.take(self.samples, np.arange(start, start + count), mode="wrap")


def _keys(samples: Samples) -> NDArray[np.uint64]:
    """The mark that begins at each sample, as one number."""
    marks = (samples & _MASK).astype(np.uint64)
    keys = np.zeros(len(samples) - SPAN + 1, np.uint64)
    for bit in range(SPAN):
        keys |= marks[bit : len(keys) + bit] << np.uint64(bit * _BITS)
    return keys

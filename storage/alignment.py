"""Where in one recording the audio of another lies, to the sample, by correlation.

Pure: knows no recorder, no time and no file. Two streams of one conference carry the same mix, so that they
are equal or nearly so; what is merely alike (a tone, music that repeats) has no one place, and is given none.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

LEAST_ALIKE = 0.7
"""The normalised correlation from which on two stretches are the same audio. Equal ones have 1, others nearly
0; packets that one of them lost, or another codec, cost some hundredths."""

_NEIGHBOURS = 24
"""Samples on both sides of the best place that are like it, whatever the audio is: it is 8 kHz."""

_APART = 4.0
"""How many times as unlike as the best a second place must be, for the best is unlike by noise alone. A voice
is like itself a period later, but not as much."""

_LEAST_APART = 0.02
"""How unlike a second place must be where the best is equal, as no tone is."""

_QUIET = 1.0
"""A standard deviation of samples below which there is nothing to compare: digital silence, or a constant."""

SILENT = "its overlap is silent"
UNLIKE = "its overlap is other audio"
UNCLEAR = "its overlap repeats itself"


class NotAligned(Exception):
    """There is no one place. The message says why: one of the constants of this module."""


def align(piece: Samples, within: Samples) -> int:
    """The sample of `within` at which `piece` begins; all of `piece` is in it.

    Args:
        piece: half a second or more; the longer, the surer.
        within: at least as long.

    Raises:
        NotAligned: nothing in it is like `piece`, or several places are, or there is only silence.
        ValueError: `within` is shorter than `piece`.
    """
    if not 0 < len(piece) <= len(within):
        raise ValueError(f"{len(piece)} samples cannot be found in {len(within)}")
    wanted = piece.astype(np.float64) - piece.mean()
    if wanted.std() < _QUIET or within.std() < _QUIET:
        raise NotAligned(SILENT)
    alike = _correlations(wanted, within.astype(np.float64))
    best = int(alike.argmax())
    if alike[best] < LEAST_ALIKE:
        raise NotAligned(UNLIKE)
    elsewhere = alike.copy()
    elsewhere[max(best - _NEIGHBOURS, 0) : best + _NEIGHBOURS + 1] = 0
    if 1 - elsewhere.max() < _APART * (1 - alike[best]) + _LEAST_APART:
        raise NotAligned(UNCLEAR)
    return best


def _correlations(wanted: NDArray[np.float64], within: NDArray[np.float64]) -> NDArray[np.float64]:
    """How alike they are at each place, from -1 to 1; `wanted` has a mean of zero."""
    count = len(wanted)
    size = 1 << (len(within) + count - 1).bit_length()
    spectrum: NDArray[Any] = np.fft.rfft(within, size) * np.conj(np.fft.rfft(wanted, size))
    products = np.fft.irfft(spectrum, size)[: len(within) - count + 1]
    sums = np.concatenate([[0.0], np.cumsum(within)])
    squares = np.concatenate([[0.0], np.cumsum(within * within)])
    mean = (sums[count:] - sums[:-count]) / count
    energy = (squares[count:] - squares[:-count]) - count * mean * mean
    # Where there is next to no energy there is nothing to be alike, and rounding would decide.
    scale = np.sqrt(np.maximum(energy, count * _QUIET)) * np.sqrt(np.dot(wanted, wanted))
    return np.asarray(products / scale, dtype=np.float64)

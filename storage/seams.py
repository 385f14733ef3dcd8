"""Where the recorders of one conference overlap, and what their audio shows of how far they are apart.

Reads a few seconds of audio of each overlap, from its end backwards, for there one recorder is followed by
another. Decides nothing about what is given: `merging` does.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from storage.alignment import SILENT, NotAligned, align
from storage.audio import Samples
from storage.frame import Measured
from storage.layout import SAMPLE_RATE
from storage.objects import Objects, Unusable
from storage.stretches import Stretch

SPREAD = 2 * SAMPLE_RATE
"""How far the labels of two recorders may be apart, in samples: hosts that keep time are much closer."""

WINDOWS = (8 * SAMPLE_RATE, 2 * SAMPLE_RATE)
"""How much audio is compared at a time, in samples; less where there is none of that length."""

SHORTEST = SAMPLE_RATE
"""An overlap of fewer samples shows nothing."""

_TRIES = 6
"""At how many places of an overlap, if there is silence at the first of them."""

TOO_SHORT = "they overlap for less than a second"
NO_AUDIO = "the audio of their overlap is not there"


class Overlapping(NamedTuple):
    """Two stretches, by their places in a list, that overlap from sample `start` to `stop` of `one`."""

    one: int
    other: int
    start: int
    stop: int


def measure(
    stretches: Sequence[Stretch], objects: Objects
) -> tuple[list[Measured], dict[tuple[int, int], str]]:
    """How far stretches of different recorders are apart, where they overlap; and for others, why not.

    Raises:
        StoreError: the store cannot be read.
    """
    measured: list[Measured] = []
    why_not: dict[tuple[int, int], str] = {}
    for pair in overlapping(stretches):
        one, other = stretches[pair.one], stretches[pair.other]
        if pair.stop - pair.start < SHORTEST:
            why_not[pair.one, pair.other] = TOO_SHORT
            continue
        try:
            sample = _measure(one, other, pair, objects)
        except NotAligned as error:
            why_not[pair.one, pair.other] = str(error)
        else:
            measured.append(Measured(pair.one, pair.other, sample))
    return measured, why_not


def overlapping(stretches: Sequence[Stretch]) -> Iterator[Overlapping]:
    """Pairs of stretches of different recorders that overlap by their labels, in the order of time."""
    in_order = sorted(range(len(stretches)), key=lambda node: stretches[node].started_at)
    open_nodes: list[int] = []
    for node in in_order:
        started_at = stretches[node].started_at
        open_nodes = [each for each in open_nodes if stretches[each].ended_at > started_at]
        for each in open_nodes:
            one, other = sorted((each, node))
            if stretches[one].recorder != stretches[other].recorder:
                first, second = stretches[one], stretches[other]
                start = max(first.sample_at(second.started_at), 0)
                stop = min(first.sample_at(second.ended_at), first.samples)
                yield Overlapping(one, other, start, stop)
        open_nodes.append(node)


def _measure(one: Stretch, other: Stretch, pair: Overlapping, objects: Objects) -> int:
    """At which sample of `one` the first of `other` lies.

    Raises:
        NotAligned: their audio does not show it.
    """
    failure = NotAligned(SILENT)
    for start, stop in _windows(one, other, pair):
        first = max(other.sample_at(one.label(start)) - SPREAD, 0)
        last = min(other.sample_at(one.label(stop)) + SPREAD, other.samples)
        if last - first < stop - start:
            continue
        try:
            piece, within = _read(one, start, stop, objects), _read(other, first, last, objects)
            return start - (first + align(piece, within))
        except Unusable:
            failure = NotAligned(NO_AUDIO)
        except NotAligned as error:
            failure = error
    raise failure


def _windows(one: Stretch, other: Stretch, pair: Overlapping) -> Iterator[tuple[int, int]]:
    """What of `one` to look for in `other`: the end of what both have, and then what lies before it.

    Where `other` begins or ends within, it may lack what labels say it has: that much is left out, or, of a
    short overlap, a quarter.
    """
    margin = min(SPREAD, (pair.stop - pair.start) // 4)
    low = max(pair.start, one.sample_at(other.started_at) + margin)
    high = min(pair.stop, one.sample_at(other.ended_at) - margin)
    for longest in WINDOWS:
        length = min(longest, high - low)
        if length < SHORTEST // 2:
            return
        step = max(length, (high - low - length) // (_TRIES - 1))
        for stop in range(high, max(low + length, high - _TRIES * step + 1) - 1, -step):
            yield stop - length, stop


def _read(stretch: Stretch, start: int, stop: int, objects: Objects) -> Samples:
    """Samples of a stretch.

    Raises:
        Unusable: an object of them cannot be used.
    """
    blocks = chain.from_iterable(objects.samples(cut) for cut in stretch.between(start, stop))
    return np.concatenate([np.empty(0, np.int16), *blocks])

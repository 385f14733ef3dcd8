"""Any range of a recorded hour is the cut of it, to the sample, and a day takes a bounded part of memory."""

import random
import tracemalloc
from datetime import timedelta

import numpy as np
import pytest

from storage.catalog import Catalog
from storage.manifest import GapReason, OpenedAfterReason
from storage.objects import AHEAD, IN_MEMORY, KEPT
from tests.fakes import MemoryStore
from tests.storage.recorders import Ear, Hole, record
from tests.storage.segments import BOARD, NOON, RATE, Samples, manifest, speech, store_segment, wav

HOUR = 3600 * RATE

SAMPLE = timedelta(microseconds=125)

BEGINS = NOON + timedelta(hours=11, minutes=33, seconds=20)
"""Midnight is 26 minutes and 40 seconds later."""


class Cut:
    """Takes what a fetch writes, into room for so many samples."""

    def __init__(self, samples: int) -> None:
        self.samples = np.full(samples, 1, np.int16)
        self.at = 0

    def write(self, samples: Samples) -> None:
        self.samples[self.at : self.at + len(samples)] = samples
        self.at += len(samples)


def holes() -> list[Hole]:
    """Short and long, within a segment and between two, and one over midnight."""
    rng = random.Random(7)
    reasons = [*GapReason]
    made: list[Hole] = []
    at = 0
    while at < HOUR - 400 * RATE:
        start = at + rng.randrange(1, 240 * RATE)
        stop = start + int(RATE * 10 ** rng.uniform(-3, 2))
        made.append(Hole(start, stop, breaks=rng.random() < 0.4, reason=rng.choice(reasons)))
        at = stop + 1
    midnight = (26 * 60 + 40) * RATE
    before = [hole for hole in made if hole.stop < midnight - 20 * RATE]
    after = [hole for hole in made if hole.start > midnight + 20 * RATE]
    return [*before, Hole(midnight - 9 * RATE - 3, midnight + 5 * RATE + 1, breaks=True), *after]


def test_a_thousand_random_ranges_are_cuts_of_the_hour() -> None:
    store = MemoryStore()
    hour, unheard = speech(HOUR), holes()
    ear = Ear("rec-a", holes=unheard, segment=60 * RATE, begins_at=BEGINS)
    segments = record(store, hour, ear)
    silent = np.zeros(HOUR, bool)
    for hole in unheard:
        silent[hole.start : hole.stop] = True
    hour[silent] = 0
    catalog, rng = Catalog(store), random.Random(20261122)
    compared = 0

    for _ in range(1000):
        length = min(int(10 ** rng.uniform(0, 6.6)), HOUR)
        start = rng.randrange(HOUR - length + 1)
        if silent[start : start + length].all():
            continue  # nothing was recorded then, and that is what is said
        layout = catalog.layout(BOARD, BEGINS + start * SAMPLE, BEGINS + (start + length) * SAMPLE)
        out = Cut(length)
        result = catalog.fetch(layout, out)
        accounted = np.zeros(length, bool)
        for silence in result.silence:
            accounted[silence.at : silence.at + silence.samples] = True
        assert out.at == length
        assert np.array_equal(out.samples, hour[start : start + length]), (start, length)
        assert np.array_equal(accounted, silent[start : start + length]), (start, length)
        assert result.complete
        compared += 1

    assert compared > 900
    assert len({segment.started_at.date() for segment in segments}) == 2
    assert len([hole for hole in unheard if hole.breaks]) > 5


class Count:
    """Takes what a fetch writes, and keeps none of it."""

    def __init__(self) -> None:
        self.samples = 0

    def write(self, samples: Samples) -> None:
        self.samples += len(samples)


@pytest.mark.timeout(300)
def test_a_day_is_fetched_in_bounded_memory() -> None:
    store = MemoryStore()
    samples = speech(300 * RATE)
    audio = wav(samples)
    for number in range(288):
        opened_after = None if number else OpenedAfterReason.START
        at = NOON + timedelta(minutes=5 * number)
        segment = manifest(samples, at, number=number, opened_after=opened_after, audio=audio)
        store_segment(store, samples, segment, audio=audio)
    catalog, out = Catalog(store), Count()
    layout = catalog.layout(BOARD, NOON, NOON + timedelta(days=1))

    tracemalloc.start()
    try:
        catalog.fetch(layout, out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert out.samples == 24 * 3600 * RATE
    assert peak < (AHEAD + KEPT + 1) * IN_MEMORY, f"{peak >> 20} MiB for {out.samples * 2 >> 20}"

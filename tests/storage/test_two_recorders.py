"""Two recorders of one conference give what either of them heard, to the sample, and say who gave what.

The reference is the conference itself. Each recorder hears a part of it, by a clock of its own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from storage.alignment import SILENT, UNCLEAR, UNLIKE
from storage.catalog import Catalog
from storage.layout import CORRUPT, MISSING, Joint
from storage.manifest import OpenedAfterReason
from storage.merging import NO_OVERLAP
from storage.names import AudioFormat
from storage.retrieval import FetchResult
from storage.seams import NO_AUDIO, TOO_SHORT
from tests.fakes import MemoryStore
from tests.storage.recorders import Ear, Hole, record
from tests.storage.segments import BOARD, NOON, RATE, Samples, manifest, seconds, speech, store_segment

LATE = timedelta(milliseconds=40)


@dataclass
class Collector:
    """Takes what a fetch writes."""

    def __post_init__(self) -> None:
        self.blocks: list[Samples] = []

    def write(self, samples: Samples) -> None:
        self.blocks.append(samples.copy())


def fetch(
    store: MemoryStore, start: datetime | None = None, end: datetime | None = None
) -> tuple[Samples, FetchResult]:
    catalog = Catalog(store)
    out = Collector()
    result = catalog.fetch(catalog.layout(BOARD, start, end), out)
    samples = np.concatenate([np.empty(0, np.int16), *out.blocks])
    assert result.samples == len(samples)
    return samples, result


def record_all(store: MemoryStore, conference: Samples, *ears: Ear) -> Samples:
    """What at least one of them heard; what nobody did is silence."""
    unheard = np.ones(len(conference), bool)
    for ear in ears:
        heard = np.ones(len(conference), bool)
        for hole in ear.holes:
            heard[hole.start : hole.stop] = False
        unheard &= ~heard
        record(store, conference, ear)
    return np.where(unheard, np.int16(0), conference)


def said_of(result: FetchResult, samples: int) -> list[str]:
    """Who gave each sample, or why nobody did."""
    said = [""] * samples
    for source in result.sources:
        said[source.at : source.at + source.samples] = [source.recorder] * source.samples
    for silence in result.silence:
        said[silence.at : silence.at + silence.samples] = [silence.reason] * silence.samples
    return said


def minutes(first: float, last: float, **facts: object) -> Hole:
    return Hole(int(first * 60 * RATE), int(last * 60 * RATE), **facts)  # type: ignore[arg-type]


def test_an_hour_of_two_recorders_is_what_either_one_heard() -> None:
    store = MemoryStore()
    conference = speech(3600 * RATE)
    ours = Ear(
        "rec-a",
        holes=[
            minutes(3, 3.2),
            minutes(9.9, 10.1, wrong_by=-37),  # over the grid
            minutes(20, 26, breaks=True),
            minutes(33, 34, wrong_by=160),
            minutes(50, 50.5),  # both
        ],
    )
    theirs = Ear(
        "rec-b",
        late=LATE,
        ppm=45.0,
        holes=[
            minutes(5, 5.5),
            minutes(28, 31, breaks=True, wrong_by=11),
            minutes(50.2, 51),
            minutes(58, 59),
        ],
    )
    expected = record_all(store, conference, ours, theirs)

    fetched, result = fetch(store, NOON, NOON + timedelta(hours=1))

    assert np.array_equal(fetched, expected)
    assert [(each.at, each.samples, each.reason) for each in result.silence] == [
        (int(50.2 * 60) * RATE, 18 * RATE, "disconnected")
    ]
    assert result.complete
    assert {source.recorder for source in result.sources} == {"rec-a", "rec-b"}
    joints = [source.joint for source in result.sources[1:]]
    assert [joint and joint.why_not for joint in joints] == ["", "", "", "", NO_OVERLAP], "over their silence"
    assert said_of(result, 3600 * RATE)[int(3.1 * 60 * RATE)] == "rec-b"


@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.data())
def test_whatever_either_one_heard_comes_back(data: st.DataObject) -> None:
    """Holes anywhere, of both; between two holes of one there is always enough to compare."""
    length = 60 * RATE
    conference = speech(length, data.draw(st.integers(0, 9)))
    ears = []
    for recorder, late in (("rec-a", 0), ("rec-b", data.draw(st.integers(-500, 500)))):
        holes, at = [], 0
        while True:
            start = at + data.draw(st.integers(4 * RATE, 30 * RATE))
            stop = start + data.draw(st.integers(1, 6 * RATE))
            if stop > length - 4 * RATE:
                break
            breaks = data.draw(st.booleans())
            holes.append(Hole(start, stop, breaks))
            at = stop
        ears.append(Ear(recorder, seconds(late / 1000), 0, holes, segment=10 * RATE))
    store = MemoryStore()
    expected = record_all(store, conference, *ears)

    fetched, _ = fetch(store, NOON, NOON + seconds(60))

    assert np.array_equal(fetched, expected)


@settings(max_examples=15)
@given(st.floats(-100, 100), st.floats(-100, 100), st.integers(-500, 500))
def test_clocks_that_drift_neither_add_nor_remove_a_sample(ours: float, theirs: float, late_ms: int) -> None:
    """Ten minutes at 200 ppm are 120 ms; all of it is there, whoever's clock is right."""
    store = MemoryStore()
    conference = speech(600 * RATE)
    holes = [Hole(at * RATE, (at + 20) * RATE, breaks=at % 2 == 0) for at in range(50, 550, 51)]
    record(store, conference, Ear("rec-a", ppm=ours, holes=holes[::2], segment=60 * RATE))
    record(store, conference, Ear("rec-b", seconds(late_ms / 1000), theirs, holes[1::2], segment=60 * RATE))

    fetched, result = fetch(store)

    assert np.array_equal(fetched, conference)
    assert result.silence == ()


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_an_object_that_cannot_be_used_is_filled_by_the_other(audio_format: AudioFormat) -> None:
    store = MemoryStore()
    conference = speech(60 * RATE)
    ours = record(store, conference, Ear("rec-a", segment=10 * RATE, audio_format=audio_format))
    theirs = Ear("rec-b", LATE, segment=10 * RATE, holes=[Hole(33 * RATE, 34 * RATE)])
    record(store, conference, theirs)
    gone, bad = ours[1].audio.key, ours[3].audio.key
    del store.objects[gone]
    store.objects[bad] = store.objects[bad][:-1] + bytes([store.objects[bad][-1] ^ 1])

    fetched, result = fetch(store, NOON, NOON + seconds(60))

    expected = conference.copy()
    expected[33 * RATE : 34 * RATE] = 0
    assert np.array_equal(fetched, expected)
    assert [(each.at, each.samples, each.reason) for each in result.silence] == [(33 * RATE, RATE, CORRUPT)]
    assert [problem.key for problem in result.problems] == [gone, bad]
    assert not result.complete
    assert [source.recorder for source in result.sources] == ["rec-a", "rec-b", "rec-a", "rec-b", "rec-a"]
    assert all(source.joint is None or source.joint.labels_apart in {-320, 320} for source in result.sources)


def test_what_neither_has_any_more_is_missing() -> None:
    store = MemoryStore()
    conference = speech(30 * RATE)
    stored = [
        record(store, conference, Ear(name, late, segment=10 * RATE))
        for name, late in (("rec-a", seconds(0)), ("rec-b", LATE))
    ]
    for segments in stored:
        del store.objects[segments[1].audio.key]

    fetched, result = fetch(store, NOON, NOON + seconds(30))

    assert np.array_equal(fetched[: 10 * RATE], conference[: 10 * RATE])
    assert np.array_equal(fetched[20 * RATE :], conference[20 * RATE :])
    assert [(each.at, each.samples, each.reason) for each in result.silence] == [
        (10 * RATE, 10 * RATE, MISSING)
    ]


@settings(max_examples=25)
@given(st.integers(1, 60 * RATE - 1), st.integers(-400, 400))
def test_two_fetches_that_meet_are_one(middle: int, late_ms: int) -> None:
    store = MemoryStore()
    conference = speech(60 * RATE)
    ours = Ear("rec-a", holes=[Hole(10 * RATE, 12 * RATE, breaks=True), Hole(40 * RATE, 47 * RATE)])
    theirs = Ear("rec-b", seconds(late_ms / 1000), holes=[Hole(27 * RATE, 30 * RATE, breaks=True)])
    record_all(store, conference, ours, theirs)
    at = NOON + seconds(middle / RATE)

    before, _ = fetch(store, NOON, at)
    after, _ = fetch(store, at, NOON + seconds(60))

    assert np.array_equal(np.concatenate([before, after]), conference)


def test_no_audio_is_given_twice_where_clocks_contradict_each_other() -> None:
    """By its own clock the other one says, of an instant after the gap has begun, one from before it."""
    store = MemoryStore()
    conference = speech(60 * RATE)
    ours = Ear("rec-a", holes=[Hole(10 * RATE, 12 * RATE, breaks=True)])
    record_all(store, conference, ours, Ear("rec-b", seconds(0.4)))
    instants = [NOON, NOON + seconds(9.9), NOON + seconds(10.1), NOON + seconds(60)]

    parts = [fetch(store, start, end)[0] for start, end in pairwise(instants)]

    assert np.array_equal(np.concatenate(parts), conference)


def joint_of(
    conference: Samples, other: Samples, *, shared: float, damage: bool = False
) -> tuple[int | None, str]:
    """How a fetch put `other`, of which the first `shared` seconds are the last of `conference`, to it."""
    store = MemoryStore()
    record(store, conference, Ear("rec-a"))
    begins = len(conference) / RATE - shared
    stored = record(store, other, Ear("rec-b", LATE, begins_at=NOON + seconds(begins)))
    if damage:
        store.objects[stored[0].audio.key] = b"?"
    end = NOON + seconds(begins + len(other) / RATE + 0.04)
    _, result = fetch(store, NOON, end)
    joint = result.sources[1].joint if len(result.sources) > 1 else None
    return (joint.labels_apart, joint.why_not) if joint else (None, "")


@pytest.mark.parametrize(
    ("shared", "expected"),
    [(10.0, (320, "")), (1.5, (320, "")), (0.9, (None, TOO_SHORT)), (-1.0, (None, NO_OVERLAP))],
)
def test_labels_are_believed_where_the_overlap_is_too_short(
    shared: float, expected: tuple[int | None, str]
) -> None:
    conference = speech(40 * RATE)
    cut = int((20 - shared) * RATE)

    assert joint_of(conference[: 20 * RATE], conference[cut:], shared=shared) == expected


def tone(count: int) -> Samples:
    return (8000 * np.sin(2 * np.pi * 440 * np.arange(count) / RATE)).astype(np.int16)


@pytest.mark.parametrize(
    ("ours", "theirs", "why_not"),
    [
        (np.zeros(20 * RATE, np.int16), np.zeros(30 * RATE, np.int16), SILENT),
        (speech(20 * RATE, 1), speech(30 * RATE, 2), UNLIKE),
        (tone(20 * RATE), tone(30 * RATE), UNCLEAR),
    ],
    ids=["silence", "other audio", "a tone"],
)
def test_labels_are_believed_where_audio_shows_nothing(ours: Samples, theirs: Samples, why_not: str) -> None:
    assert joint_of(ours, theirs, shared=10) == (None, why_not)


def test_audio_is_compared_where_there_is_some() -> None:
    conference = speech(60 * RATE)
    conference[20 * RATE : 40 * RATE] = 0

    assert joint_of(conference[: 40 * RATE], conference[10 * RATE :], shared=30) == (320, "")


def test_a_codec_and_a_little_noise_do_not_hide_the_place() -> None:
    conference = speech(40 * RATE)
    noisy = np.clip(conference + np.random.default_rng(1).normal(0, 3000, len(conference)), -32768, 32767)

    assert joint_of(conference[: 20 * RATE], noisy[10 * RATE :].astype(np.int16), shared=10) == (320, "")


def test_what_is_not_there_cannot_be_compared() -> None:
    store = MemoryStore()
    conference = speech(40 * RATE)
    record(store, conference[: 20 * RATE], Ear("rec-a"))
    theirs = record(
        store, conference[10 * RATE :], Ear("rec-b", LATE, segment=15 * RATE, begins_at=NOON + seconds(10))
    )
    del store.objects[theirs[0].audio.key]

    _, result = fetch(store)

    assert [(each.recorder, each.joint) for each in result.sources] == [
        ("rec-a", None),
        ("rec-b", Joint(None, NO_AUDIO)),
    ]


def test_of_two_reasons_the_one_who_listened_is_believed() -> None:
    store = MemoryStore()
    conference = speech(40 * RATE)
    record(store, conference, Ear("rec-a", holes=[Hole(10 * RATE, 20 * RATE, breaks=True)]))
    record(store, conference[: 10 * RATE], Ear("rec-b"))
    later = manifest(
        conference[20 * RATE :],
        NOON + seconds(20),
        recorder="rec-b",
        number=1,
        opened_after=OpenedAfterReason.IDLE,
        away=10.0,
    )
    store_segment(store, conference[20 * RATE :], later)

    _, result = fetch(store)

    assert [(each.at, each.samples, each.reason) for each in result.silence] == [
        (10 * RATE, 10 * RATE, "idle")
    ]

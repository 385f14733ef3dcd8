"""A recorder's clock that was set back: what a file of a time cannot have is said, and no more is missing."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from storage.catalog import Catalog
from storage.directory import DirectoryStore
from storage.layout import CLOCK, MISSING
from storage.manifest import ClosedBy, OpenedAfterReason, SegmentManifest
from storage.retrieval import FetchResult
from tests.fakes import MemoryStore
from tests.storage.chains import Chain, gap, opened_after
from tests.storage.segments import BOARD, NOON, RATE, Samples, seconds, speech
from tests.storage.test_catalog import Collector
from tests.storage.test_recordings_command import recordings, samples_of

IDLE, CRASH = OpenedAfterReason.IDLE, OpenedAfterReason.CRASH
MILLISECOND = timedelta(milliseconds=1)


def heard(segments: list[SegmentManifest]) -> Samples:
    """What a chain recorded in these segments."""
    return np.concatenate([speech(segment.samples, segment.number) for segment in segments])


def fetch(
    store: MemoryStore, start: datetime | None = None, end: datetime | None = None
) -> tuple[Samples, FetchResult]:
    catalog, out = Catalog(store), Collector()
    result = catalog.fetch(catalog.layout(BOARD, start, end), out)
    return out.samples, result


def left_out(result: FetchResult) -> Samples:
    """The audio that a result names as left out."""
    parts = [
        speech(cut.segment.samples, cut.segment.number)[cut.start : cut.stop]
        for overlap in result.left_out
        for cut in overlap.cuts
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def recorded_twice(chain: Chain, back: float) -> None:
    """A minute of audio, and half a minute of other audio whose labels lie within it."""
    for _ in range(6):
        chain.record(10, step=MILLISECOND)
    chain.record(10, step=-seconds(back))
    for _ in range(2):
        chain.record(10, step=MILLISECOND)


def test_what_a_file_cannot_have_is_said_with_what_brings_it_back(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    chain = Chain(DirectoryStore(bucket))
    chain.record(10, opened_after(OpenedAfterReason.START, 1))
    for _ in range(360):
        chain.record(0.5, opened_after(IDLE, 9.5))
    chain.record(10, step=timedelta(hours=-1))
    chain.record(10)
    place = ("--store", bucket.as_uri())

    told = recordings("fetch", "1ed1", "-o", tmp_path / "b.wav", *place)
    whole = recordings("fetch", "1ed1", "-o", tmp_path / "c.wav", *place, "--json")

    assert told.code == whole.code == 1
    assert "not in the file" in told.out
    assert "0:00:01.000 more" in told.out
    assert "--segments" in told.out
    assert MISSING not in told.out, "it is in the bucket"
    assert not whole.json["complete"]
    assert [stem for each in whole.json["overlaps"] for stem in each["segments"]]
    assert sum(each["samples"] for each in whole.json["overlaps"]) > 0


def test_labels_that_two_passes_share_go_to_the_first_and_the_rest_is_named() -> None:
    store = MemoryStore()
    chain = Chain(store)
    recorded_twice(chain, 41)
    first, second = chain.segments[:6], chain.segments[6:]

    samples, result = fetch(store)

    assert np.array_equal(samples, heard(first))
    assert np.array_equal(left_out(result), heard(second))
    assert not result.complete
    assert result.silence == ()


def test_passes_that_interleave_are_each_contiguous_to_the_sample() -> None:
    store = MemoryStore()
    chain = Chain(store)
    recorded_twice(chain, 25)
    for number in range(6):
        chain.record(10, step=MILLISECOND if number % 2 else -MILLISECOND)
    first, second = chain.segments[:6], chain.segments[6:]

    samples, result = fetch(store)

    assert result.silence == ()
    assert np.array_equal(samples[: 60 * RATE], heard(first))
    everything = heard(second)
    assert np.array_equal(np.concatenate([left_out(result), samples[60 * RATE :]]), everything)


def test_a_range_takes_what_the_whole_takes_and_names_only_what_is_in_it() -> None:
    store = MemoryStore()
    chain = Chain(store)
    recorded_twice(chain, 45)
    first, second = heard(chain.segments[:6]), heard(chain.segments[6:])
    before = fetch(store, NOON + MILLISECOND, NOON + seconds(10))
    start = chain.segments[6].started_at + seconds(3)

    samples, result = fetch(store, start, start + seconds(1))

    assert before[1].complete
    at = round((start - chain.segments[1].started_at).total_seconds() * RATE) + 10 * RATE
    assert np.array_equal(samples, first[at : at + RATE])
    assert np.array_equal(left_out(result), second[3 * RATE : 4 * RATE])


def test_a_restart_with_a_clock_that_was_set_back_is_no_different() -> None:
    store = MemoryStore()
    chain = Chain(store)
    for _ in range(6):
        chain.record(10)
    chain.number -= 5_000_000  # each life counts from somewhere else
    chain.record(10, opened_after(CRASH, 5), step=seconds(-40))
    for _ in range(4):
        chain.record(10, step=MILLISECOND)
    first, second = chain.segments[:6], chain.segments[6:]

    samples, result = fetch(store)

    assert result.silence == ()
    assert np.array_equal(samples[: 60 * RATE], heard(first))
    assert np.array_equal(np.concatenate([left_out(result), samples[60 * RATE :]]), heard(second))


def test_what_began_after_a_step_is_no_loss_where_its_predecessor_is_out_of_range() -> None:
    store = MemoryStore()
    chain = Chain(store)
    chain.record(10, closed_by=ClosedBy.IDLE)
    chain.record(10, opened_after(IDLE, 80))
    chain.record(10, opened_after(IDLE, 1), step=seconds(-86))

    _, result = fetch(store, NOON, NOON + seconds(25))

    assert [silence.reason for silence in result.silence] == ["idle"]
    assert result.complete


@pytest.mark.parametrize("lost", [1, 2, 7, 8])
def test_a_segment_that_is_gone_is_missed_in_either_pass(lost: int) -> None:
    store = MemoryStore()
    chain = Chain(store)
    recorded_twice(chain, 5)
    chain.record(10, step=MILLISECOND)
    gone = chain.segments[lost]
    del store.objects[gone.name.manifest_key]
    del store.objects[gone.audio.key]

    _, result = fetch(store)

    assert [(each.reason, each.samples // RATE) for each in result.silence] == [(MISSING, 10)]
    assert not result.complete


def test_an_erasure_leaves_nothing_to_be_named() -> None:
    store = MemoryStore()
    chain = Chain(store)
    for _ in range(4):
        chain.record(10)
    chain.record(10, ledger=[gap(0, 10)], step=seconds(-30))

    _, result = fetch(store)

    assert result.complete


def test_labels_that_overlap_a_little_cost_no_sample_and_make_no_noise() -> None:
    store = MemoryStore()
    chain = Chain(store)
    for _ in range(4):
        chain.record(10, step=-MILLISECOND)
    gone = chain.segments[1]
    del store.objects[gone.name.manifest_key]
    del store.objects[gone.audio.key]
    chain.record(10, opened_after(CRASH, 0), step=-MILLISECOND)

    samples, result = fetch(store)

    assert np.array_equal(samples[-30 * RATE :], heard(chain.segments[2:]))
    assert result.left_out == ()


def test_two_recorders_leave_nothing_out(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    for recorder in ("rec-a", "rec-b"):
        Chain(DirectoryStore(bucket), recorder=recorder).record(10)
    place = ("--store", bucket.as_uri())

    told = recordings("fetch", "1ed1", "-o", tmp_path / "b.wav", *place)
    for_programs = recordings("fetch", "1ed1", "-o", tmp_path / "c.wav", *place, "--json")

    assert (told.code, for_programs.code) == (0, 0)
    assert "not in the file" not in told.out
    assert json.loads(for_programs.out)["overlaps"]
    assert len(samples_of(tmp_path / "b.wav")) == 10 * RATE


def test_a_recorder_beside_one_whose_clock_was_set_back_hides_nothing() -> None:
    store = MemoryStore()
    chain = Chain(store)
    recorded_twice(chain, 41)
    Chain(store, recorder="rec-b", at=NOON + seconds(100)).record(10)

    began = chain.segments[6].started_at

    _, result = fetch(store)
    _, apart = fetch(store, NOON, began)
    _, part = fetch(store, began + seconds(3), began + seconds(5))

    assert np.array_equal(left_out(result), heard(chain.segments[6:]))
    assert apart.left_out == ()
    assert np.array_equal(left_out(part), heard(chain.segments[6:])[3 * RATE : 5 * RATE])


@pytest.mark.parametrize("recorders", [1, 2])
def test_a_clock_that_was_set_forward_leaves_time_and_no_audio_out(recorders: int) -> None:
    store = MemoryStore()
    chain = Chain(store)
    chain.record(10)
    chain.record(10, step=seconds(40))
    if recorders == 2:
        Chain(store, recorder="rec-b", at=NOON + seconds(62)).record(
            10, opened_after(OpenedAfterReason.START, 1)
        )

    _, result = fetch(store, NOON, NOON + seconds(60))

    assert [(each.reason, each.samples) for each in result.silence] == [(CLOCK, 40 * RATE)]
    assert result.complete

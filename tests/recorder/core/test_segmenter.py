"""Segments are cut on the UTC grid at the sample and join without one lost or repeated."""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recorder.core.events import Event, SamplesReady, SegmentClosed, SegmentOpened, SilenceReady
from recorder.core.media import SAMPLE_RATE, Codec
from recorder.core.segmenter import Segmenter, Silence
from storage.manifest import (
    ClosedBy,
    GapReason,
    LedgerEntry,
    OpenedAfter,
    OpenedAfterReason,
    Reception,
    SegmentFacts,
)
from tests.recorder.core.drive import counter, identity

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
GRID: Final = datetime(2026, 11, 22, 15, 5, tzinfo=UTC)
FIRST: Final = OpenedAfter(reason=OpenedAfterReason.START, seconds=1.5)


def segmenter(period: float = 300.0) -> Segmenter:
    return Segmenter(identity(), period, itertools.count(), Reception)


def put(
    subject: Segmenter, content: bytes | Silence, at: datetime, opened_after: OpenedAfter | None = None
) -> list[Event]:
    return list(subject.write(content, lambda: at, Codec.PCM16LE, opened_after))


def closed(events: Iterable[Event]) -> list[SegmentFacts]:
    return [event.facts for event in events if isinstance(event, SegmentClosed)]


def seconds(count: float) -> bytes:
    return bytes(round(2 * count * SAMPLE_RATE))


def on_grid(at: datetime, period: float) -> bool:
    return not (at - EPOCH) % timedelta(seconds=period)


@settings(max_examples=150)
@given(
    period=st.sampled_from([5.0, 10.0, 60.0, 300.0]),
    before_the_grid=st.integers(0, 5_000_000),  # microseconds
    sizes=st.lists(st.integers(1, 2000), min_size=1, max_size=40),
    silences=st.sets(st.integers(0, 200), max_size=20),
)
@example(period=5.0, before_the_grid=1, sizes=[160], silences=set())
@example(period=300.0, before_the_grid=62, sizes=[1999], silences={0})
def test_whatever_comes_in_is_laid_end_to_end_and_cut_on_the_grid(
    period: float, before_the_grid: int, sizes: list[int], silences: set[int]
) -> None:
    subject = segmenter(period)
    began = GRID - timedelta(microseconds=before_the_grid)
    events: list[Event] = []
    expected: list[bytes | Silence] = []
    position = 0
    opened_after: OpenedAfter | None = FIRST
    for index, size in enumerate(itertools.islice(itertools.cycle(sizes), 200)):
        content = Silence(size, GapReason.STALLED) if index in silences else counter(size, position)
        expected.append(content)
        events += put(subject, content, began + timedelta(seconds=position / SAMPLE_RATE), opened_after)
        opened_after = None
        position += size
    events += subject.close(ClosedBy.STOPPED)

    facts = closed(events)
    written = b"".join(
        event.pcm if isinstance(event, SamplesReady) else bytes(2 * event.samples)
        for event in events
        if isinstance(event, SamplesReady | SilenceReady)
    )
    assert written == b"".join(
        bytes(2 * each.samples) if isinstance(each, Silence) else each for each in expected
    )
    assert sum(each.samples for each in facts) == position
    assert sum(each.silence for each in facts) == sum(
        each.samples for each in expected if isinstance(each, Silence)
    )
    assert abs(facts[0].started_at - began) <= timedelta(microseconds=63)
    assert all(on_grid(each.started_at, period) for each in facts[1:])
    assert all(left.ended_at == right.started_at for left, right in itertools.pairwise(facts))
    assert len({each.name for each in facts}) == len(facts)
    assert [each.opened_after for each in facts] == [FIRST, *[None] * (len(facts) - 1)]
    assert [each.closed_by for each in facts[:-1]] == [ClosedBy.GRID] * (len(facts) - 1)


@pytest.mark.parametrize("microseconds", [999_999, 999_938, 999_937, 999_875])
def test_a_start_just_before_the_grid_is_cut_on_it_or_begins_on_it(microseconds: int) -> None:
    subject = segmenter(5.0)
    began = datetime(2026, 12, 31, 23, 59, 59, microseconds, tzinfo=UTC)

    facts = closed([*put(subject, seconds(12.0), began, FIRST), *subject.close(ClosedBy.STOPPED)])

    midnight = datetime(2027, 1, 1, tzinfo=UTC)
    starts = [each.started_at for each in facts if each.started_at >= midnight]
    assert starts == [midnight + timedelta(seconds=5 * number) for number in range(3)]
    assert len({each.name.audio_key for each in facts}) == len(facts)
    assert sum(each.samples for each in facts) == 12 * SAMPLE_RATE


def test_silence_is_cut_where_audio_would_be() -> None:
    subject = segmenter(5.0)

    events = put(
        subject, Silence(12 * SAMPLE_RATE, GapReason.DISCONNECTED), GRID - timedelta(seconds=1), FIRST
    )
    facts = closed([*events, *subject.close(ClosedBy.STOPPED)])

    assert [each.samples / SAMPLE_RATE for each in facts] == [1.0, 5.0, 5.0, 1.0]
    assert all(each.silence == each.samples for each in facts)


def test_silences_that_touch_are_one_entry_if_their_reason_is_one() -> None:
    subject = segmenter()
    put(subject, Silence(100, GapReason.LOST), GRID, FIRST)
    put(subject, Silence(60, GapReason.LOST), GRID)
    put(subject, Silence(40, GapReason.STALLED), GRID)
    put(subject, b"ab", GRID)
    put(subject, Silence(7, GapReason.STALLED), GRID)

    (facts,) = closed(subject.close(ClosedBy.STOPPED))

    assert facts.ledger == (
        LedgerEntry(start=0, samples=160, reason=GapReason.LOST),
        LedgerEntry(start=160, samples=40, reason=GapReason.STALLED),
        LedgerEntry(start=201, samples=7, reason=GapReason.STALLED),
    )


def test_a_label_that_is_hardly_off_does_not_move_a_segment_that_continues() -> None:
    subject = segmenter(5.0)
    put(subject, seconds(5.0), GRID, FIRST)

    (opened, *_) = put(subject, b"ab", GRID + timedelta(seconds=5, milliseconds=49))

    assert isinstance(opened, SegmentOpened)
    assert opened.facts.started_at == GRID + timedelta(seconds=5)


@pytest.mark.parametrize("milliseconds", [-1900, -60, 60, 1900])
def test_a_label_that_drifted_moves_the_next_segment_and_makes_none_of_a_few_samples(
    milliseconds: int,
) -> None:
    subject = segmenter(5.0)
    put(subject, seconds(5.0), GRID, FIRST)
    label = GRID + timedelta(seconds=5, milliseconds=milliseconds)

    facts = closed(put(subject, seconds(12.0), label))

    assert facts[0].started_at == label
    assert facts[0].ended_at == facts[1].started_at == GRID + timedelta(seconds=10)
    assert 3.0 <= facts[0].samples / SAMPLE_RATE <= 7.0


@pytest.mark.parametrize("leap", [-86_400.0, -3600.0, -4.0, -3.0, 3.0, 3601.0, 86_400.0])
@pytest.mark.parametrize("by", [ClosedBy.GRID, ClosedBy.CODEC])
def test_a_leap_of_the_wall_clock_does_not_stretch_a_segment(leap: float, by: ClosedBy) -> None:
    subject = segmenter(5.0)
    put(subject, seconds(5.0 if by is ClosedBy.GRID else 2.0), GRID, FIRST)
    list(subject.close(by))
    label = GRID + timedelta(seconds=5.0 + leap)

    facts = closed(put(subject, seconds(12.0), label))

    assert facts[0].started_at == label
    assert all(each.samples <= 7.5 * SAMPLE_RATE for each in facts)
    assert all(on_grid(each.started_at, 5.0) for each in facts[1:])


def test_a_segment_that_continues_nothing_takes_its_label_as_it_is() -> None:
    subject = segmenter()
    put(subject, seconds(1.0), GRID, FIRST)
    list(subject.close(ClosedBy.IDLE))
    idle = OpenedAfter(reason=OpenedAfterReason.IDLE, seconds=0.04)

    (opened, *_) = put(subject, b"ab", GRID + timedelta(seconds=1.04), idle)

    assert isinstance(opened, SegmentOpened)
    assert opened.facts.started_at == GRID + timedelta(seconds=1.04)
    assert opened.facts.opened_after == idle


def test_closing_what_is_not_open_does_nothing() -> None:
    subject = segmenter()

    assert list(subject.close(ClosedBy.IDLE)) == []
    assert (subject.codec, subject.room) == (None, None)


def test_each_segment_takes_the_counts_of_its_own_time() -> None:
    counts = itertools.count(1)
    subject = Segmenter(identity(), 5.0, itertools.count(), lambda: Reception(messages=next(counts)))

    facts = closed([*put(subject, seconds(7.0), GRID, FIRST), *subject.close(ClosedBy.STOPPED)])

    assert [each.reception.messages for each in facts] == [1, 2]

"""Arrival against sample counts, over simulated hours and days."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

import pytest

from recorder.core.hold import HOLD_LIMIT, REST, SETTLE, TOLERANCE
from recorder.core.media import SAMPLE_RATE
from recorder.core.packets import Chunk
from recorder.core.timeline import MAX_DRIFT, Audio, Gap, Placed, Timeline
from storage.manifest import GapReason

FRAME: Final = 160
PACKET: Final = FRAME / SAMPLE_RATE
UTC_AT_ZERO: Final = datetime(2026, 11, 22, 15, 2, 30, tzinfo=UTC)


class Bench:
    """A timeline, and what it placed. Its wall clock began at zero."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.timeline.connected(0.0, UTC_AT_ZERO)
        self.gaps: list[Gap] = []
        self.put = 0  # samples
        self.audio = 0  # of them, those that were placed
        self._end = 0

    def place(self, at: float, samples: int = FRAME, lost: int = 0, waited: float = 0.0) -> None:
        self.put += samples
        self._take(self.timeline.place(Chunk(at, bytes(2 * samples), FRAME, lost, waited)))

    def play(self, arrivals: Iterable[float], samples: int = FRAME) -> None:
        for at in arrivals:
            self.place(at, samples)

    def fill(self, seconds: float) -> None:
        self._take([self.timeline.fill(round(seconds * SAMPLE_RATE), GapReason.DISCONNECTED)])

    def flush(self) -> None:
        self._take(self.timeline.flush())
        assert self.settled

    @property
    def settled(self) -> bool:
        return self.audio == self.put

    @property
    def gap_seconds(self) -> list[tuple[float, float]]:
        """Where gaps begin and how long they are."""
        return [(gap.position / SAMPLE_RATE, gap.samples / SAMPLE_RATE) for gap in self.gaps]

    def label_error(self, position: int, heard_at: float) -> float:
        """Seconds by which the UTC of a position is off."""
        return (self.timeline.utc_of(position) - UTC_AT_ZERO).total_seconds() - heard_at

    def _take(self, placed: Iterable[Placed]) -> None:
        for item in placed:
            assert item.position == self._end, "what is placed joins what was placed before"
            if isinstance(item, Gap):
                assert item.samples > 0
                self.gaps.append(item)
                self._end += item.samples
            else:
                self.audio += len(item.pcm) // 2
                self._end += len(item.pcm) // 2


def steady(begin: float, end: float, every: float = PACKET) -> Iterator[float]:
    """Arrivals of packets from `begin` to `end`: one is complete when its time is over."""
    return (begin + number * every for number in range(1, round((end - begin) / every) + 1))


def in_order(arrivals: Iterable[float]) -> Iterator[float]:
    """What TCP makes of packets that overtake each other."""
    return itertools.accumulate(arrivals, max)


def test_a_steady_stream_lies_where_it_was_heard() -> None:
    bench = Bench()

    bench.play(steady(5.0, 65.0))

    assert bench.gaps == []
    assert bench.timeline.position == 60 * SAMPLE_RATE
    assert bench.timeline.time_of(0) == pytest.approx(5.0)
    assert bench.timeline.utc_of(SAMPLE_RATE) == UTC_AT_ZERO + timedelta(seconds=6)


@pytest.mark.parametrize("stall", [0.06, 0.16, 1.0, 8.0, 60.0])
def test_a_stall_and_then_a_burst_insert_nothing(stall: float) -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))

    bench.play([20.0 + stall] * round(stall / PACKET))
    assert bench.settled
    bench.play(steady(20.0 + stall, 40.0 + stall))

    assert bench.gaps == []
    assert bench.timeline.position == pytest.approx((40.0 + stall) * SAMPLE_RATE)


@pytest.mark.parametrize("stall", [0.14, 0.5, 1.0, 8.0, 59.98, 3600.0])
def test_a_stall_without_a_burst_is_a_gap_of_its_length_in_its_place(stall: float) -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))
    bench.play(steady(20.0 + stall, 40.0 + stall))

    assert bench.gaps == [Gap(20 * SAMPLE_RATE, round(stall * SAMPLE_RATE), GapReason.STALLED)]


@pytest.mark.parametrize("late", [0.2, 0.49, 0.8])
def test_a_stream_that_is_late_for_long_and_then_catches_up_does_not_shorten_the_gap_after_it(
    late: float,
) -> None:
    bench = Bench()
    bench.play(
        due + late if due < SETTLE + 0.3 else max(due, SETTLE + 0.3 + late) for due in steady(0.0, 20.0)
    )
    bench.play(steady(21.0, 40.0))

    (gap,) = bench.gaps
    assert gap.samples / SAMPLE_RATE == pytest.approx(1.0, abs=TOLERANCE)


def test_a_stream_that_begins_late_does_not_shorten_the_gaps_after_it() -> None:
    bench = Bench()
    bench.play([1.1] * 5)  # 0.1 s of audio at once
    bench.play(steady(1.1, 20.0))
    bench.play(steady(21.0, 40.0))

    assert bench.gaps == [Gap(19 * SAMPLE_RATE, SAMPLE_RATE, GapReason.STALLED)]
    assert bench.timeline.time_of(0) == pytest.approx(1.0)


@pytest.mark.parametrize("caught_up", [0.5, 1.5, 1.94])
def test_of_a_stall_that_is_made_good_in_part_the_rest_is_a_gap(caught_up: float) -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))

    bench.play([22.0] * round(caught_up / PACKET))
    bench.play(steady(22.0, 40.0))

    missing = 2.0 - caught_up
    assert sum(length for _, length in bench.gap_seconds) == pytest.approx(
        missing if missing > TOLERANCE else 0.0
    )
    assert all(place == pytest.approx(20.0) for place, _ in bench.gap_seconds)


@pytest.mark.parametrize(("stall", "speed"), [(1.0, 1.5), (5.0, 1.5), (12.0, 1.5), (5.0, 1.2), (5.0, 3.0)])
def test_a_sender_that_catches_up_slowly_loses_nothing(stall: float, speed: float) -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))
    caught_up_at = 20.0 + stall + stall / (speed - 1)

    bench.play(
        20.0 + stall + (number + 1) * PACKET / speed
        for number in range(round((caught_up_at - 20.0) / PACKET))
    )
    bench.play(steady(caught_up_at, caught_up_at + 10.0))

    assert bench.gaps == []
    assert bench.timeline.position == pytest.approx((caught_up_at + 10.0) * SAMPLE_RATE, abs=FRAME)


def test_audio_is_held_back_for_a_bounded_time() -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))
    at = held_since = 80.0
    bench.place(at)

    while not bench.settled and at < held_since + 2 * HOLD_LIMIT:
        at += PACKET / 1.5  # it would take two minutes to catch up
        bench.place(at)

    assert at - held_since < HOLD_LIMIT + 2 * SETTLE


def test_what_is_left_of_a_burst_is_waited_for_as_long_as_it_may_be_sent_again_and_no_longer() -> None:
    for silent, waited in ((REST - 0.1, True), (REST + 0.1, False)):
        bench = Bench()
        bench.play(steady(0.0, 5.0))
        bench.place(8.0, samples=2 * SAMPLE_RATE)
        due = bench.timeline.deadline
        assert due is not None
        if due <= 8.0 + silent:
            bench.flush()
        bench.place(8.0 + silent, samples=round((1.0 + silent) * SAMPLE_RATE))
        bench.play(steady(8.0 + silent, 15.0))

        assert (bench.gaps == []) is waited


@pytest.mark.parametrize("late", [0.0, 0.05])
def test_a_connection_that_is_lost_at_once_again_had_missed_what_its_first_read_shows(late: float) -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))
    bench.timeline.connected(28.0, UTC_AT_ZERO + timedelta(seconds=28.0))
    bench.place(28.02 + late)  # read when it came
    bench.place(28.4, samples=19 * FRAME, waited=0.38)  # read when the connection was lost
    bench.flush()
    bench.timeline.connected(35.0, UTC_AT_ZERO + timedelta(seconds=35.0))
    bench.play(steady(35.0, 40.0))

    (first, second) = bench.gap_seconds
    assert first == pytest.approx((20.0, 8.0), abs=late + 0.001)
    assert second == pytest.approx((28.4, 6.6), abs=late + 0.001)


def test_what_comes_long_after_a_burst_lies_where_it_was_heard() -> None:
    bench = Bench()
    bench.play(steady(0.0, 5.0))
    bench.place(8.0, samples=SAMPLE_RATE)  # a burst that does not make good all of a stall, in two reads,
    bench.place(8.3, samples=2 * SAMPLE_RATE)
    bench.play(steady(30.0, 35.0))  # and nothing more of it

    before, after = bench.gap_seconds
    assert before == pytest.approx((5.0, 0.3))
    assert after == pytest.approx((8.3, 21.7))


@pytest.mark.parametrize(("ppm", "jitter"), [(200, 0.0), (-200, 0.0), (200, 0.01), (-200, 0.01), (0, 0.01)])
def test_a_day_of_drift_inserts_nothing_and_keeps_the_labels_right(ppm: int, jitter: float) -> None:
    chance = Random(1)
    bench = Bench()
    every = 0.5 * (1 + ppm * 1e-6)
    sent = [number * every for number in range(1, round(24 * 3600 / every))]

    bench.play(in_order(at + chance.uniform(0, jitter) for at in sent), samples=4000)

    assert bench.gaps == []
    assert bench.timeline.position == 4000 * len(sent)
    assert bench.timeline.drift_ppm == pytest.approx(ppm, abs=5)
    assert abs(bench.label_error(bench.timeline.position, sent[-1])) < 0.06


@pytest.mark.parametrize("ppm", [200, -200])
@pytest.mark.parametrize("read", [0.25, 0.5])
def test_drift_that_shows_packet_by_packet_in_rare_reads_is_no_loss(ppm: int, read: float) -> None:
    bench = Bench()
    every = PACKET * (1 + ppm * 1e-6)
    bench.place(every)
    sent = 1
    for number in range(1, round(2 * 3600 / read)):
        now = every + number * read
        arrived = int(now / every) - sent
        bench.place(now, FRAME * arrived)
        sent += arrived

    assert bench.gaps == []
    assert bench.timeline.drift_ppm == pytest.approx(ppm, abs=5)
    assert abs(bench.label_error(bench.timeline.position, sent * every)) < 0.06


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_packets_missing_without_a_number_are_gaps_and_the_file_keeps_up_with_the_wall(rate: float) -> None:
    chance = Random(2)
    bench = Bench()
    furthest = 0.0
    missing = 0
    for at in steady(0.0, 3600.0):
        if at > 1.0 and chance.random() < rate:
            missing += FRAME
            continue
        bench.place(at)
        if bench.settled:
            furthest = max(furthest, abs(at - bench.timeline.position / SAMPLE_RATE))
    bench.flush()

    assert furthest < TOLERANCE + PACKET
    assert abs(missing - sum(gap.samples for gap in bench.gaps)) < (TOLERANCE + PACKET) * SAMPLE_RATE
    assert {gap.reason for gap in bench.gaps} == {GapReason.STALLED}


@pytest.mark.parametrize(("jitter", "ppm"), [(0.0, 0), (0.05, 0), (0.0, 200)])
def test_ten_thousand_pauses_do_not_add_up_to_an_error(jitter: float, ppm: int) -> None:
    chance = Random(3)
    bench = Bench()
    at = arrived = furthest = 0.0
    for _ in range(10_000):
        for _ in range(chance.randint(1, 25)):
            at += PACKET * (1 + ppm * 1e-6)
            arrived = max(arrived, at + chance.uniform(0, jitter))
            bench.place(arrived)
            if bench.settled:
                furthest = max(furthest, abs(at - bench.timeline.position / SAMPLE_RATE))
        at += chance.uniform(0.15, 3.0)
    bench.flush()

    assert furthest < PACKET + jitter
    assert abs(at - bench.timeline.position / SAMPLE_RATE) < 3.0 + jitter


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_jitter_of_80_ms_inserts_nothing(seed: int) -> None:
    chance = Random(seed)
    bench = Bench()

    bench.play(in_order(at + chance.uniform(0, 0.08) for at in steady(0.0, 3600.0)))

    assert bench.gaps == []
    assert bench.timeline.drift_ppm == pytest.approx(0, abs=5)


def test_numbers_that_show_loss_fill_what_they_say() -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))

    bench.place(20.1, lost=4 * FRAME)
    bench.play(steady(20.1, 30.0))

    assert bench.gaps == [Gap(20 * SAMPLE_RATE, 4 * FRAME, GapReason.LOST)]


def test_a_leap_of_the_numbers_without_time_inserts_no_more_than_the_tolerance() -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))

    bench.place(20.02, lost=2999 * FRAME)
    bench.play(steady(20.02, 60.0))
    bench.place(60.02, lost=2999 * FRAME)
    bench.play(steady(60.02, 80.0))

    assert sum(gap.samples for gap in bench.gaps) <= TOLERANCE * SAMPLE_RATE


def test_leaps_of_the_numbers_without_end_insert_hardly_more() -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))

    for at in steady(20.0, 620.0):
        bench.place(at, lost=2999 * FRAME)

    assert sum(gap.samples for gap in bench.gaps) <= (TOLERANCE + 600 * MAX_DRIFT) * SAMPLE_RATE


def test_numbers_and_time_do_not_count_the_same_loss_twice() -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))

    bench.place(25.02, lost=250 * FRAME)
    bench.play(steady(25.02, 40.0))

    assert sum(gap.samples for gap in bench.gaps) == 250 * FRAME
    assert bench.timeline.position == 40 * SAMPLE_RATE


@pytest.mark.parametrize("away", [0.5, 7.0, 55.0])
@pytest.mark.parametrize("leap", [timedelta(0), timedelta(hours=-3), timedelta(days=400)])
def test_a_reconnect_is_a_gap_by_the_monotonic_clock_whatever_the_wall_clock_does(
    away: float, leap: timedelta
) -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))
    bench.flush()

    bench.timeline.connected(20.0 + away - 0.1, UTC_AT_ZERO + timedelta(seconds=20.0 + away - 0.1) + leap)
    bench.play(steady(20.0 + away, 40.0 + away))

    assert bench.gaps == [Gap(20 * SAMPLE_RATE, round(away * SAMPLE_RATE), GapReason.DISCONNECTED)]
    label = UTC_AT_ZERO + leap + timedelta(seconds=30)
    assert abs(bench.timeline.utc_of(30 * SAMPLE_RATE) - label) < timedelta(milliseconds=1)


def test_a_day_of_reconnects_and_stalls_does_not_add_up_to_an_error() -> None:
    chance = Random(4)
    bench = Bench()
    at = 0.0
    while at < 24 * 3600:
        pause = chance.choice([chance.uniform(0.15, 50.0), chance.uniform(0.2, 5.0)])
        flow = chance.randint(3, 400) * 0.5
        bench.play(steady(at, at + flow, every=0.5), samples=4000)
        bench.flush()
        assert abs(at + flow - bench.timeline.position / SAMPLE_RATE) < PACKET
        at += flow + pause
        if chance.random() < 0.5:
            bench.timeline.connected(at - 0.01, UTC_AT_ZERO + timedelta(seconds=at - 0.01))

    assert len(bench.gaps) > 500


def test_what_is_filled_in_advance_is_not_inserted_again() -> None:
    bench = Bench()
    bench.play(steady(0.0, 20.0))
    bench.flush()

    bench.fill(5.0)
    bench.timeline.connected(28.0, UTC_AT_ZERO + timedelta(seconds=28))
    bench.play(steady(28.0, 30.0))

    assert bench.gaps == [
        Gap(20 * SAMPLE_RATE, 5 * SAMPLE_RATE, GapReason.DISCONNECTED),
        Gap(25 * SAMPLE_RATE, 3 * SAMPLE_RATE, GapReason.DISCONNECTED),
    ]


@pytest.mark.parametrize("ask", [Timeline().time_of, Timeline().utc_of])
def test_there_is_no_time_before_the_first_audio(ask: Callable[[int], object]) -> None:
    with pytest.raises(ValueError, match="before the first"):
        ask(0)


def test_what_is_held_is_placed_in_order_when_nothing_more_will_come() -> None:
    timeline = Timeline()
    timeline.connected(0.0, UTC_AT_ZERO)
    assert timeline.place(Chunk(1.0, b"ab", 1)) == []
    assert timeline.place(Chunk(1.01, b"cd", 1)) == []

    assert timeline.flush() == [Audio(0, b"ab"), Audio(1, b"cd")]


def paced(arrivals: Iterable[float], pause: float, offset: float) -> Iterator[tuple[float, int, float]]:
    """What reads bring that pause after each: when, how many packets, and how long they may have waited."""
    waiting = 0
    paused_at = -1.0
    turn = offset  # when reading goes on after the pause
    for arrival in arrivals:
        if waiting and arrival > turn:
            yield turn, waiting, turn - paused_at
            paused_at, turn, waiting = turn, turn + pause, 0
        if arrival > turn or paused_at < 0:
            yield arrival, 1, 0.0  # reading was on, and nothing came before
            paused_at = arrival
            while turn <= arrival:
                turn += pause
        else:
            waiting += 1
    if waiting:
        yield turn, waiting, turn - paused_at


def play_paced(bench: Bench, arrivals: Iterable[float], pause: float, offset: float) -> None:
    for at, packets, waited in paced(arrivals, pause, offset):
        bench.put += packets * FRAME
        chunk = Chunk(at, bytes(2 * FRAME * packets), FRAME, 0, waited)
        bench._take(bench.timeline.place(chunk))  # the bench's own way to place has no pause


@pytest.mark.parametrize("pause", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("offset", [0.0, 0.03, 0.09])
@pytest.mark.parametrize("stall", [0.3, 2.0])
def test_a_burst_after_a_stall_inserts_nothing_though_reads_pause(
    pause: float, offset: float, stall: float
) -> None:
    bench = Bench()
    arrivals = [*steady(0.0, 10.1), *[10.1 + stall] * round(stall * 50), *steady(10.1 + stall, 20.0)]

    play_paced(bench, arrivals, pause, offset)
    bench.flush()

    assert bench.gaps == []


@pytest.mark.parametrize("pause", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("offset", [0.0, 0.03, 0.09])
@pytest.mark.parametrize("stall", [0.3, 2.0])
def test_a_stall_without_a_burst_is_one_gap_though_reads_pause(
    pause: float, offset: float, stall: float
) -> None:
    bench = Bench()

    play_paced(bench, [*steady(0.0, 10.1), *steady(10.1 + stall, 20.0)], pause, offset)
    bench.flush()

    ((begin, length),) = bench.gap_seconds
    assert length == pytest.approx(stall, abs=2 * PACKET)
    assert begin == pytest.approx(10.1, abs=pause + SETTLE + 2 * PACKET)

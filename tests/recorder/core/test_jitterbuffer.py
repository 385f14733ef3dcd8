"""Packets leave in order, each once, and every one that came in is accounted for."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recorder.core.jitterbuffer import CAPACITY, UNREAD, WAIT, JitterBuffer
from recorder.core.packets import DiscardReason, Packets, Run
from recorder.core.reception import ReceptionCounters
from recorder.core.sequence import RestartProbe


def payload(number: int) -> bytes:
    return number.to_bytes(4)


def packet(number: int, *, sequence: int | None = None, ssrc: int = 0) -> Packets:
    """A packet whose payload is its own number; its sequence number is the same unless said otherwise."""
    return Packets(payload(number), 4, (number if sequence is None else sequence) % 65536, ssrc)


def numbers(runs: Iterable[Run]) -> list[int]:
    """The packets in some runs, by the numbers in their payloads."""
    joined = b"".join(run.payload for run in runs)
    return [int.from_bytes(joined[start : start + 4]) for start in range(0, len(joined), 4)]


class Bench:
    """A buffer with all that it gave so far; each packet 20 ms after the one before."""

    def __init__(self) -> None:
        self.counters = ReceptionCounters()
        self.buffer = JitterBuffer(self.counters)
        self.now = 100.0
        self.runs: list[Run] = []

    def put(self, *packets: Packets) -> list[Run]:
        """Packets that arrive one by one."""
        return [run for each in packets for run in self.put_at_once([each])]

    def put_at_once(self, packets: Sequence[Packets]) -> list[Run]:
        """Packets that arrive in one read."""
        self.now += 0.02
        runs = self.buffer.put(packets, self.now)
        self.runs += runs
        return runs

    def flush(self) -> list[int]:
        """All that was given until now and is given at the end."""
        self.runs += self.buffer.flush()
        assert self.buffer.deadline is None
        return numbers(self.runs)

    @property
    def refused(self) -> int:
        counters = self.counters
        return counters.late + counters.duplicate + counters.discarded[DiscardReason.STRAY]


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Numbers in order from anywhere near the wrap, and the same none of which is moved far."""
    first = draw(st.integers(65436, 65540))
    ordered = list(range(first, first + draw(st.integers(2, 150))))
    reach = draw(st.integers(1, 20))
    delays = draw(st.lists(st.integers(0, reach), min_size=len(ordered), max_size=len(ordered)))
    delays[0] = -1  # a stream begins with its first packet: nobody can know of one before
    moved = sorted(zip(ordered, delays, strict=True), key=lambda each: each[0] + each[1])
    return ordered, [number for number, _ in moved]


@given(order=shuffled(), read=st.integers(1, 15))
def test_any_reordering_within_the_wait_is_undone(order: tuple[list[int], list[int]], read: int) -> None:
    ordered, arrived = order
    bench = Bench()

    for start in range(0, len(arrived), read):
        bench.put_at_once([packet(number) for number in arrived[start : start + read]])

    assert bench.flush() == ordered
    assert (bench.counters.lost, bench.refused) == (0, 0)
    assert all(run.lost == 0 for run in bench.runs)


@given(
    order=shuffled(),
    copies=st.lists(st.tuples(st.integers(0, 149), st.integers(0, 15)), max_size=30),
    read=st.integers(1, 15),
)
def test_duplicates_change_nothing(
    order: tuple[list[int], list[int]], copies: list[tuple[int, int]], read: int
) -> None:
    ordered, arrived = order
    for place, behind in copies:
        number = arrived[place % len(arrived)]
        arrived.insert(min(arrived.index(number) + 1 + behind, len(arrived)), number)
    bench = Bench()

    for start in range(0, len(arrived), read):
        bench.put_at_once([packet(number) for number in arrived[start : start + read]])

    assert bench.flush() == ordered
    assert (bench.counters.lost, bench.refused) == (0, bench.counters.duplicate)
    assert bench.counters.duplicate == len(copies)


def test_packets_in_order_pass_at_once_as_one_run() -> None:
    bench = Bench()

    runs = bench.put_at_once([packet(number) for number in range(65530, 65545)])

    assert runs == [Run(bench.now, b"".join(map(payload, range(65530, 65545))), frame=4)]
    assert bench.buffer.deadline is None


def test_packets_without_numbers_pass_as_they_come() -> None:
    bench = Bench()

    runs = bench.put_at_once([Packets(payload(3) + payload(3), 4), Packets(payload(1), 4)])

    assert numbers(runs) == [3, 3, 1]


def test_a_payload_of_odd_length_is_a_run_of_its_own() -> None:
    bench = Bench()

    runs = bench.put_at_once([Packets(b"ab", 2), Packets(b"cdefgh", 3), Packets(b"ij", 2), Packets(b"kl", 2)])

    assert [run.payload for run in runs] == [b"ab", b"cde", b"fgh", b"ijkl"]
    assert [run.frame for run in runs] == [2, 3, 3, 2]


def test_loss_is_declared_after_the_wait_and_where_it_was() -> None:
    bench = Bench()
    bench.put(packet(65534))
    held_since = bench.now + 0.02

    assert bench.put(packet(2), packet(3)) == []  # 65535, 0 and 1 are missing
    assert bench.buffer.deadline == held_since + WAIT + UNREAD
    assert bench.buffer.tick(held_since + WAIT + UNREAD - 0.001) == []
    assert bench.counters.lost == 0

    runs = bench.buffer.tick(held_since + WAIT + UNREAD)

    assert [(run.at, run.lost, numbers([run])) for run in runs] == [
        (held_since, 3, [2]),
        (pytest.approx(held_since + 0.02), 0, [3]),
    ]
    assert bench.counters.lost == 3
    assert bench.buffer.deadline is None


def test_a_packet_that_lay_unread_while_it_was_missing_is_not_lost() -> None:
    bench = Bench()
    bench.put_at_once([packet(10), packet(12), packet(13)])
    interval = WAIT + 0.2

    assert bench.buffer.tick(bench.now + interval) == [], "no read has come since"
    bench.now += interval
    assert bench.buffer.put([packet(14)], bench.now, waited=interval) == [], "a read comes in pieces"
    runs = bench.put_at_once([packet(11), packet(15)])

    assert numbers(runs) == [11, 12, 13, 14, 15]
    assert (bench.counters.lost, bench.refused) == (0, 0)


def test_loss_is_declared_by_the_next_read_that_does_not_have_it() -> None:
    bench = Bench()
    bench.put_at_once([packet(10), packet(12), packet(13)])
    bench.now += WAIT

    runs = bench.put_at_once([packet(14), packet(15)])

    assert [(run.lost, numbers([run])) for run in runs] == [(1, [12, 13]), (0, [14, 15])]


def test_two_holes_are_declared_each_in_its_place() -> None:
    bench = Bench()
    bench.put_at_once([packet(number) for number in (10, 12, 13, 16)])

    runs = bench.buffer.tick(bench.now + WAIT + UNREAD)

    assert [(run.lost, numbers([run])) for run in runs] == [(1, [12, 13]), (2, [16])]
    assert bench.counters.lost == 3


def test_the_end_of_a_stream_gives_what_was_held() -> None:
    bench = Bench()
    bench.put(packet(10), packet(12))

    runs = bench.buffer.flush()

    assert [(run.lost, numbers([run])) for run in runs] == [(1, [12])]


def test_a_burst_behind_a_hole_is_not_held_without_bound() -> None:
    bench = Bench()
    bench.put(packet(0))

    runs = bench.put_at_once([packet(number) for number in range(2, CAPACITY + 3)])

    assert (runs[0].lost, numbers(runs)) == (1, list(range(2, CAPACITY + 3)))


def test_a_packet_that_comes_after_it_was_declared_lost_is_late() -> None:
    bench = Bench()
    bench.put(packet(10), packet(12))
    bench.buffer.tick(bench.now + WAIT + UNREAD)

    assert bench.put(packet(11)) == []
    assert (bench.counters.late, bench.counters.lost, bench.counters.duplicate) == (1, 1, 0)
    assert numbers(bench.put(packet(13))) == [13]


@pytest.mark.parametrize("at_once", [True, False], ids=["in one read", "one by one"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([10, 11], [5000, 5001, 5002], id="far forward"),
        pytest.param([5000, 5001], [10, 11, 12], id="far backward"),
        pytest.param([500, 501, 502, 503], [500, 501, 502, 503], id="close by backward"),
        pytest.param([65534, 65535], [1000, 1001], id="backward over the wrap"),
        pytest.param([10, 12], [5000, 5001], id="while one is missing"),
    ],
)
def test_no_audio_is_lost_when_a_sender_begins_again(
    before: list[int], after: list[int], at_once: bool
) -> None:
    bench = Bench()
    packets = [packet(100 + place, sequence=sequence) for place, sequence in enumerate([*before, *after])]

    if at_once:
        bench.put_at_once(packets)
    else:
        bench.put(*packets)
    bench.put(packet(999, sequence=after[-1] + 1))

    assert bench.flush() == [*range(100, 100 + len(packets)), 999]
    assert bench.refused == 0


@pytest.mark.parametrize("at_once", [True, False], ids=["in one read", "one by one"])
def test_no_audio_is_lost_when_another_source_takes_over(at_once: bool) -> None:
    bench = Bench()
    sequence = [(10, 1), (11, 1), (13, 1), (7000, 2), (7001, 2), (10, 1), (11, 1), (5, 3)]
    packets = [packet(place, sequence=number, ssrc=ssrc) for place, (number, ssrc) in enumerate(sequence)]

    if at_once:
        bench.put_at_once(packets)
    else:
        bench.put(*packets)

    assert bench.flush() == list(range(8))
    assert (bench.counters.lost, bench.refused) == (1, 0)


@pytest.mark.parametrize("far", [4000, -4000, 30000])
def test_a_single_packet_from_far_away_is_dropped_and_counted(far: int) -> None:
    bench = Bench()

    bench.put(packet(10), packet(11), packet(7, sequence=11 + far), packet(12), packet(13))

    assert bench.flush() == [10, 11, 12, 13]
    assert bench.counters.discarded == {DiscardReason.STRAY: 1}
    assert bench.counters.lost == 0


def test_numbers_that_never_change_lose_no_audio() -> None:
    bench = Bench()

    bench.put(*(packet(place, sequence=7) for place in range(5 * RestartProbe.CREDULITY)))

    assert bench.flush() == list(range(5 * RestartProbe.CREDULITY))
    assert bench.refused == 0


@settings(max_examples=200)
@given(
    reads=st.lists(
        st.lists(
            st.tuples(st.integers(0, 40) | st.integers(0, 65535), st.sampled_from([0, 0, 0, 1])), max_size=12
        ),
        max_size=30,
    ),
    seconds=st.sampled_from([0.001, 0.02, 0.3]),
)
@example(reads=[[(0, 0)], [(2, 0), (5000, 0)], [(5001, 0), (0, 1)]], seconds=0.02)
def test_with_any_numbers_every_packet_comes_out_or_is_counted(
    reads: list[list[tuple[int, int]]], seconds: float
) -> None:
    bench = Bench()
    place = 0
    for read in reads:
        packets = []
        for sequence, ssrc in read:
            packets.append(packet(place, sequence=sequence, ssrc=ssrc))
            place += 1
        bench.now += seconds
        bench.put_at_once(packets)

    out = bench.flush()

    assert len(out) + bench.refused == place
    assert len(set(out)) == len(out)
    assert sum(run.lost for run in bench.runs) == bench.counters.lost

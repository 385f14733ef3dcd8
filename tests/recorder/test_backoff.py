"""Waiting: bounded, jittered, and begun anew only by audio."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from recorder.core.backoff import STEADY, Backoff, Pace
from recorder.rate import Rate

PACE = Pace(floor=1.0, base=2.0, cap=30.0)
chances = st.floats(0, 1)


@given(st.lists(chances, min_size=1, max_size=100))
def test_every_delay_is_between_floor_and_cap(drawn: list[float]) -> None:
    backoff = Backoff()

    assert all(PACE.floor <= backoff.delay(PACE, chance) <= PACE.cap for chance in drawn)


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff()

    assert [backoff.delay(PACE, 1.0) for _ in range(6)] == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_handshake_that_brings_little_audio_does_not_begin_anew() -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.delay(PACE, 1.0)
        backoff.flowed(STEADY - 0.1)

    assert backoff.delay(PACE, 1.0) == PACE.cap


def test_steady_audio_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(9):
        backoff.delay(PACE, 1.0)
    backoff.flowed(STEADY)

    assert backoff.delay(PACE, 1.0) == PACE.base


def test_a_thousand_that_ask_at_once_are_spaced_out() -> None:
    rate = Rate(15)

    moments = [rate.reserve(100.0) for _ in range(1000)]

    assert moments[0] == 100.0
    assert all(later - earlier >= 1 / 15 - 1e-9 for earlier, later in pairwise(moments))


def test_time_that_nobody_used_is_not_saved_up_for_a_burst() -> None:
    rate = Rate(10)
    rate.reserve(0.0)

    assert [rate.reserve(60.0) for _ in range(3)] == [60.0, 60.1, 60.2]

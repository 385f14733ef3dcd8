"""Waiting: bounded, jittered, and begun anew only by audio."""

from hypothesis import given
from hypothesis import strategies as st

from recorder.core.backoff import STEADY, Backoff, Pace

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

"""Sequence numbers of 16 bits, without end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.packets import Packets
from recorder.core.sequence import MAX_DROPOUT, MAX_MISORDER, RestartProbe, belongs, extend


@given(near=st.integers(-(10**6), 10**9), distance=st.integers(-(1 << 15), (1 << 15) - 1))
def test_extending_finds_the_number_that_is_nearest(near: int, distance: int) -> None:
    assert extend((near + distance) % 65536, near) == near + distance


@pytest.mark.parametrize(
    ("sequence", "near", "extended"),
    [(0, 65536, 65536), (0, 65535, 65536), (65535, 65536, 65535), (65535, 0, -1), (3, 131_070, 131_075)],
)
def test_numbers_go_on_beyond_the_wrap(sequence: int, near: int, extended: int) -> None:
    assert extend(sequence, near) == extended


@pytest.mark.parametrize(
    ("distance", "does"),
    [
        (0, True),
        (MAX_DROPOUT - 1, True),
        (MAX_DROPOUT, False),
        (-MAX_MISORDER, True),
        (-MAX_MISORDER - 1, False),
    ],
)
def test_numbers_belong_within_the_bounds_of_rfc_3550(distance: int, does: bool) -> None:
    assert belongs(70_000 + distance, 70_000) is does


def test_two_consecutive_suspects_are_a_restart_and_none_of_them_is_lost() -> None:
    probe = RestartProbe()
    first, second = Packets(b"ab", 2, 65535, 1), Packets(b"cd", 2, 0, 1)

    assert probe.suspect(first, 1.0) is False
    assert probe.suspect(second, 1.02) is True
    assert probe.restarted() == [(first, 1.0), (second, 1.02)]
    assert probe.dismiss() == 0


def test_suspects_without_any_order_are_believed_after_a_while() -> None:
    probe = RestartProbe()

    verdicts = [probe.suspect(Packets(b"ab", 2, 7, 1), 0.0) for _ in range(RestartProbe.CREDULITY)]

    assert verdicts == [False] * (RestartProbe.CREDULITY - 1) + [True]


def test_suspects_that_nothing_followed_up_are_counted_when_they_are_dropped() -> None:
    probe = RestartProbe()
    probe.suspect(Packets(b"ab", 2, 9000, 1), 0.0)

    assert probe.dismiss() == 1
    assert probe.restarted() == []

"""A gap is divided by what there was: no connection, or one that stood and brought nothing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.media import SAMPLE_RATE
from recorder.core.outage import MOST_SPANS, SURELY_STALLED, UNPROVEN, Outage
from recorder.core.timeline import Gap
from storage.manifest import GapReason

D, S = GapReason.DISCONNECTED, GapReason.STALLED
HEARD = 100.0
"""When audio was heard last, at sample 0."""


def outage(*times: tuple[float, float]) -> Outage:
    """One with these times without a connection, in seconds since audio was heard."""
    made = Outage(0.0)
    made.end(1.0)
    made.heard()
    for lost, connected in times:
        made.begin(HEARD + lost)
        made.end(HEARD + connected)
    return made


def divided(made: Outage, seconds: float, begin: float = 0.0) -> list[tuple[float, GapReason]]:
    gap = Gap(round(begin * SAMPLE_RATE), round(seconds * SAMPLE_RATE), D)
    parts = made.divide(gap, lambda sample: HEARD + sample / SAMPLE_RATE)
    return [(part.samples / SAMPLE_RATE, part.reason) for part in parts]


@pytest.mark.parametrize(
    ("times", "seconds", "parts"),
    [
        ([(0.5, 1.5)], 3, [(3, D)]),
        ([(1.9, 4)], 5, [(5, D)]),
        ([(2, 4)], 5, [(2, S), (3, D)]),
        ([(0, 1)], 5.9, [(5.9, D)]),
        ([(0, 1)], 6, [(1, D), (5, S)]),
        ([(20, 20.5)], 54, [(20, S), (0.5, D), (33.5, S)]),
        ([(20, 20.5), (24, 24.5)], 25, [(20, S), (5, D)]),
        (
            [(20, 20.5), (40, 41), (80, 82)],
            100,
            [(20, S), (0.5, D), (19.5, S), (1, D), (39, S), (2, D), (18, S)],
        ),
        ([], 5, [(5, D)]),
    ],
)
def test_silence_is_told_by_what_stood(
    times: list[tuple[float, float]], seconds: float, parts: list[tuple[float, GapReason]]
) -> None:
    assert divided(outage(*times), seconds) == parts


def test_a_part_of_a_gap_is_told_as_the_whole() -> None:
    made = outage((20, 30))

    assert divided(made, 10, begin=15) == [(5, S), (5, D)]
    assert divided(made, 5, begin=22) == [(5, D)]
    assert divided(made, 20, begin=25) == [(5, D), (15, S)]


def test_what_is_not_over_lasts() -> None:
    made = outage()
    made.begin(HEARD + 10)

    assert divided(made, 60) == [(10, S), (50, D)]
    assert (made.first, made.seconds) == (HEARD + 10, 0)


def test_other_gaps_are_left_alone() -> None:
    gap = Gap(0, SAMPLE_RATE, GapReason.LOST)

    assert outage((0, 1)).divide(gap, float) == [gap]


def test_what_nobody_would_have_heard_is_no_outage() -> None:
    made = outage((0, 10))
    made.begin(HEARD + 20)
    made.excuse(HEARD + 25)

    assert (made.first, made.seconds) == (None, 15)


moments = st.lists(st.integers(0, 400), min_size=1, max_size=2 * MOST_SPANS + 20, unique=True).map(sorted)


@given(moments, st.integers(1, 500), st.integers(0, 300))
def test_no_sample_is_added_or_lost_and_neighbours_differ(times: list[int], seconds: int, begin: int) -> None:
    made = outage(*((lost, connected) for lost, connected in zip(times[::2], times[1::2], strict=False)))

    parts = divided(made, seconds, begin)

    assert sum(length for length, _ in parts) == seconds
    assert all(length > 0 for length, _ in parts)
    assert all(one is not other for (_, one), (_, other) in itertools.pairwise(parts))
    stalled = sum(length for length, reason in parts if reason is S)
    away = sum(
        max(0, min(b, begin + seconds) - max(a, begin)) for a, b in zip(times[::2], times[1::2], strict=False)
    )
    assert stalled <= seconds - away, "what had no connection did not stand"
    assert SURELY_STALLED < UNPROVEN

"""What a day is drawn from, and how its times are reckoned."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.simulator import Away, Crowded, Deployed, Unannounced
from tests.day.plan import CALLS, STORIES, TROUBLES, draw
from tests.day.spans import Span, both, length, minus, outside, touches, union

ROOT = Path(__file__).parent.parent.parent
MOMENTS = st.integers(0, 20).map(float)
SPANS = st.lists(st.tuples(MOMENTS, MOMENTS), max_size=6)


def covered(spans: list[Span]) -> set[float]:
    """The halves of seconds that are in any of them."""
    return {n + 0.5 for n in range(20) if any(begin <= n and n + 1 <= end for begin, end in spans)}


@given(SPANS, SPANS)
def test_spans_are_sets_of_moments(some: list[Span], others: list[Span]) -> None:
    assert covered(union(some)) == covered(some)
    assert covered(minus(some, others)) == covered(some) - covered(others)
    assert covered(both(some, others)) == covered(some) & covered(others)
    assert covered(outside(some, 3.0, 9.0)) == covered([(3.0, 9.0)]) - covered(some)
    assert length(union(some)) == len(covered(some))


def test_spans_touch_at_their_ends() -> None:
    assert touches([(1.0, 2.0)], 2.0, 3.0)
    assert not touches([(1.0, 2.0)], 2.1, 3.0)


def test_a_seed_is_a_day() -> None:
    one, again, other = draw(5), draw(5), draw(6)

    assert [(each.at, type(each)) for each in one.day] == [(each.at, type(each)) for each in again.day]
    assert list(one.watches) == list(again.watches)
    assert list(one.watches) != list(other.watches)


@pytest.mark.parametrize("seed", range(5))
def test_every_story_is_told_and_in_a_long_day_everything_goes_wrong(seed: int) -> None:
    plan = draw(seed, seconds=200)
    troubles = [each for each in plan.day if isinstance(each, Away | Crowded | Unannounced)]
    kinds = Counter(
        (type(each), type(each.trouble), each.api, each.events) if isinstance(each, Away) else type(each)
        for each in troubles
    )

    assert {*plan.stories.values()} == {tell.__name__ for tell in (*STORIES, *CALLS)}
    assert len(plan.watches) == len(plan.stories) == 26
    assert sum(kinds.values()) >= len(TROUBLES)
    assert len(kinds) >= len(TROUBLES) - 1, "503 and 429 are both refusals"
    assert sum(isinstance(each, Deployed) for each in plan.day) == 1
    assert max(each.at for each in plan.day) < plan.seconds


def test_the_command_says_how_a_day_is_lived_through() -> None:
    command = [sys.executable, "-m", "tests.day", "--help"]

    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0
    assert "--seed" in result.stdout

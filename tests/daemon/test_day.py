"""The installed daemon with `observe`, through a day of a platform that was drawn from a seed; see `tests.day`."""

from pathlib import Path

import pytest

from tests.day.ground import live
from tests.day.oracle import judge
from tests.day.plan import draw
from tests.day.table import lines

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

SEED = 6


async def test_every_second_of_a_day_is_recorded_or_accounted_for_and_nobody_is_hammered(
    tmp_path: Path,
) -> None:
    judgements, faults = judge(await live(draw(SEED), tmp_path))

    assert not faults, "\n".join([f"seed {SEED}", *lines(judgements, faults)])
    assert not [each.watch for each in judgements if each.faults], "\n".join(
        [f"seed {SEED}", *lines(judgements, faults)]
    )

"""Two thousand watch-hours with faults, on virtual time: the promise holds in every world."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.core.media import Codec
from tests.simulation.oracle import judge
from tests.simulation.plan import Death, StoreTrouble, Trouble, draw
from tests.simulation.tape import Tape, find
from tests.simulation.world import simulate

SEEDS = range(7)
"""Worlds of 288 watch-hours. Those of even seeds have no kills: every sample must be there."""
OBSERVED_SEEDS = range(2, 6)
"""Worlds of 72 watch-hours."""
ROOT = Path(__file__).parent.parent.parent
MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own in it


@pytest.fixture
def folder() -> Iterator[Path]:
    """A spool in memory where there is room: what is tested is the order of steps and not a disk."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.timeout(600)  # seconds of CPU, on a machine that may have little of it
@pytest.mark.parametrize("seed", SEEDS)
def test_everything_that_was_said_is_in_the_bucket_or_accounted_for(seed: int, folder: Path) -> None:
    verdict = judge(simulate(draw(seed), folder / "spool"))

    again = f"python -m tests.simulation --hours 1 --seed {seed}"
    assert not verdict.faults, "\n".join((*verdict.faults[:20], again))
    assert verdict.heard > 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", OBSERVED_SEEDS)
def test_so_it_is_where_the_platform_says_who_is_there(seed: int, folder: Path) -> None:
    """It says so late, in outages not at all, and of its events some are lost."""
    verdict = judge(simulate(draw(seed, hours=6, observed=True), folder / "spool"))

    again = f"python -m tests.simulation --hours 1 --seed {seed} --days 0.25 --observed"
    assert not verdict.faults, "\n".join((*verdict.faults[:20], again))
    assert verdict.heard > 0


def test_the_worlds_of_a_run_have_all_faults_and_two_thousand_hours() -> None:
    plans = [draw(seed) for seed in SEEDS]

    assert sum(plan.hours for plan in plans) >= 2000
    assert {s.kind for plan in plans for p in plan.programmes for s in p.troubles} == set(Trouble)
    assert {spell.kind for plan in plans for spell in plan.store} == set(StoreTrouble)
    assert {end.kind for plan in plans for end in plan.ends} == set(Death)
    assert {p.codec for plan in plans for p in plan.programmes} == set(Codec)
    assert any(plan.steps for plan in plans)
    assert sum(plan.kills for plan in plans) > 30


@pytest.mark.timeout(600)
def test_a_seed_is_the_same_world_each_time(folder: Path) -> None:
    plan = draw(1, watches=2, hours=5)

    traces = {simulate(plan, folder / f"spool-{number}").trace for number in range(2)}
    other = simulate(draw(3, watches=2, hours=5), folder / "spool-other").trace

    assert len(traces) == 1
    assert other not in traces


def test_any_fifth_of_a_second_tells_where_it_is_from() -> None:
    for codec in Codec:
        heard = Tape(1, codec).heard(400_000)

        assert all(find(heard[at : at + 1600], heard, 0) == at for at in range(0, 390_000, 997))


def test_it_can_be_run_by_hand() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--hours", "2", "--watches", "2", "--days", "0.1"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "watch-hours" in result.stdout

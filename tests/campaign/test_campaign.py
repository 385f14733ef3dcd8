"""The quick campaign is a part of the suite, but for the faults that want a machine to themselves."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaign import table
from tests.campaign.bucket import left
from tests.campaign.faults import FAULTS
from tests.campaign.judge import Judgement
from tests.campaign.rows import Allowance, Findings, not_run, row

ROOT = Path(__file__).parent.parent.parent
SAID = Judgement(
    sent=80_000, lost=4000, reported=4000, dropped=(0, 0), carried=(40_000, 36_000), wrong=0, astray=0
)


def campaign(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.campaign", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_no_fault_loses_more_than_it_may_and_all_that_is_lost_is_reported() -> None:
    faults = [fault.name for fault in FAULTS if not fault.by_arrival]
    result = campaign("--quick", "--json", *(f"--fault={name}" for name in faults))

    assert result.stdout, result.stderr
    said = json.loads(result.stdout)
    bad = {each["fault"]: each["complaints"] for each in said["rows"] if each["complaints"]}
    assert bad == {}
    assert result.returncode == 0
    assert len(said["rows"]) >= len(faults)
    for each in said["rows"]:
        assert each["good"] is (each["not_run"] is None), each
        assert each["not_run"] or each["times"] >= 1


def test_a_fault_that_there_is_not_is_refused() -> None:
    result = campaign("--fault", "locusts")

    assert result.returncode == 2
    assert "locusts" in result.stderr
    assert "kill-recovery" in result.stderr


def test_the_help_shows_how_it_is_run() -> None:
    result = campaign("--help")

    assert result.returncode == 0
    assert "python -m tests.campaign --quick" in result.stdout


def test_every_fault_has_a_name_of_its_own_and_a_bound() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(fault.bound for fault in FAULTS)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Findings((replace(SAID, reported=3999),)), "differ by 1"),
        (
            Findings((replace(SAID, astray=1, worst=(8000, 4000, 3999)),)),
            "a gap of 4000 samples, 1.0 s after",
        ),
        (Findings((replace(SAID, wrong=1),)), "1 samples are not what was sent"),
        (Findings((replace(SAID, dropped=(8001, 0)),)), "8001 samples of a stream 5.0 s old"),
        (
            Findings((replace(SAID, dropped=(0, 12_001), carried=(40_000, 16_000)),)),
            "12001 samples of a stream",
        ),
        (Findings((SAID,), objects=1), "1 objects are wrong"),
        (Findings((SAID,), complaints=("left in the spool: x.wav",)), "left in the spool"),
        (Findings(), "nothing was sent"),
    ],
)
def test_what_is_not_as_it_must_be_makes_a_row_bad(found: Findings, words: str) -> None:
    weighed = row("a fault", 1, found, Allowance(dropped=8000))

    assert weighed.bad
    assert not weighed.good
    assert any(words in complaint for complaint in weighed.complaints), weighed.complaints
    assert any(f"WRONG: a fault: {complaint}" in table.lines([weighed]) for complaint in weighed.complaints)


def test_what_is_as_it_must_be_makes_a_row_good() -> None:
    weighed = row("a fault", 3, Findings((SAID,)), Allowance(), "a note")

    assert weighed.good
    printed = list(table.lines([weighed]))
    assert any(
        line.split() == ["a", "fault", "3", "10.00", "0.50", "0.50", "0", "0", "0", "0", "ok"]
        for line in printed
    )
    assert "a fault: a note" in printed


def test_a_busy_machine_is_allowed_for_and_what_must_be_exact_stays_so() -> None:
    assert Allowance(0, 0, 0).easier(800) == Allowance(0, 0, 0, eased=800)
    assert Allowance(8000, 0, 160).easier(800) == Allowance(8800, 0, 960, eased=800)
    assert Allowance(0, 0, 0).easier(801) == Allowance(0, 801, 801, eased=801)


def test_a_fault_that_is_never_injected_is_not_survived() -> None:
    assert row("a fault", 0, Findings((SAID,)), Allowance()).complaints == ("it was never injected",)


def test_a_fault_that_was_not_run_is_neither_good_nor_bad_and_says_why() -> None:
    skipped = not_run("power cut", "only root may mount a disk")

    assert not skipped.good
    assert not skipped.bad
    assert any(line.endswith("not run: only root may mount a disk") for line in table.lines([skipped]))


def test_what_is_left_in_a_spool_is_said_and_worst_of_all_what_is_in_no_state(tmp_path: Path) -> None:
    (tmp_path / "quarantine").mkdir()
    for name in (".claim", "a.wav.open", "a.facts", "b.flac", "b.json", "c.wav", "d.facts"):
        (tmp_path / name).touch()
    (tmp_path / "quarantine" / "e.wav").touch()

    found = left(tmp_path)

    assert found.objects == 1
    assert found.complaints == (
        "set aside: e.wav",
        "neither open nor sealed: c.wav",
        "neither open nor sealed: d.facts",
        "6 files are left in the spool, a.facts and others",
    )


def test_a_spool_that_is_empty_but_for_its_hints_is_as_it_must_be(tmp_path: Path) -> None:
    (tmp_path / ".claim").touch()
    (tmp_path / ".last").mkdir()

    assert left(tmp_path) == Findings()

"""A benchmark from end to end, as short as it can be. It says nothing about speed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_restart_of_the_platform_under_tls_loses_nothing() -> None:
    arguments = [
        "--streams",
        "5",
        "--away",
        "1",
        "--connect-rate",
        "50",
        "--segment",
        "5s",
        "--tls",
        "--json",
    ]

    result = bench("restart", *arguments)

    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["up"] == 5
    assert said["seconds"] <= said["bound"]
    assert said["lost_after"] == 0


def test_growth_has_a_row_for_each_number_of_streams() -> None:
    result = bench(
        "growth", "--streams", "3", "--seconds", "1", "--segment", "5s", "--together", "5", "--json"
    )

    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["rows"]
    assert row["streams"] == 3
    assert row["lost"] == 0


def test_whoever_is_live_is_found_and_so_is_whoever_begins_later() -> None:
    result = bench("discovery", "--conferences", "150", "--live", "5", "--seconds", "3", "--json")

    assert result.stdout, result.stderr
    said = json.loads(result.stdout)
    assert said["seconds"] < 30
    assert said["requests"]["streams"] == 5
    assert said["requests"]["pages"] >= 3, "two with something on them, and the one that has nothing"
    assert said["unheard"] == said["lost"] == said["throttled"] == 0
    assert said["late"]
    assert result.returncode == 0


def test_a_way_that_there_is_not_is_refused() -> None:
    result = bench("density", "--way", "carrier-pigeon")

    assert result.returncode == 2
    assert "carrier-pigeon" in result.stderr
    assert "gorilla" in result.stderr


@pytest.mark.parametrize("command", ["density", "growth", "restart", "discovery"])
def test_each_benchmark_shows_how_it_is_run(command: str) -> None:
    result = bench(command, "--help")

    assert result.returncode == 0
    assert f"python -m tests.bench {command} --" in result.stdout

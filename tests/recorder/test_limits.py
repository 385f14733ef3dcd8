"""The daemon takes all the open files it is permitted, and says so when they will not do."""

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.recorder.configurations import CONFIG, write_configuration
from tests.recorder.test_command import COMMAND, ENVIRON, environment


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a hundred watches, with a platform that is not there."""
    text = CONFIG.replace("s3://bucket/prefix", f"file://{tmp_path}/bucket")
    text = text.replace("wss://voipbin.example/v1.0", "wss://127.0.0.1:9/v1.0")
    return write_configuration(tmp_path, text, watchlist(100))


def watchlist(count: int) -> str:
    ids = (uuid.UUID(int=number) for number in range(1, count + 1))
    return "".join(f'[[conference]]\nid = "{each}"\n' for each in ids)


def limited(soft: int, hard: int, *arguments: str | Path) -> list[str | Path]:
    """The command with limits of open files, as systemd or a shell sets them."""
    return ["sh", "-c", f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" "$@"', COMMAND, *arguments]


@contextmanager
def running(command: list[str | Path]) -> Iterator[tuple[int, Iterator[dict[str, Any]]]]:
    """The process of `run`, and the lines of its log as they come."""
    with subprocess.Popen(command, env=environment(ENVIRON), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield process.pid, map(json.loads, process.stderr)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def until(lines: Iterator[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    for line in lines:
        seen.append(line)
        if line["event"] == event:
            return seen
    raise AssertionError(seen)


def about_the_configuration(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Only these: that the platform is not there is said as well, sooner or later."""
    return [line for line in said if line["event"] == "configuration"]


def test_the_soft_limit_is_raised_to_the_hard_one(config: Path) -> None:
    with running(limited(64, 328, "run", "--config", config)) as (pid, lines):
        said = until(lines, "watching")
        limits = Path(f"/proc/{pid}/limits").read_text()

    (open_files,) = (line.split() for line in limits.splitlines() if line.startswith("Max open files"))
    assert open_files[3:5] == ["328", "328"]
    assert about_the_configuration(said) == [], "328 are enough for a hundred watches"


def test_a_list_that_is_too_long_for_the_hard_limit_is_told_at_the_start_and_when_it_grows(
    config: Path,
) -> None:
    with running(limited(64, 327, "run", "--config", config)) as (pid, lines):
        (warning,) = about_the_configuration(until(lines, "watching"))
        (config.parent / "watchlist.toml").write_text(watchlist(101))
        os.kill(pid, signal.SIGHUP)
        (again,) = about_the_configuration(until(lines, "watching"))

    assert warning["level"] == again["level"] == "warning"
    assert "recorder.toml:1: watchlist: 100 watches take up to 328 open files" in warning["reason"]
    assert "permitted 327" in warning["reason"]
    assert "LimitNOFILE=328" in warning["reason"]
    assert "watchlist.toml: 101 watches take up to 330 open files" in again["reason"]


def test_check_tells_it_too(config: Path) -> None:
    done = subprocess.run(
        limited(64, 327, "check", "--config", config),
        env=environment(ENVIRON),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert "warning: " in done.stderr
    assert "LimitNOFILE=328" in done.stderr

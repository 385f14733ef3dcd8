"""`python -m recorder.simulator`: its little languages, and one rehearsal in a process of its own."""

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from recorder.simulator import (
    AnswerLate,
    Drop,
    Junk,
    NotLive,
    Refuse,
    Reorder,
    Stall,
    Step,
    Tape,
)
from recorder.simulator.__main__ import app
from recorder.simulator.arguments import FAULTS, fleet, read_scripts, read_step, read_watches
from storage.names import WatchKind
from tests.simulator.listening import BOARD, CALL


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("drop:at=8000", Drop(8000)),
        ("drop:at=1.5s,torn=9", Drop(12_000, torn=9)),
        ("stall:at=20s,seconds=3,burst=yes", Stall(160_000, 3.0, burst=True)),
        ("refuse:status=429,retry_after=5,times=2", Refuse(429, retry_after=5, times=2)),
        ("refuse:status=403,reason=ACCOUNT_FROZEN", Refuse(403, "ACCOUNT_FROZEN")),
        ("not-live", NotLive()),
        ("answer-late:seconds=0.5", AnswerLate(0.5)),
        ("reorder:at=0,by=3", Reorder(0, 3)),
        ("junk:at=0,message=hello", Junk(0, "hello")),
        ("junk:at=0,message=0x80ff", Junk(0, b"\x80\xff")),
    ],
)
def test_a_step_is_read_from_the_command_line(text: str, step: Step) -> None:
    assert read_step(text) == step


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("flood:at=1", "'flood' is no fault; there are refuse, "),
        ("drop:when=1", "drop has no 'when'; it has at, torn"),
        ("drop", "drop: at: "),
        ("drop:at=soon", "drop: at: "),
    ],
)
def test_a_step_that_cannot_be_read_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_step(text)


def test_every_fault_has_a_word() -> None:
    assert set(FAULTS.values()) == set(Step.__args__)


def test_steps_go_to_the_watches_they_name() -> None:
    scripts = read_scripts([BOARD, CALL], ["*=drop:at=1", f"{CALL.id.upper()}=not-live"])

    assert scripts == {BOARD: [Drop(1)], CALL: [Drop(1), NotLive()]}


def test_a_step_for_nobody_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nothing is played on 'board'"):
        read_scripts([BOARD], ["board=drop:at=1"])


def test_a_watch_plays_a_file_or_a_shipped_meeting(tmp_path: Path, ramp: Tape) -> None:
    path = tmp_path / "ramp.flac"
    soundfile.write(path, ramp.samples, 8000)

    watches = read_watches(WatchKind.CALL, [f"{CALL.id}={path}", f"{BOARD.id}=standup"])

    assert [tape.name for tape in watches.values()] == ["ramp", "standup"]


def test_what_cannot_be_played_is_explained() -> None:
    with pytest.raises(ValueError, match="shipped with the simulator are planung, "):
        read_watches(WatchKind.CALL, [f"{CALL.id}=nothing.flac"])


def test_a_fleet_is_always_the_same() -> None:
    assert list(fleet(3)) == list(fleet(7))[:3]


@pytest.mark.parametrize(
    "arguments",
    [["--conference", "board=standup"], ["--fault", "*=flood"], ["--frame", "0"], ["--cert", "missing.pem"]],
)
def test_a_mistake_is_an_error_of_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["--port", "0", *arguments]).exit_code == 2


def test_a_rehearsal_ends_with_what_was_sent(tmp_path: Path) -> None:
    watchlist = tmp_path / "watchlist.toml"
    command = [sys.executable, "-m", "recorder.simulator", "--port", "0", "--fleet", "2", "--setup", "0"]
    with subprocess.Popen(
        [*command, "--write-watchlist", str(watchlist)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        listening = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        summary = process.stdout.read()

    ids = [conference["id"] for conference in tomllib.loads(watchlist.read_text())["conference"]]
    assert listening.startswith("listening on ws://127.0.0.1:")
    assert process.returncode == 0
    assert [line.split()[1].rstrip(":") for line in summary.splitlines()] == ids

"""The installed command: what it says, where it says it, and its exit status."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recorder.configurations import (
    BOARD,
    CALL,
    CONFIG,
    TOKEN,
    WRONG_CONFIG,
    WRONG_PLACES,
    WRONG_WATCHLIST,
    unreadable_credential,
    write_configuration,
)

COMMAND = Path(sys.executable).with_name("conference-recorder")
ENVIRON = {"VOIPBIN_TOKEN": TOKEN}


def environment(credentials: dict[str, str]) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("VOIPBIN", "CREDENTIALS"))
    }
    return inherited | credentials


def command(
    *arguments: str | Path, cwd: Path | None = None, credentials: dict[str, str] = ENVIRON
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=cwd,
        env=environment(credentials),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("subcommand", ["run", "check"])
def test_every_mistake_is_named_and_nothing_is_started(tmp_path: Path, subcommand: str) -> None:
    write_configuration(tmp_path, WRONG_CONFIG, WRONG_WATCHLIST)
    credentials = unreadable_credential(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    done = command(subcommand, "--config", "recorder.toml", cwd=tmp_path, credentials=credentials)

    *problems, credential, count = done.stderr.splitlines()
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(problems) == len(WRONG_PLACES)
    for problem, place in zip(problems, WRONG_PLACES, strict=True):
        assert problem.startswith(place)
    assert "voipbin-token: the credential cannot be read: Is a directory" in credential
    assert count == "15 problems; nothing was started"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("subcommand", ["run", "check"])
def test_a_missing_configuration_is_a_mistake_like_any_other(tmp_path: Path, subcommand: str) -> None:
    done = command(subcommand, "--config", "recorder.toml", cwd=tmp_path, credentials={})

    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("recorder.toml: there is no such file")
    assert done.stderr.splitlines()[-1] == "2 problems; nothing was started"


def test_check_shows_what_would_be_recorded_and_starts_nothing(tmp_path: Path) -> None:
    done = command("check", "--config", write_configuration(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    for shown in (
        "wss://voipbin.example/v1.0",
        "s3://bucket/prefix",
        "5m",
        str(tmp_path / "spool"),
        BOARD,
        CALL,
    ):
        assert shown in done.stdout
    assert "token" in done.stdout
    assert TOKEN not in done.stdout
    assert not (tmp_path / "spool").exists()


def test_check_speaks_json(tmp_path: Path) -> None:
    done = command("check", "--json", "--config", write_configuration(tmp_path))
    result = json.loads(done.stdout)

    assert done.returncode == 0
    assert result["ok"] is True
    assert result["credential"] == "token"
    assert result["recording"]["segment"] == 300
    assert [watch["id"] for watch in result["watches"]] == [BOARD, CALL]
    assert TOKEN not in done.stdout


def test_check_tells_mistakes_as_json_too(tmp_path: Path) -> None:
    done = command(
        "check", "--json", "--config", write_configuration(tmp_path, WRONG_CONFIG, WRONG_WATCHLIST)
    )
    result = json.loads(done.stdout)

    assert done.returncode == 2
    assert result["ok"] is False
    assert len(result["problems"]) == len(WRONG_PLACES)
    assert result["problems"][0]["key"] == "colour"
    assert result["problems"][0]["line"] == 2


def test_check_says_which_watches_are_of_this_shard(tmp_path: Path) -> None:
    def checked(shard: str, *arguments: str) -> str:
        config = CONFIG.replace("[recording]", f'[recording]\nshard = "{shard}"')
        done = command("check", "--config", write_configuration(tmp_path, config), *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert "shard 2/3: 1 of 2 to record" in checked("2/3")
    assert (CALL in checked("2/3"), BOARD in checked("2/3")) == (True, False)
    assert "none of the 2 watches of the list is in shard 1/3" in checked("1/3")
    result = json.loads(checked("3/3", "--json"))
    assert (result["recording"]["shard"], result["listed"]) == ("3/3", 2)
    assert [watch["id"] for watch in result["watches"]] == [BOARD]


def test_check_warns_of_what_is_probably_not_meant(tmp_path: Path) -> None:
    config = CONFIG.replace("[recording]", "connect_rate = 50\n[recording]")

    done = command("check", "--config", write_configuration(tmp_path, config, ""))

    assert done.returncode == 0
    assert "voipbin.connect_rate: 50 is more than the 17" in done.stderr
    assert "Nothing would be recorded: the watch list is empty." in done.stdout


def test_run_says_that_nothing_is_watched_and_stops_when_told(tmp_path: Path) -> None:
    config = CONFIG.replace("s3://bucket/prefix", f"file://{tmp_path}/store")
    config = config.replace("wss://voipbin.example/v1.0", "wss://127.0.0.1:9/v1.0")
    path = write_configuration(tmp_path, config, "")
    arguments: list[str | Path] = [COMMAND, "run", "--config", path]
    with subprocess.Popen(arguments, env=environment(ENVIRON), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = [json.loads(process.stderr.readline())]
        while lines[-1]["event"] != "watching":
            lines.append(json.loads(process.stderr.readline()))
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=30)

    assert process.returncode == 0
    assert ("info", "nothing is watched: the watch list is empty") in [
        (line["level"], line["event"]) for line in lines
    ]
    assert TOKEN not in f"{lines}{rest}"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["run", "--nonsense"], ["demo", "--seconds", "x"]])
def test_a_mistake_in_the_command_line_has_status_2(arguments: list[str]) -> None:
    assert command(*arguments).returncode == 2


def test_help_shows_examples() -> None:
    done = command("--help")

    assert done.returncode == 0
    assert "conference-recorder run --config recorder.toml" in done.stdout


def test_the_version_is_that_of_the_distribution() -> None:
    done = command("--version")

    assert (done.returncode, done.stdout) == (0, "conference-recorder 0.1.0\n")

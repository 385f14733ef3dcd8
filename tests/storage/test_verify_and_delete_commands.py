"""`recordings verify` and `recordings delete` as they are installed: what they print, and how they exit."""

import os
import pty
import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.directory import DirectoryStore
from tests.storage.chains import Chain, flipped, good_chain
from tests.storage.segments import BOARD
from tests.storage.test_recordings_command import COMMAND, recordings

RANGE = ("--from", "2026-11-22T12:00:11", "--to", "2026-11-22T12:00:12", "--why", "request 17")


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


@pytest.fixture
def chain(bucket: Path) -> Chain:
    return good_chain(DirectoryStore(bucket))


@pytest.mark.usefixtures("chain")
def test_verify_of_a_sound_bucket_ends_well_and_says_what_it_did_not_check(bucket: Path) -> None:
    result = recordings("verify", "--store", bucket.as_uri())

    assert result.code == 0
    assert result.err == ""
    assert re.search(
        r"2026-11-22 +rec-a +0:00:11.750 +disconnected 0:00:00.250 +start 0:00:10.000", result.out
    )
    assert "6 segments, 0.2 MB hashed: everything is accounted for" in result.out
    assert "not checked: " in result.out


def test_verify_names_what_is_wrong_and_fails(bucket: Path, chain: Chain) -> None:
    broken = bucket / chain.segments[2].audio.key
    broken.write_bytes(flipped(broken.read_bytes(), 1000))

    result = recordings("verify", "1ed1", "--store", bucket.as_uri())

    assert result.code == 1
    assert f"{chain.segments[2].audio.key}: audio altered: " in result.err
    assert "1 faults" in result.out
    assert "a chain ends here, SHA-256 " in result.out


@pytest.mark.usefixtures("chain")
def test_verify_says_all_of_it_to_programs(bucket: Path) -> None:
    said = recordings("verify", "--store", bucket.as_uri(), "--json").json

    assert said["sound"] is True
    (watch,) = said["watches"]
    (day,) = watch["days"]
    assert day == {
        "day": "2026-11-22",
        "recorder": "rec-a",
        "recorded": 11.75,
        "silence": {"disconnected": 0.25},
        "not_recorded": {"start": 10.0, "idle": 60.0, "crash": 30.0},
        "lost": 0.0,
        "unexplained": 0.0,
    }
    assert watch["faults"] == []
    assert [note["message"] for note in watch["notes"]] == [
        "a chain begins here: it is the first of its recorder"
    ]


def test_verify_since_some_days_ago_looks_at_those_only(bucket: Path) -> None:
    good_chain(DirectoryStore(bucket))
    yesterday = Chain(DirectoryStore(bucket), at=datetime.now(UTC).replace(microsecond=0), recorder="rec-b")
    yesterday.record()

    said = recordings("verify", "--store", bucket.as_uri(), "--since", "1h", "--json").json

    assert [watch["segments"] for watch in said["watches"]] == [1]
    said = recordings("verify", "--store", bucket.as_uri(), "--since", "1h", "--to", "30m", "--json").json
    assert said["watches"] == []


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize("since", ["yesterday", "2y", "-1d"])
def test_verify_refuses_a_since_that_is_none(bucket: Path, since: str) -> None:
    assert recordings("verify", "--store", bucket.as_uri(), f"--since={since}").code == 2


def test_verify_of_nothing_is_not_green(bucket: Path) -> None:
    result = recordings("verify", "--store", bucket.as_uri())

    assert result.code == 1
    assert "nothing to verify" in result.err


def test_delete_says_first_what_would_go(bucket: Path, chain: Chain) -> None:
    result = recordings("delete", "1ed1", *RANGE, "--dry-run", "--store", bucket.as_uri())

    assert result.code == 0
    assert re.search(r"12:00:11.000 +0:00:01.000 +rec-a +\S+_7000001 +written anew", result.out)
    assert (bucket / chain.segments[0].audio.key).exists()


@pytest.mark.parametrize("option", ["--why", "--who"])
def test_delete_takes_no_words_that_nobody_could_read_later(bucket: Path, chain: Chain, option: str) -> None:
    """A terminal of another encoding: what it sends is no UTF-8, and a tombstone is."""
    words = os.fsdecode("Müller".encode("latin-1"))

    refused = recordings("delete", "1ed1", *RANGE, option, words, "--yes", "--store", bucket.as_uri())

    assert refused.code == 2
    assert f"{option} is not UTF-8" in refused.err
    assert (bucket / chain.segments[0].audio.key).exists()
    assert not list(bucket.rglob("*.erased-*"))


@pytest.mark.usefixtures("chain")
def test_the_name_of_the_user_must_be_readable_too(bucket: Path) -> None:
    place, user = ("--yes", "--store", bucket.as_uri()), {"LOGNAME": os.fsdecode(b"M\xfcller")}

    assert "--who is not UTF-8" in recordings("delete", "1ed1", *RANGE, *place, environment=user).err


def test_delete_without_a_terminal_wants_yes(bucket: Path, chain: Chain) -> None:
    refused = recordings("delete", "1ed1", *RANGE, "--store", bucket.as_uri())

    assert refused.code == 2
    assert "--yes" in refused.err
    assert (bucket / chain.segments[0].audio.key).exists()

    done = recordings("delete", "1ed1", *RANGE, "--who", "dana", "--yes", "--store", bucket.as_uri())

    assert (done.code, done.err) == (0, "")
    assert "0:00:01.000 erased" in done.out
    assert not (bucket / chain.segments[0].audio.key).exists()
    verified = recordings("verify", "--store", bucket.as_uri())
    assert verified.code == 0
    assert re.search(r"erased 0:00:01.000 by dana at .*: request 17", verified.out)
    listed = recordings("list", "1ed1", "--store", bucket.as_uri())
    assert "erased 0:00:01.000" in listed.out


@pytest.mark.parametrize(
    ("answers", "goes"), [(["n"], False), (["y", "no"], False), (["y", BOARD.id[:8]], True)]
)
def test_delete_asks_twice_on_a_terminal(
    bucket: Path, chain: Chain, answers: list[str], *, goes: bool
) -> None:
    controller, terminal = pty.openpty()
    with (
        os.fdopen(controller, "r+b", buffering=0) as person,
        os.fdopen(terminal, "r+b", buffering=0) as screen,
    ):
        process = subprocess.Popen(
            [COMMAND, "delete", "1ed1", *RANGE, "--store", bucket.as_uri()],
            stdin=screen,
            stdout=screen,
            stderr=screen,
            env={**os.environ, "TERM": "xterm"},
        )
        for question, answer in zip((b"for good?", b"to erase it"), answers, strict=False):
            seen = b""
            until = time.monotonic() + 60
            while question not in seen and time.monotonic() < until:
                seen += person.read(1000)
            person.write(answer.encode() + b"\n")
        code = process.wait(60)

    assert (code == 0) is goes
    assert (bucket / chain.segments[0].audio.key).exists() is not goes


def test_delete_says_what_it_could_not_erase(bucket: Path, chain: Chain) -> None:
    (bucket / chain.segments[0].name.manifest_key).unlink()

    result = recordings("delete", "1ed1", *RANGE, "--yes", "--store", bucket.as_uri(), "--json")

    assert result.code == 1
    assert "not erased" in result.err
    assert [problem["key"] for problem in result.json["problems"]] == [chain.segments[0].audio.key]

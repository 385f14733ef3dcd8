"""`recordings` as it is installed: what it prints, what it writes, how it exits."""

import json
import os
import pty
import subprocess
import sys
import wave
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recorder.simulator.seaweedfs import SeaweedFS
from storage.directory import DirectoryStore
from storage.manifest import ClosedBy, GapReason, LedgerEntry, OpenedAfterReason
from storage.names import AudioFormat, WatchId, WatchKind
from storage.s3 import S3Store
from storage.store import ObjectStore
from tests.storage.segments import BOARD, NOON, RATE, Samples, manifest, seconds, speech, store_segment

COMMAND = Path(sys.executable).with_name("recordings")

CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")

WAV, FLAC = AudioFormat.WAV, AudioFormat.FLAC

IN_EVERY_FORMAT = pytest.mark.parametrize(
    "board", [(WAV, WAV), (FLAC, FLAC), (WAV, FLAC)], indirect=True, ids=["wav", "flac", "both"]
)

TWIN = WatchId(WatchKind.CALL, BOARD.id)
"""A call of the same id as the conference: nothing forbids it."""


class Result:
    """How a command ended."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        assert "Traceback" not in self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def recordings(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> Result:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RECORDINGS_"))
    }
    done = subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        env={**clean, **(environment or {})},
        check=False,
    )
    return Result(done)


def fill(store: ObjectStore, formats: tuple[AudioFormat, AudioFormat] = (WAV, WAV)) -> Samples:
    """Two segments of the board with an idle minute between them, and a call; gives the board's time line."""
    first, second = speech(10 * RATE, 1), speech(5 * RATE, 2)
    first[RATE : 2 * RATE] = 0
    gap = LedgerEntry(start=RATE, samples=RATE, reason=GapReason.DISCONNECTED)
    store_segment(store, first, manifest(first, name="board", ledger=[gap], audio_format=formats[0]))
    store_segment(
        store,
        second,
        manifest(
            second,
            NOON + seconds(70),
            number=1,
            name="board",
            opened_after=OpenedAfterReason.IDLE,
            away=60.0,
            audio_format=formats[1],
        ),
    )
    call = speech(RATE, 3)
    store_segment(store, call, manifest(call, NOON + timedelta(days=1), watch=CALL))
    return np.concatenate([first, np.zeros(60 * RATE, np.int16), second])


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


@pytest.fixture
def board(bucket: Path, request: pytest.FixtureRequest) -> Samples:
    return fill(DirectoryStore(bucket), getattr(request, "param", (WAV, WAV)))


def samples_of(path: Path) -> Samples:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.mark.usefixtures("board")
def test_lists_what_was_recorded(bucket: Path) -> None:
    listed = recordings("list", "--store", bucket.as_uri())

    assert listed.code == 0
    heading, board, call = listed.out.splitlines()
    assert heading.split()[:3] == ["kind", "id", "name"]
    assert board.split() == [
        *("conference", BOARD.id, "board"),
        *("2026-11-22", "12:00:00.000", "2026-11-22", "12:01:15.000"),
        *("2", "0:00:14.000", "0:00:01.000", "93.33%"),
    ]
    assert call.split()[:2] == ["call", CALL.id]


@pytest.mark.usefixtures("board")
def test_lists_for_programs(bucket: Path) -> None:
    listed = recordings("list", "--json", "--store", bucket.as_uri())

    board, call = listed.json["watches"]
    assert board == {
        "kind": "conference",
        "id": BOARD.id,
        "name": "board",
        "names": ["board"],
        "first": "2026-11-22T12:00:00.000000Z",
        "last": "2026-11-22T12:01:15.000000Z",
        "segments": 2,
        "seconds": 14.0,
        "silence_seconds": 1.0,
        "silence": {"disconnected": 1.0, "idle": 60.0},
        "coverage_percent": 100 * 14 / 15,
        "problems": [],
    }
    assert call["id"] == CALL.id


@pytest.mark.usefixtures("board")
def test_lists_the_segments_of_one(bucket: Path) -> None:
    listed = recordings("--store", bucket.as_uri(), "list", "1ed1", "--from", "2026-11-22T12:01")

    title, _heading, segment = listed.out.splitlines()
    assert title == f"conference {BOARD.id} (board): 1 segments"
    assert segment.split() == [
        *("2026-11-22", "12:01:10.000", "0:00:05.000", "rec-a", "ulaw"),
        *("stopped", "idle", "0:01:00.000"),
    ]


def test_lists_the_days_of_one(bucket: Path) -> None:
    store = DirectoryStore(bucket)
    samples = speech(20 * RATE)
    midnight = NOON + timedelta(hours=12)
    store_segment(store, samples, manifest(samples, midnight - seconds(15), closed_by=ClosedBy.CRASH))
    later = manifest(
        samples, midnight + seconds(45), number=1, opened_after=OpenedAfterReason.CRASH, away=40.0
    )
    store_segment(store, samples, later)

    listed = recordings("list", "1ed1", "--by", "day", "--store", bucket.as_uri())
    for_programs = recordings("list", "1ed1", "--by", "day", "--json", "--store", bucket.as_uri())
    refused = recordings("list", "--by", "day", "--store", bucket.as_uri())

    title, heading, first, second = listed.out.splitlines()
    assert title == f"conference {BOARD.id}: 2 days"
    assert heading.split()[:3] == ["day", "(UTC)", "first"]
    assert first.split() == [*("2026-11-22", "23:59:45.000", "00:00:00.000", "1", "0:00:15.000", "100.00%")]
    assert second.split() == [
        *("2026-11-23", "00:00:00.000", "00:01:05.000", "2", "0:00:25.000", "0:00:40.000", "38.46%"),
        *("crash", "0:00:40.000"),
    ]
    assert [(day["day"], day["seconds"], day["silence"]) for day in for_programs.json["days"]] == [
        ("2026-11-22", 15.0, {}),
        ("2026-11-23", 25.0, {"crash": 40.0}),
    ]
    assert refused.code == 2


@pytest.mark.usefixtures("board")
def test_lists_segments_for_programs_as_their_manifests(bucket: Path) -> None:
    listed = recordings(
        "list", BOARD.id.upper(), "--json", "--to", "2026-11-22T13:01+01:00", "--store", bucket.as_uri()
    )

    (segment,) = listed.json["segments"]
    assert segment["schema"] == 1
    assert segment["ledger"] == [{"start": RATE, "samples": RATE, "reason": "disconnected"}]


@IN_EVERY_FORMAT
def test_fetches_all_of_it(bucket: Path, board: Samples, tmp_path: Path) -> None:
    output = tmp_path / "board.wav"

    fetched = recordings("fetch", "1ed1", "-o", output, "--store", bucket.as_uri())

    assert fetched.code == 0
    assert np.array_equal(samples_of(output), board)
    summary, _heading, disconnected, idle = fetched.out.splitlines()
    assert summary == (
        f"{output}: 0:01:15.000 out of 2 segments, from 2026-11-22 12:00:00.000 to 2026-11-22 12:01:15.000"
    )
    assert disconnected.split() == [
        "2026-11-22",
        "12:00:01.000",
        "0:00:01.000",
        "0:00:01.000",
        "disconnected",
    ]
    assert idle.split() == ["2026-11-22", "12:00:10.000", "0:00:10.000", "0:01:00.000", "idle"]
    assert fetched.err == ""  # no progress bar where there is no terminal


@IN_EVERY_FORMAT
def test_fetches_a_range_to_the_sample(bucket: Path, board: Samples, tmp_path: Path) -> None:
    output = tmp_path / "board.wav"

    fetched = recordings(
        *("fetch", BOARD.id, "-o", output, "--store", bucket.as_uri(), "--json"),
        *("--from", "2026-11-22T12:00:05.000125Z", "--to", "2026-11-22T13:01:12.5+01:00"),
    )

    assert fetched.code == 0
    assert np.array_equal(samples_of(output), board[5 * RATE + 1 : 72 * RATE + RATE // 2])
    assert fetched.json["samples"] == 67 * RATE + RATE // 2 - 1
    assert fetched.json["silence"] == [
        {
            "at": 5 * RATE - 1,
            "samples": 60 * RATE,
            "reason": "idle",
            "started_at": "2026-11-22T12:00:10.000000Z",
        }
    ]
    assert fetched.json["complete"] is True


@IN_EVERY_FORMAT
def test_missing_audio_is_silence_and_an_exit_code(bucket: Path, board: Samples, tmp_path: Path) -> None:
    (audio,) = (path for path in bucket.glob("**/*_1.*") if path.suffix != ".json")
    audio.unlink()

    fetched = recordings("fetch", "1ed1", "-o", tmp_path / "board.wav", "--store", bucket.as_uri())

    assert fetched.code == 1
    assert audio.name in fetched.err
    assert "not in the store" in fetched.err
    assert fetched.out.splitlines()[-1].split()[-1] == "missing"
    assert np.array_equal(samples_of(tmp_path / "board.wav")[: 70 * RATE], board[: 70 * RATE])
    assert not samples_of(tmp_path / "board.wav")[70 * RATE :].any()


@pytest.mark.parametrize("damage", ["one bit", "cut short", "another file"])
@IN_EVERY_FORMAT
def test_damaged_audio_is_silence_and_named(
    bucket: Path, board: Samples, tmp_path: Path, damage: str
) -> None:
    (audio,) = (path for path in bucket.glob("**/*_1.*") if path.suffix != ".json")
    data = audio.read_bytes()
    bit = data[:5000] + bytes([data[5000] ^ 4]) + data[5001:]
    audio.chmod(0o644)
    audio.write_bytes({"one bit": bit, "cut short": data[:5000], "another file": b"hello"}[damage])

    fetched = recordings("fetch", "1ed1", "-o", tmp_path / "board.wav", "--store", bucket.as_uri())

    assert fetched.code == 1
    assert audio.name in fetched.err
    assert "its SHA-256 is another" in fetched.err
    assert fetched.out.splitlines()[-1].split()[-1] == "corrupt"
    assert np.array_equal(samples_of(tmp_path / "board.wav")[: 70 * RATE], board[: 70 * RATE])
    assert not samples_of(tmp_path / "board.wav")[70 * RATE :].any()


@pytest.mark.usefixtures("board")
def test_a_damaged_manifest_is_named_and_the_rest_is_listed(bucket: Path) -> None:
    (damaged,) = bucket.glob("**/*_1.json")
    damaged.write_text("{")

    listed = recordings("list", "1ed1", "--store", bucket.as_uri())

    assert listed.code == 1
    assert damaged.name in listed.err
    assert "1 segments" in listed.out


@pytest.mark.usefixtures("board")
def test_never_overwrites_unasked(bucket: Path, tmp_path: Path) -> None:
    output = tmp_path / "board.wav"
    output.write_bytes(b"mine")

    refused = recordings("fetch", "1ed1", "-o", output, "--store", bucket.as_uri())
    assert refused.code == 2
    assert "--force" in refused.err
    assert output.read_bytes() == b"mine"

    forced = recordings("fetch", "1ed1", "-o", output, "--force", "--store", bucket.as_uri())
    assert forced.code == 0
    assert len(samples_of(output)) == 75 * RATE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board.wav", "bucket"]


@pytest.mark.usefixtures("board")
def test_a_range_too_long_for_the_disk_is_refused(bucket: Path, tmp_path: Path) -> None:
    refused = recordings(
        *("fetch", "1ed1", "-o", tmp_path / "board.wav", "--store", bucket.as_uri()),
        *("--from", "1000-01-01", "--to", "9000-01-01"),
    )

    assert refused.code == 1
    assert "choose a shorter range" in refused.err
    assert not (tmp_path / "board.wav").exists()


@pytest.mark.usefixtures("board")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["list", "ffff"], 1, "has no recordings of ffff"),
        (["list", "1ed"], 1, "first 4 digits"),
        (["list", "bored"], 1, "has no recordings of bored; did you mean board?"),
        (["list", "--from", "yesterday"], 2, "expected ISO 8601"),
        (["list", "--from", "2026-11-23", "--to", "2026-11-22"], 2, "must be before"),
        (["fetch", "1ed1"], 2, "-o"),
        (["fetch", "1ed1", "-o", "no/such/folder.wav"], 2, "no folder"),
        (["fetch", "1ed1", "-o", "x.wav", "--from", "2027-01-01"], 1, "nothing was recorded from 2027-01-01"),
        (["list", "--config", "no-such.toml"], 2, "no-such.toml"),
        (["list", "--store", "gs://bucket"], 2, "expected s3://bucket/prefix or file:///folder"),
        (["list", "--store", "file:///no/such/folder"], 1, "no such folder"),
        (["list", "--store", "s3://bucket", "--endpoint-url", "nowhere"], 2, "expected https://host"),
        (["remove"], 2, "remove"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_in_words(bucket: Path, arguments: list[str], code: int, said: str) -> None:
    failed = recordings("--store", bucket.as_uri(), *arguments)

    assert failed.code == code
    assert said in failed.err
    assert failed.out == ""


@pytest.mark.usefixtures("board")
def test_what_a_damaged_manifest_says_is_no_command_to_a_terminal(bucket: Path) -> None:
    for path in bucket.glob("conferences/**/*.json"):
        made = json.loads(path.read_text())
        made["reception"]["discarded"] = {"\x1b]0;mine\x07": -1}
        path.write_text(json.dumps(made))

    failed = recordings("fetch", "1ed1", "-o", "x.wav", "--store", bucket.as_uri())

    assert (failed.code, len(failed.err.splitlines())) == (1, 1)
    assert "nothing was recorded" in failed.err
    assert "mine" in failed.err
    assert all(character.isprintable() for character in failed.err.rstrip("\n"))


def test_asks_for_a_store() -> None:
    failed = recordings("list")

    assert failed.code == 2
    assert "--store" in failed.err


@pytest.mark.usefixtures("board")
def test_takes_the_store_from_the_environment(bucket: Path) -> None:
    assert recordings("list", environment={"RECORDINGS_STORE": bucket.as_uri()}).code == 0


@pytest.mark.usefixtures("board")
def test_takes_the_store_from_the_configuration_of_the_daemon(bucket: Path, tmp_path: Path) -> None:
    config = tmp_path / "recorder.toml"
    config.write_text(f'watchlist = "w.toml"\n[storage]\nurl = "{bucket.as_uri()}"\n')

    before = recordings(
        "--config", config, "list", "1ed1", environment={"RECORDINGS_STORE": "file:///nowhere"}
    )
    after = recordings("list", "1ed1", "--config", config)

    assert before.code == after.code == 0
    assert before.out == after.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[storage", "cannot be read"),
        ("a = 1", "no table [storage]"),
        ("[storage]\nurl = 's3://b'\nregion = 1", "strings"),
    ],
)
def test_a_configuration_that_says_nothing_is_refused(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "recorder.toml"
    config.write_text(text)

    failed = recordings("list", "--config", config)

    assert failed.code == 2
    assert said in failed.err


@pytest.mark.usefixtures("board")
def test_an_id_of_two_kinds_asks_which(bucket: Path) -> None:
    samples = speech(RATE)
    store_segment(DirectoryStore(bucket), samples, manifest(samples, watch=TWIN))

    asked = recordings("list", BOARD.id, "--store", bucket.as_uri())
    answered = recordings("list", BOARD.id, "--kind", "call", "--store", bucket.as_uri())

    assert asked.code == 2
    assert "is a conference and a call" in asked.err
    assert answered.out.startswith(f"call {BOARD.id}")


@pytest.mark.usefixtures("board")
def test_a_beginning_of_two_ids_names_both(bucket: Path) -> None:
    other = WatchId(WatchKind.CALL, BOARD.id[:-1] + "b")
    samples = speech(RATE)
    store_segment(DirectoryStore(bucket), samples, manifest(samples, watch=other))

    asked = recordings("list", "1ed1", "--store", bucket.as_uri())

    assert asked.code == 2
    assert BOARD.id in asked.err
    assert other.id in asked.err


def test_an_empty_store_is_no_error(bucket: Path) -> None:
    listed = recordings("list", "--store", bucket.as_uri())

    assert (listed.code, listed.out) == (0, "nothing was recorded\n")


@pytest.mark.usefixtures("board")
def test_shows_progress_on_a_terminal(bucket: Path, tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    with os.fdopen(controller, "rb", buffering=0) as screen, os.fdopen(terminal, "wb") as stderr:
        done = subprocess.run(
            [COMMAND, "fetch", "1ed1", "-o", tmp_path / "b.wav", "--store", bucket.as_uri()],
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "TERM": "xterm"},
            check=False,
        )
        shown = screen.read(100_000)

    assert done.returncode == 0
    assert b"b.wav" in shown


def test_fetches_from_s3_over_https(seaweedfs_tls: SeaweedFS, tmp_path: Path) -> None:
    server = seaweedfs_tls
    store = S3Store(
        server.bucket,
        "command",
        endpoint_url=server.endpoint_url,
        access_key=server.access_key,
        secret_key=server.secret_key,
        region="us-east-1",
        ca_file=server.ca_file,
    )
    with closing(store):
        board = fill(store)
    place = ("--store", "s3://recordings/command", "--endpoint-url", server.endpoint_url)

    listed = recordings("list", *place, "--json", environment=server.environment)
    fetched = recordings("fetch", "1ed1", "-o", tmp_path / "b.wav", *place, environment=server.environment)
    refused = recordings(
        "list", *place, environment={**server.environment, "AWS_SECRET_ACCESS_KEY": "wrong-and-secret"}
    )

    assert [watch["id"] for watch in listed.json["watches"]] == [BOARD.id, CALL.id]
    assert fetched.code == 0
    assert np.array_equal(samples_of(tmp_path / "b.wav"), board)
    assert refused.code == 1
    assert "the secret key is wrong" in refused.err
    assert "wrong-and-secret" not in refused.err


def test_a_store_that_cannot_be_reached_is_one_line(seaweedfs: SeaweedFS) -> None:
    failed = recordings(
        *("list", "--store", "s3://recordings", "--endpoint-url", "http://127.0.0.1:9"),
        environment=seaweedfs.environment,
    )

    assert failed.code == 1
    assert failed.err.startswith("recordings: list s3://recordings/conferences/: Connection refused: ")
    assert len(failed.err.splitlines()) == 1


def test_helps_with_examples() -> None:
    helped = recordings("fetch", "--help")

    assert helped.code == 0
    assert (
        "recordings fetch 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00 -o board.wav" in helped.out
    )

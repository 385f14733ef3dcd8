"""What the README shows works as it stands there; only places are put in the reader's stead."""

import re
import shlex
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from recorder.simulator import Tape
from recorder.simulator.seaweedfs import SeaweedFS
from recorder.spool import Spool
from storage.directory import DirectoryStore
from storage.manifest import ClosedBy, OpenedAfter, OpenedAfterReason, SegmentFacts, WatchFacts
from storage.names import WatchKind
from storage.s3 import S3Store
from storage.store import ObjectStore

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent

BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.partition("#")[0].strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
]
INSTALLED = [command for command in COMMANDS if command.startswith(("conference-recorder", "recordings"))]
LINKING = ("recordings link", "recordings playlist")
"""What a folder does not have."""


def commands_below(mark: str) -> list[str]:
    """Those of the block below such a comment."""
    _, _, below = README.partition(f"<!-- {mark} -->\n```sh\n")
    return below.partition("```")[0].splitlines()


RUN_ELSEWHERE = [
    "tar xf board.tar && cd conference-* && sha256sum -c SHA256SUMS",  # tests/storage/test_export.py
    "conference-recorder run --config recorder.toml",  # tests/daemon
    "conference-recorder status --config recorder.toml",  # the same
    "pip install .",  # by the first of the two commands, and CI by the second
    ".venv/bin/python -m tests.bench density --streams 300 --seconds 60",  # a shorter one, below
    ".venv/bin/python -m tests.bench density --streams 300 --seconds 60 --tls",  # in tests/bench
    ".venv/bin/python -m tests.bench growth --streams 300 --streams 3000 --segment 5m --together 5",  # too
    ".venv/bin/python -m tests.bench growth --streams 1500 --seconds 300 --together 5",  # the same
    ".venv/bin/python -m tests.bench growth --streams 300 --hours 1",  # the same
    ".venv/bin/python -m tests.campaign --quick",  # in tests/campaign
    ".venv/bin/python -m tests.campaign",  # the same, each fault oftener
    ".venv/bin/python -m tests.simulation --hours 2000",  # in tests/simulation
    ".venv/bin/python -m tests.simulation --hours 2000 --days 0.25 --observed",  # the same
    ".venv/bin/python -m tests.day --seed 2",  # in tests/daemon/test_day.py
    ".venv/bin/python -m tests.bench restart --streams 2000",  # the same
    ".venv/bin/python -m tests.bench discovery --conferences 2000 --live 200",  # the same
    ".venv/bin/python -m tests.bench.flac",  # a shorter one, below
    ".venv/bin/python -m pytest -n0 tests/service/booted.py",  # by hand: it builds and boots a Debian
    "conference-recorder doctor --config recorder.toml",  # tests/doctor
    *commands_below("install"),  # in tests/service/booted.py, as they stand there
    *commands_below("begin"),  # the same
    *commands_below("upgrade"),  # the same
    ".venv/bin/python -m tests.bench.verify",  # a smaller one, below
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A reader's folder: the README's files, and a recording of the README's conference in a bucket."""
    recorder, watchlist = (block for language, block in BLOCKS if language == "toml")
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    recorder = recorder.replace("s3://recordings/voipbin", bucket.as_uri())
    recorder = re.sub(r"^endpoint_url.*\n", "", recorder, flags=re.MULTILINE)
    recorder = recorder.replace("/var/lib/conference-recorder", "spool")
    (tmp_path / "recorder.toml").write_text(recorder)
    (tmp_path / "watchlist.toml").write_text(watchlist)
    put_recording(tmp_path / "spool", DirectoryStore(bucket))
    return tmp_path


@pytest.mark.parametrize("command", [command for command in INSTALLED if command.startswith(LINKING)])
def test_a_command_of_the_readme_that_needs_a_real_bucket_works(
    command: str, place: Path, seaweedfs: SeaweedFS
) -> None:
    prefix = f"readme-{uuid4()}"
    config = place / "recorder.toml"
    url = f's3://{seaweedfs.bucket}/{prefix}"\nendpoint_url = "{seaweedfs.endpoint_url}'
    config.write_text(config.read_text().replace((place / "bucket").as_uri(), url))
    store = S3Store(
        seaweedfs.bucket,
        prefix,
        endpoint_url=seaweedfs.endpoint_url,
        region="us-east-1",
        access_key=seaweedfs.access_key,
        secret_key=seaweedfs.secret_key,
    )
    with closing(store):
        put_recording(place / "another-spool", store)
    program, *arguments = shlex.split(command)

    result = subprocess.run(
        [BIN / program, *arguments],
        cwd=place,
        env={**seaweedfs.environment, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert "1ed12456" in result.stdout or "board" in result.stdout


def put_recording(folder: Path, store: ObjectStore) -> None:
    pcm = Tape.speech("standup").samples.tobytes()
    facts = SegmentFacts(
        watch=WatchFacts(kind=WatchKind.CONFERENCE, id="1ed12456-eb4b-11ee-bba8-1bfb2838807a", name="board"),
        recorder="rec-a",
        version="0",
        number=1,
        started_at=datetime(2026, 11, 22, 15, 5, tzinfo=UTC),
        samples=len(pcm) // 2,
        encapsulation="rtp",
        codec="ulaw",
        opened_after=OpenedAfter(reason=OpenedAfterReason.START, seconds=3600),
        closed_by=ClosedBy.GRID,
    )
    spool = Spool(folder)
    segment = spool.open(facts)
    segment.wav.write(pcm)
    manifest, digest = spool.seal(segment, facts, None)
    (sealed,) = spool.sealed()
    store.put(sealed.name.audio_key, sealed.audio, sha256=manifest.audio.sha256, content_type="audio/wav")
    store.put(sealed.name.manifest_key, sealed.manifest, sha256=digest, content_type="application/json")
    spool.discard(sealed)
    spool.release()


@pytest.mark.parametrize(
    "command", [c for c in INSTALLED if c not in RUN_ELSEWHERE and not c.startswith(LINKING)]
)
def test_a_command_of_the_readme_works(command: str, place: Path) -> None:
    command = command.replace("s3://recordings/voipbin", (place / "bucket").as_uri())
    command = command.replace("--since 2d --to 1h", "--since 2026-11-21 --to 2026-11-23")
    program, *arguments = shlex.split(command)

    result = subprocess.run(
        [BIN / program, *arguments],
        cwd=place,
        env={"VOIPBIN_TOKEN": "eyJhbGciOi.eyJleHAi.c2ln", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert "1ed12456" in result.stdout or "board" in result.stdout


def test_no_command_of_the_readme_is_forgotten_here() -> None:
    known = [*INSTALLED, *RUN_ELSEWHERE]
    others = [c for c in COMMANDS if c and c not in known and not c.startswith("python3 -m venv .venv && ")]

    assert others == []
    assert len(INSTALLED) >= 5


def test_the_simulator_says_how_it_is_used() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "recorder.simulator", "--help"], capture_output=True, text=True, check=False
    )

    assert result.returncode == 0
    assert "--conference" in result.stdout


def test_the_benchmark_measures_and_loses_no_sample() -> None:
    arguments = ["density", "--streams", "5", "--seconds", "1", "--way", "daemon"]

    result = subprocess.run(
        [sys.executable, "-m", "tests.bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    (ours,) = (line for line in result.stdout.splitlines() if "conference-recorder, all of it" in line)
    assert [cell.strip() for cell in ours.split("│")][-2] == "0", "samples lost"


def test_the_benchmark_says_what_flac_saves() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tests.bench.flac", "--minutes", "0.1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    shares = [int(share) for share in re.findall(r"(\d+)%", result.stdout)]
    assert len(shares) == 10
    assert max(shares) < 65


def test_the_benchmark_says_how_fast_a_bucket_is_verified() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tests.bench.verify", "--segments", "20", "--watches", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    (row,) = (line for line in result.stdout.splitlines() if line.startswith("│"))
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert (cells[0], cells[-1]) == ("20", "0"), "segments, faults"


def test_what_the_readme_points_at_is_there() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)

    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.timeout(110)
def test_the_demo_is_green(tmp_path: Path) -> None:
    result = subprocess.run(
        [BIN / "conference-recorder", "demo", "--seconds", "12", "--keep", tmp_path / "kept"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert "5 of 5 recordings equal what was sent, sample by sample" in result.stdout
    assert "disconnected" in result.stdout, "the cut was seen, and told"
    assert len(list((tmp_path / "kept").glob("*.wav"))) == 5

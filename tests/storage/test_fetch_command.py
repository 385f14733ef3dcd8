"""`recordings fetch` as it is installed: its formats, pipes, copies, what it resumes, and two recorders."""

import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile

from storage.catalog import Catalog
from storage.copying import copy_segments
from storage.directory import DirectoryStore
from storage.errors import StoreUnavailable
from storage.manifest import SegmentManifest
from storage.objects import AHEAD
from storage.parts import folder_of, kept_for
from storage.retrieval import FetchResult
from tests.fakes import MemoryStore
from tests.storage.recorders import Ear, Hole, record
from tests.storage.segments import BOARD, NOON, RATE, Samples, manifest, seconds, speech, store_segment
from tests.storage.test_recordings_command import COMMAND, fill, recordings, samples_of


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


@pytest.fixture
def board(bucket: Path) -> Samples:
    return fill(DirectoryStore(bucket))


def decoded(data: bytes | Path) -> Samples:
    samples, rate = soundfile.read(data if isinstance(data, Path) else io.BytesIO(data), dtype="int16")
    assert rate == RATE
    return np.asarray(samples, np.int16)


def test_the_name_of_the_file_says_its_format(bucket: Path, board: Samples, tmp_path: Path) -> None:
    for name in ("board.flac", "board.opus", "board.raw"):
        assert recordings("fetch", "1ed1", "-o", tmp_path / name, "--store", bucket.as_uri()).code == 0

    assert np.array_equal(decoded(tmp_path / "board.flac"), board)
    assert len(decoded(tmp_path / "board.opus")) == len(board)
    assert (tmp_path / "board.raw").read_bytes() == board.tobytes()


@pytest.mark.parametrize("arguments", [[], ["--format", "flac"], ["--format", "raw"]])
def test_streams_to_a_pipe_and_talks_beside_it(bucket: Path, board: Samples, arguments: list[str]) -> None:
    done = subprocess.run(
        [COMMAND, "fetch", "1ed1", "-o", "-", "--json", "--store", bucket.as_uri(), *arguments],
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    heard = np.frombuffer(done.stdout, "<i2") if "raw" in arguments else decoded(done.stdout)
    assert np.array_equal(heard, board)
    assert json.loads(done.stderr)["samples"] == len(board)


@pytest.mark.usefixtures("board")
def test_a_pipe_that_nobody_reads_any_more_is_no_success(bucket: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(
            [COMMAND, "fetch", "1ed1", "-o", "-", "--store", bucket.as_uri()],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.usefixtures("board")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "board.xyz"], "--format"),
        (["-o", "board"], "--format"),
        ([], "-o FILE"),
        (["-o", "x.wav", "--segments", "."], "one of"),
        (["--segments", "no-such-folder"], "no folder"),
    ],
)
def test_where_to_and_as_what_must_be_said(bucket: Path, arguments: list[str], said: str) -> None:
    refused = recordings("fetch", "1ed1", *arguments, "--store", bucket.as_uri())

    assert refused.code == 2
    assert said in refused.err
    assert refused.out == ""


FULL = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
os.execv(sys.argv[2], sys.argv[2:])
"""
"""A command whose files cannot be longer than that: what does not fit is an error of write(2)."""


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "raw"])
def test_a_file_of_which_the_end_could_not_be_written_is_none(
    bucket: Path, tmp_path: Path, suffix: str
) -> None:
    record(DirectoryStore(bucket), speech(60 * RATE), Ear("rec-a", segment=2 * RATE))
    whole, output = tmp_path / f"whole.{suffix}", tmp_path / f"board.{suffix}"
    assert recordings("fetch", "1ed1", "-o", whole, "--store", bucket.as_uri()).code == 0
    size = whole.stat().st_size

    for short in (1, 40, 400, 1500, 4000):
        limited: list[str | Path] = [sys.executable, "-c", FULL, str(size - short), COMMAND]
        done = subprocess.run(
            [*limited, "fetch", "1ed1", "-o", output, "--store", bucket.as_uri()],
            capture_output=True,
            text=True,
            check=False,
        )

        assert (done.returncode, output.exists()) == (1, False), f"{short} bytes short of {size}"
        assert re.fullmatch(rf"recordings: .*File too large: '.*board\.{suffix}.*'\n", done.stderr)


def test_strict_takes_no_silence_of_ours_for_granted(bucket: Path, board: Samples, tmp_path: Path) -> None:
    place = ("--store", bucket.as_uri(), "--strict")

    refused = recordings("fetch", "1ed1", "-o", tmp_path / "all.wav", *place)
    idle = recordings("fetch", "1ed1", "--from", "2026-11-22T12:00:02", "-o", tmp_path / "idle.wav", *place)

    assert refused.code == 1
    assert refused.err == (
        "recordings: 0:00:01.000 from 2026-11-22 12:00:01.000 is silence because: disconnected\n"
    )
    assert np.array_equal(samples_of(tmp_path / "all.wav"), board), "it is there all the same"
    assert (idle.code, idle.err) == (0, ""), "an idle conference had nothing to be heard"


def test_copies_segments_as_they_are(bucket: Path, board: Samples, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()

    first = recordings("fetch", "1ed1", "--segments", copy, "--store", bucket.as_uri())
    again = recordings("fetch", "1ed1", "--segments", copy, "--store", bucket.as_uri(), "--json")

    assert first.code == again.code == 0
    assert "2 segments" in first.out
    files = sorted(path.relative_to(copy) for path in copy.rglob("*") if path.is_file())
    assert len(files) == 4
    assert all((copy / file).read_bytes() == (bucket / file).read_bytes() for file in files)
    assert [path.name for path in copy.iterdir()] == ["conferences"]
    recordings("fetch", "1ed1", "-o", tmp_path / "b.wav", "--store", copy.as_uri())
    assert np.array_equal(samples_of(tmp_path / "b.wav"), board), "the copy is a store itself"


@pytest.mark.usefixtures("board")
def test_copies_nothing_that_is_not_what_was_recorded(bucket: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (damaged,) = bucket.glob("**/*_1.wav")
    data = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    copied = recordings("fetch", "1ed1", "--segments", copy, "--store", bucket.as_uri())

    assert copied.code == 1
    assert damaged.name in copied.err
    assert "1 segments" in copied.out
    assert len([path for path in copy.rglob("*") if path.is_file()]) == 2


@pytest.mark.parametrize("others", [[], ["rec-b"]], ids=["alone", "another has it"])
def test_a_copy_without_a_whole_segment_is_not_complete(
    bucket: Path, tmp_path: Path, others: list[str]
) -> None:
    copy, store, conference = tmp_path / "copy", DirectoryStore(bucket), speech(30 * RATE)
    copy.mkdir()
    _, lost, third = record(store, conference, Ear("rec-a", segment=10 * RATE))
    for recorder in others:
        record(store, conference, Ear(recorder, segment=30 * RATE))
    store.delete(lost.audio.key)
    store.delete(lost.key)

    copied = recordings("fetch", "1ed1", "--segments", copy, "--store", bucket.as_uri(), "--json")
    later = recordings(
        *("fetch", "1ed1", "--from", "2026-11-22T12:00:20", "--segments", copy),
        *("--store", bucket.as_uri()),
    )

    message = "the segment that its recorder sealed before it is not in the store"
    assert (copied.code, copied.err) == (1, f"{third.key}: {message}\n")
    assert copied.json["problems"] == [{"key": third.key, "message": message}]
    assert copied.json["complete"] is False
    assert (copy / third.key).exists()
    assert (later.code, later.err) == (0, ""), "what is missing lies before the range"


class Meeting(MemoryStore):
    """A store that gives no byte of an audio object before all its readers have opened one."""

    def __init__(self, readers: int) -> None:
        super().__init__()
        self._opened = threading.Barrier(readers)

    @contextmanager
    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        with super().open(key, start=start, length=length) as stream:
            if key.endswith(".wav"):
                self._opened.wait(60)
            yield stream


def test_copies_segments_of_equal_bytes_at_the_same_time(tmp_path: Path) -> None:
    store, silence = Meeting(AHEAD), np.zeros(RATE, np.int16)
    for number in range(AHEAD):
        store_segment(store, silence, manifest(silence, NOON + seconds(number), number=number))
    segments = [entry for entry in Catalog(store).segments(BOARD) if isinstance(entry, SegmentManifest)]
    assert len({segment.audio.sha256 for segment in segments}) == 1

    result = copy_segments(store, segments, tmp_path)

    assert (result.segments, result.complete) == (tuple(segments), True)
    copied = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert copied == store.objects.keys()


def test_says_who_gave_which_seconds(bucket: Path, tmp_path: Path) -> None:
    conference = speech(60 * RATE)
    store = DirectoryStore(bucket)
    record(store, conference, Ear("rec-a", holes=[Hole(20 * RATE, 30 * RATE, breaks=True)]))
    record(store, conference, Ear("rec-b", timedelta(milliseconds=40), holes=[Hole(50 * RATE, 51 * RATE)]))
    arguments = ("fetch", "1ed1", "--from", "2026-11-22T12:00", "--to", "2026-11-22T12:01")
    place = ("--store", bucket.as_uri())

    fetched = recordings(*arguments, "-o", tmp_path / "b.wav", *place)
    for_programs = recordings(*arguments, "-o", tmp_path / "c.wav", *place, "--json")

    assert fetched.code == 0
    assert np.array_equal(samples_of(tmp_path / "b.wav"), conference)
    rows = [line.split() for line in fetched.out.splitlines()[2:4]]
    assert [row[4] for row in rows] == ["rec-b", "rec-a"]
    assert rows[1][5:] == ["by", "their", "audio;", "its", "clock", "is", "-40.0", "ms"]
    first, second = for_programs.json["sources"]
    assert (first["at"], first["samples"], first["recorder"]) == (0, 50 * RATE, "rec-b")
    assert (second["at"], second["samples"], second["aligned"]) == (50 * RATE, 10 * RATE, True)
    assert second["labels_apart"] == -320


def test_a_fetch_that_was_killed_goes_on(bucket: Path, tmp_path: Path) -> None:
    """An object that is a FIFO is a download that never ends; what came before it is kept."""
    conference = speech(60 * RATE)
    record(DirectoryStore(bucket), conference, Ear("rec-a", segment=10 * RATE))
    (last,) = bucket.glob("**/*_5.wav")
    data = last.read_bytes()
    last.unlink()
    os.mkfifo(last)
    output = tmp_path / "b.wav"
    arguments = ["fetch", "1ed1", "-o", str(output), "--store", bucket.as_uri()]
    parts = folder_of(output)
    with subprocess.Popen(
        [COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(parts.glob("[0-9a-f]*"))) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        busy = recordings(*arguments)
        process.kill()
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("[0-9a-f]*")}
    last.unlink()
    last.write_bytes(data)
    for audio in sorted(bucket.glob("**/*.wav"))[:5]:
        audio.unlink()  # so that they can come from nowhere but what was kept

    resumed = recordings(*arguments)

    assert (busy.code, "another fetch" in busy.err) == (1, True)
    assert len(kept) == 5
    assert resumed.code == 0, resumed.err
    assert np.array_equal(samples_of(output), conference)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.wav", "bucket"]


class Count:
    """Takes what a fetch writes."""

    def __init__(self) -> None:
        self.samples = 0

    def write(self, samples: Samples) -> None:
        self.samples += len(samples)


def fetch_with_parts(store: MemoryStore, output: Path) -> FetchResult:
    with kept_for(output) as folder:
        catalog = Catalog(store, folder)
        return catalog.fetch(catalog.layout(BOARD), Count())


def test_what_was_found_good_is_not_downloaded_again(tmp_path: Path) -> None:
    store = MemoryStore()
    segments = record(store, speech(120 * RATE), Ear("rec-a", segment=10 * RATE))
    keys = [segment.audio.key for segment in segments]
    store.failures[keys[-1]] = StoreUnavailable("an outage")
    output = tmp_path / "b.wav"

    with pytest.raises(StoreUnavailable):
        fetch_with_parts(store, output)
    downloaded = [key for key in store.read if key.endswith(".wav")]
    damaged = next(path for path in folder_of(output).iterdir() if path.is_file())
    damaged.write_bytes(damaged.read_bytes()[:-2])  # as after a power cut
    store.failures.clear()
    store.read.clear()
    result = fetch_with_parts(store, output)

    assert sorted(downloaded) == sorted(keys[:-1])
    assert len([key for key in store.read if key.endswith(".wav")]) == 2, "the last, and the damaged one"
    assert (result.samples, result.complete) == (120 * RATE, True)
    assert not folder_of(output).exists()


def test_downloads_are_ahead_and_bounded() -> None:
    store = MemoryStore()
    samples = speech(RATE)
    for number in range(30):
        opened = manifest(samples, NOON + seconds(number), number=number, opened_after=None)
        store_segment(store, samples, opened)
    catalog = Catalog(store)
    layout = catalog.layout(BOARD)
    store.read.clear()
    ahead: list[int] = []

    catalog.fetch(layout, Count(), lambda _: ahead.append(len(store.read)))

    assert all(began <= written + 5 for written, began in enumerate(ahead, 1)), ahead
    assert len(store.read) == 30, "each once"

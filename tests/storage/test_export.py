"""Exports: what anybody can prove with what every system has, and what is said when it cannot be proved."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from storage.archive import ArchiveFormat, create_archive
from storage.catalog import Catalog, NothingRecorded
from storage.directory import DirectoryStore
from storage.erasure import erase, plan_erasure
from storage.errors import StoreUnavailable
from storage.export import ExportResult, export, find_range
from storage.manifest import (
    ClosedBy,
    GapReason,
    LedgerEntry,
    OpenedAfterReason,
    SegmentManifest,
    format_manifest,
)
from storage.names import AudioFormat
from storage.store import ObjectStore
from tests.fakes import MemoryStore
from tests.storage.recorders import Ear, record
from tests.storage.segments import BOARD, NOON, RATE, manifest, seconds, speech, store_segment
from tests.storage.test_recordings_command import recordings

FOLDER = f"conference-{BOARD.id}_20261122T120000Z_20261122T120108Z"
KEYS = [
    f"{BOARD.prefix}2026/11/22/{name}"
    for name in (
        "20261122T120000.000Z_rec-a_0.json",
        "20261122T120000.000Z_rec-a_0.wav",
        "20261122T120103.000Z_rec-a_1.flac",
        "20261122T120103.000Z_rec-a_1.json",
        "20261122T120105.000Z_rec-b_0.json",
        "20261122T120105.000Z_rec-b_0.wav",
    )
]


def fill(store: ObjectStore) -> None:
    """Three seconds, an idle minute and three more; another recorder has the last of them, and two more."""
    gap = LedgerEntry(start=RATE, samples=RATE // 2, reason=GapReason.DISCONNECTED)
    one, two, other = (speech(3 * RATE, seed) for seed in range(3))
    first = manifest(one, name="board", ledger=[gap], closed_by=ClosedBy.IDLE)
    second = manifest(
        two,
        NOON + seconds(63),
        number=1,
        opened_after=OpenedAfterReason.IDLE,
        away=60.0,
        previous=first,
        audio_format=AudioFormat.FLAC,
    )
    store_segment(store, one, first)
    store_segment(store, two, second)
    store_segment(store, other, manifest(other, NOON + seconds(65), recorder="rec-b"))


@pytest.fixture
def memory() -> MemoryStore:
    store = MemoryStore()
    fill(store)
    return store


def exported(
    store: ObjectStore,
    start: datetime | None = None,
    end: datetime | None = None,
    archive_format: ArchiveFormat = ArchiveFormat.TAR,
) -> tuple[ExportResult, bytes]:
    out = io.BytesIO()
    found = find_range(Catalog(store), BOARD, start, end)
    with create_archive(out, archive_format) as archive:
        result = export(store, found, archive)
    return result, out.getvalue()


def files(archive: bytes) -> dict[str, bytes]:
    """What is in a tar, without the folder that all of it is in."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = tar.getmembers()
        assert {member.name.partition("/")[0] for member in members} == {FOLDER}
        contents = {}
        for member in members:
            content = tar.extractfile(member)
            assert content is not None
            contents[member.name.partition("/")[2]] = content.read()
        return contents


def test_has_the_objects_as_they_are_in_the_store(memory: MemoryStore) -> None:
    result, archive = exported(memory)

    contents = files(archive)
    assert sorted(contents) == sorted([*KEYS, "CERTIFICATE.txt", "SHA256SUMS"])
    assert {key: contents[key] for key in KEYS} == memory.objects
    assert result.objects == 6
    assert result.problems == ()
    assert result.sums_sha256 == hashlib.sha256(contents["SHA256SUMS"]).hexdigest()


@pytest.mark.parametrize("archive_format", ArchiveFormat)
def test_is_the_same_bytes_each_time(
    memory: MemoryStore, tmp_path: Path, archive_format: ArchiveFormat
) -> None:
    """In another time zone, too."""
    fill(DirectoryStore(tmp_path))
    program = (
        "from tests.storage.test_export import *\n"
        f"store, kind = DirectoryStore(Path({str(tmp_path)!r})), ArchiveFormat('{archive_format}')\n"
        "print(hashlib.sha256(exported(store, archive_format=kind)[1]).hexdigest())"
    )

    one, other = (
        subprocess.check_output(
            [sys.executable, "-c", program], env={**os.environ, "TZ": zone, "PYTHONPATH": "."}
        )
        for zone in ("UTC", "Asia/Kathmandu")
    )

    assert one == other
    assert exported(memory) == exported(memory)


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("archive_format", ArchiveFormat)
def test_sha256sum_proves_it(memory: MemoryStore, tmp_path: Path, archive_format: ArchiveFormat) -> None:
    _, archive = exported(memory, archive_format=archive_format)
    packed = tmp_path / f"board.{archive_format}"
    packed.write_bytes(archive)

    if archive_format is ArchiveFormat.TAR:
        subprocess.run(["tar", "xf", packed], cwd=tmp_path, check=True)
    else:
        with zipfile.ZipFile(packed) as opened:
            assert opened.testzip() is None
            for name in opened.namelist():
                opened.extract(name, tmp_path)

    proved = checked(tmp_path / FOLDER)
    assert proved.returncode == 0, proved.stderr
    assert sorted(proved.stdout.splitlines()) == sorted(f"{key}: OK" for key in [*KEYS, "CERTIFICATE.txt"])


def test_a_bit_that_flips_later_is_found(memory: MemoryStore, tmp_path: Path) -> None:
    packed = tmp_path / "board.tar"
    packed.write_bytes(exported(memory)[1])
    subprocess.run(["tar", "xf", packed], cwd=tmp_path, check=True)
    audio = tmp_path / FOLDER / KEYS[1]
    audio.write_bytes(audio.read_bytes()[:-1] + b"\0")

    proved = checked(tmp_path / FOLDER)

    assert proved.returncode == 1
    assert f"{KEYS[1]}: FAILED" in proved.stdout


def test_the_certificate_says_what_when_and_why(memory: MemoryStore) -> None:
    _, archive = exported(memory)

    contents = files(archive)
    lines = contents["CERTIFICATE.txt"].decode().splitlines()
    assert f"What       conference {BOARD.id} (board)" in lines
    assert "From       2026-11-22T12:00:00.000000Z" in lines
    assert "Out of     memory:" in lines
    assert "Nothing of it is missing or altered." in lines
    assert "2026-11-22T12:00:01.000000Z  0:00:00.500  disconnected" in lines
    assert "2026-11-22T12:00:03.000000Z  0:01:00.000  idle" in lines
    assert any("both rec-a and rec-b recorded; both are here" in line for line in lines)
    sha256 = {key: hashlib.sha256(contents[key]).hexdigest() for key in KEYS}
    assert f"  audio        {sha256[KEYS[1]]}" in lines
    assert f"  previous     {sha256[KEYS[0]]} (20261122T120000.000Z_rec-a_0)" in lines
    assert lines.count("  previous     none: a chain begins here") == 2


def test_of_a_part_a_chain_that_began_before_is_said(memory: MemoryStore) -> None:
    out = io.BytesIO()
    found = find_range(Catalog(memory), BOARD, NOON + seconds(63), NOON + seconds(64))

    with create_archive(out, ArchiveFormat.TAR) as archive:
        export(memory, found, archive)

    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        names = [name for name in tar.getnames() if name.endswith((".flac", ".wav"))]
        certificate = tar.extractfile(f"{found.folder}/CERTIFICATE.txt")
        assert certificate is not None
        assert b"(not in this archive)" in certificate.read()
    assert [name.rpartition("/")[2] for name in names] == ["20261122T120103.000Z_rec-a_1.flac"]


def test_altered_audio_is_packed_as_it_is_and_does_not_pass(memory: MemoryStore, tmp_path: Path) -> None:
    memory.objects[KEYS[1]] = memory.objects[KEYS[1]][:-1] + b"\0"

    result, archive = exported(memory)

    assert [(problem.key, problem.message) for problem in result.problems] == [
        (KEYS[1], "the audio is not what was recorded: its SHA-256 is another")
    ]
    contents = files(archive)
    assert contents[KEYS[1]] == memory.objects[KEYS[1]]
    assert b"MISSING OR ALTERED" in contents["CERTIFICATE.txt"]
    (tmp_path / "board.tar").write_bytes(archive)
    subprocess.run(["tar", "xf", "board.tar"], cwd=tmp_path, check=True)
    assert f"{KEYS[1]}: FAILED" in checked(tmp_path / FOLDER).stdout


def test_missing_audio_is_said(memory: MemoryStore) -> None:
    del memory.objects[KEYS[2]]

    result, archive = exported(memory)

    assert [(problem.key, problem.message) for problem in result.problems] == [
        (KEYS[2], "the audio is not in the store")
    ]
    assert "  audio        not in the store" in files(archive)["CERTIFICATE.txt"].decode()
    assert KEYS[2].encode() not in files(archive)["SHA256SUMS"]


LOST = "the segment that its recorder sealed before it is not in the store"

WITH_ANOTHER_RECORDER = pytest.mark.parametrize(
    "others", [(), (Ear("rec-b", segment=7 * RATE),)], ids=["alone", "another has it"]
)


def without_the_middle(store: ObjectStore, others: Sequence[Ear]) -> list[SegmentManifest]:
    """Thirty seconds in three segments, of which the second is gone, manifest and all; others have it."""
    conference = speech(30 * RATE)
    segments = record(store, conference, Ear("rec-a", segment=10 * RATE))
    for other in others:
        record(store, conference, other)
    for key in (segments[1].audio.key, segments[1].name.manifest_key):
        store.delete(key)
    return segments


@WITH_ANOTHER_RECORDER
def test_a_segment_that_is_missing_with_its_manifest_is_said(others: Sequence[Ear]) -> None:
    store = MemoryStore()
    third = without_the_middle(store, others)[2]

    result, archive = exported(store)

    assert [(problem.key, problem.message) for problem in result.problems] == [(third.key, LOST)]
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        packed = [member for member in tar.getmembers() if member.name.endswith("/CERTIFICATE.txt")]
        certificate = tar.extractfile(packed[0])
        assert certificate is not None
        lines = certificate.read().decode().splitlines()
    assert lines[lines.index("MISSING OR ALTERED") + 1] == f"{third.key}: {LOST}"
    assert "Nothing of it is missing or altered." not in lines


@WITH_ANOTHER_RECORDER
def test_what_is_missing_before_or_after_a_range_is_not_of_it(others: Sequence[Ear]) -> None:
    store = MemoryStore()
    third = without_the_middle(store, others)[2]

    assert exported(store, third.started_at)[0].problems == ()
    assert exported(store, end=NOON + seconds(10))[0].problems == ()
    (problem,) = exported(store, third.started_at - seconds(1))[0].problems
    assert problem.key == third.key


def test_a_segment_that_comes_after_a_damaged_manifest_is_not_said_to_miss_one() -> None:
    store = MemoryStore()
    middle = record(store, speech(30 * RATE), Ear("rec-a", segment=10 * RATE))[1]
    store.objects[middle.key] = b"{"

    assert [problem.key for problem in exported(store)[0].problems] == [middle.key]


def test_a_damaged_manifest_is_packed_as_it_is_with_its_audio(memory: MemoryStore) -> None:
    memory.objects[KEYS[3]] = b"{"

    result, archive = exported(memory)

    assert [problem.key for problem in result.problems] == [KEYS[3]]
    assert files(archive)[KEYS[3]] == b"{"
    assert files(archive)[KEYS[2]] == memory.objects[KEYS[2]]


def test_of_nothing_there_is_no_export(memory: MemoryStore) -> None:
    with pytest.raises(NothingRecorded):
        find_range(Catalog(memory), BOARD, NOON + timedelta(days=2), NOON + timedelta(days=3))


def test_takes_no_more_memory_for_an_hour_than_for_a_minute() -> None:
    class Nowhere:
        written = 0

        def add(self, path: str, content: BinaryIO, size: int, at: datetime) -> None:  # noqa: ARG002
            while block := content.read(1 << 16):
                self.written += len(block)

    store, nowhere = MemoryStore(), Nowhere()
    for number in range(30):
        minute = speech(60 * RATE, number)
        store_segment(store, minute, manifest(minute, NOON + seconds(60 * number), number=number))
    found = find_range(Catalog(store), BOARD)
    taken: list[int] = []

    tracemalloc.start()
    try:
        export(store, found, nowhere, taken.append)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sum(taken) == found.size > 28_000_000
    assert nowhere.written > found.size
    assert peak < 8_000_000


@pytest.mark.parametrize("suffix", ArchiveFormat)
def test_the_command_writes_an_archive(tmp_path: Path, suffix: ArchiveFormat) -> None:
    bucket, output = tmp_path / "bucket", tmp_path / f"board.{suffix}"
    bucket.mkdir()
    fill(DirectoryStore(bucket))

    done = recordings("export", "1ed1", "-o", output, "--store", bucket.as_uri())

    assert (done.code, done.err) == (0, "")
    first, second = done.out.splitlines()
    assert first == f"{output}: 6 objects of 3 segments of conference {BOARD.id}"
    sums, packed = done.out.split()[-1], output.read_bytes()
    assert packed[:2] == b"PK" if suffix is ArchiveFormat.ZIP else len(files(packed)) == 8
    assert second.startswith("SHA-256 of SHA256SUMS: ")
    assert len(sums) == 64
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_command_tells_what_is_missing(tmp_path: Path) -> None:
    bucket, output = tmp_path / "bucket", tmp_path / "board.tar"
    bucket.mkdir()
    fill(DirectoryStore(bucket))
    (bucket / KEYS[1]).unlink()

    done = recordings("export", "1ed1", "-o", output, "--json", "--store", bucket.as_uri())

    assert done.code == 1
    assert [problem["key"] for problem in done.json["problems"]] == [KEYS[1]]
    assert output.exists()


@WITH_ANOTHER_RECORDER
def test_the_command_tells_that_a_whole_segment_is_missing(tmp_path: Path, others: Sequence[Ear]) -> None:
    bucket, output = tmp_path / "bucket", tmp_path / "board.tar"
    bucket.mkdir()
    third = without_the_middle(DirectoryStore(bucket), others)[2]

    done = recordings("export", "1ed1", "-o", output, "--store", bucket.as_uri())

    assert (done.code, done.err) == (1, f"{third.key}: {LOST}\n")
    assert output.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-o", "board.rar"], 2, "ends in .tar or .zip"),
        (["-o", "no/such/folder.tar"], 2, "there is no folder"),
        (["-o", "there.tar"], 2, "--force replaces it"),
        (["-o", "board.tar", "--from", "2027-01-01"], 1, "nothing was recorded"),
    ],
)
def test_a_mistake_is_answered_in_words(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    fill(DirectoryStore(tmp_path))
    (tmp_path / "there.tar").touch()
    placed = [str(tmp_path / each) if "." in each else each for each in arguments]

    failed = recordings("export", "1ed1", *placed, "--store", tmp_path.as_uri())

    assert failed.code == code
    assert said in failed.err
    assert (tmp_path / "there.tar").read_bytes() == b""


@pytest.mark.parametrize("archive_format", ArchiveFormat)
def test_a_store_that_fails_leaves_no_error_but_its_own(
    memory: MemoryStore, archive_format: ArchiveFormat
) -> None:
    found = find_range(Catalog(memory), BOARD)
    memory.failures[KEYS[2]] = StoreUnavailable("away")

    with pytest.raises(StoreUnavailable, match="away"):  # noqa: SIM117
        with io.BytesIO() as out, create_archive(out, archive_format) as archive:
            export(memory, found, archive)


def test_what_a_manifest_is_known_by_is_its_bytes(memory: MemoryStore) -> None:
    """The chain in the certificate is that of the objects, not of what we would write today."""
    later = format_manifest(next(iter(Catalog(memory).segments(BOARD)))) + b"\n"  # type: ignore[arg-type]
    memory.objects[KEYS[0]] = later

    _, archive = exported(memory)

    assert hashlib.sha256(later).hexdigest() in files(archive)["CERTIFICATE.txt"].decode()


def test_the_certificate_says_who_erased_what(memory: MemoryStore) -> None:
    plan = plan_erasure(memory, BOARD, NOON + seconds(1), NOON + seconds(2))
    assert erase(memory, plan, who="dana", why="request 17", at=NOON + timedelta(days=1)) == ()

    result, archive = exported(memory)

    contents = files(archive)
    assert result.problems == ()
    assert "20261122T120000.000Z_rec-a_0.erased-1.json" in " ".join(contents)
    said = "samples 8000 to 16000 (not included), by dana, 2026-11-23T12:00:00.000000Z: request 17"
    assert f"  erased       {said}" in contents["CERTIFICATE.txt"].decode().splitlines()

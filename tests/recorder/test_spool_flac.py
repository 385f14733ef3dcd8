"""Segments sealed as FLAC: the same samples, whenever the recorder dies and whatever the encoder does."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import soundfile
from structlog.testing import capture_logs

from recorder.spool import QUARANTINE, Spool
from recorder.wav import repair
from storage.manifest import ClosedBy, GapReason, LedgerEntry, SegmentFacts, SegmentManifest, WatchFacts
from storage.names import AudioFormat, WatchKind
from tests.recorder.disk import disk_of
from tests.recorder.moments import MOMENTS

PCM = bytes(range(256)) * 50
SAMPLES = len(PCM) // 2
LEDGER = (LedgerEntry(start=100, samples=20, reason=GapReason.LOST),)
SEALED = ["X.flac", "X.json"]
BEFORE = "ab" * 32
"""The SHA-256 of the manifest before."""


def facts(samples: int = SAMPLES, number: int = 1) -> SegmentFacts:
    return SegmentFacts(
        watch=WatchFacts(kind=WatchKind.CONFERENCE, id="1ed12456-eb4b-11ee-bba8-1bfb2838807a"),
        recorder="rec-a",
        version="0",
        number=number,
        started_at=datetime(2026, 11, 22, 15, 5, tzinfo=UTC),
        samples=samples,
        encapsulation="rtp",
        codec="pcm16le",
        ledger=LEDGER if samples else (),
        closed_by=ClosedBy.GRID,
    )


def write_segment(spool: Spool, pcm: bytes = PCM) -> tuple[SegmentManifest, str]:
    segment = spool.open(facts(0))
    segment.wav.write(pcm)
    segment.note(facts())
    return spool.seal(segment, facts(len(pcm) // 2), BEFORE)


def files(spool: Spool) -> list[str]:
    """The visible files by their suffix, and those in quarantine."""
    stem = facts().name.spool_stem
    found = (path.relative_to(spool.folder) for path in spool.folder.rglob("*") if path.is_file())
    segments = (path for path in found if path.parts[0] not in {".claim", ".last"})
    return sorted(str(path).replace(stem, "X") for path in segments)


def samples_of(path: Path) -> bytes:
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 8000
    return bytes(samples.astype("<i2").tobytes())


def one(spool: Spool, suffix: str) -> Path:
    (path,) = spool.folder.glob(f"*{suffix}")
    return path


@contextmanager
def spool_at(folder: Path, audio_format: AudioFormat = AudioFormat.FLAC) -> Iterator[Spool]:
    spool = Spool(folder, audio_format)
    try:
        yield spool
    finally:
        spool.release()


@pytest.fixture
def spool(flac_spool: Spool) -> Spool:
    return flac_spool


def test_a_sealed_segment_says_what_it_holds(spool: Spool) -> None:
    manifest, digest = write_segment(spool)

    (sealed,) = spool.sealed()
    content = sealed.audio.read_bytes()
    assert files(spool) == SEALED
    assert content[:4] == b"fLaC"
    assert samples_of(sealed.audio) == PCM
    assert sealed.read_manifest() == (manifest, sealed.manifest.read_bytes())
    assert digest == hashlib.sha256(sealed.manifest.read_bytes()).hexdigest()
    assert manifest.audio.key == sealed.audio_key == facts().name.audio_key.removesuffix(".wav") + ".flac"
    assert (manifest.audio.sha256, manifest.audio.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert manifest.audio.pcm_sha256 == hashlib.sha256(PCM).hexdigest()
    spool.discard(sealed)
    assert files(spool) == []


def test_levels_are_those_of_a_wav(spool: Spool, tmp_path: Path) -> None:
    manifest, _ = write_segment(spool)
    with spool_at(tmp_path / "other", AudioFormat.WAV) as other:
        as_wav, _ = write_segment(other)

    assert manifest.levels == as_wav.levels
    assert as_wav.audio.pcm_sha256 is None


@pytest.mark.parametrize("samples", [1, 15, 16, 4607, 4608, 4609, 300_000])
def test_any_length_comes_back(spool: Spool, samples: int) -> None:
    pcm = (PCM * (1 + 2 * samples // len(PCM)))[: 2 * samples]
    segment = spool.open(facts(0))
    segment.wav.write(pcm)
    manifest, _ = spool.seal(segment, facts(0).model_copy(update={"samples": samples}), None)

    (sealed,) = spool.sealed()
    assert (samples_of(sealed.audio), manifest.samples) == (pcm, samples)


def test_no_samples_at_all_are_a_wav(spool: Spool) -> None:
    with capture_logs() as said:
        spool.seal(spool.open(facts(0)), facts(0), None)

    assert files(spool) == ["X.json", "X.wav"]
    assert said == []


def test_formats_may_be_mixed(tmp_path: Path) -> None:
    for number, audio_format in enumerate((AudioFormat.FLAC, AudioFormat.WAV, AudioFormat.FLAC)):
        with spool_at(tmp_path, audio_format) as spool:
            spool.recover()
            segment = spool.open(facts(0, number))
            segment.wav.write(PCM)
            spool.seal(segment, facts(number=number), None)

    with spool_at(tmp_path) as spool:
        assert spool.recover().quarantined == ()
        assert [(s.name.number, s.audio.suffix) for s in spool.sealed()] == [
            (0, ".flac"),
            (1, ".wav"),
            (2, ".flac"),
        ]


# Death at any moment


def moments_of_sealing(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "s"
    with spool_at(folder) as spool:
        segment = spool.open(facts(0))
        segment.wav.write(PCM)
        segment.note(facts())
        moments = MOMENTS.of(folder, lambda: spool.seal(segment, facts(), BEFORE))
    assert len(moments) > 10
    return moments


def recover(folder: Path, audio_format: AudioFormat) -> Callable[[], object]:
    def action() -> None:
        with spool_at(folder, audio_format) as spool:
            recovery = spool.recover()
            assert (recovery.quarantined, recovery.postponed) == ((), ())

    return action


def check_recovered(folder: Path, audio_format: AudioFormat) -> None:
    """All of it is there, once, in one format or the other, and what was known is still known."""
    with spool_at(folder, audio_format) as spool:
        assert spool.recover().recovered == (), "a second recovery finds nothing to do"
        assert files(spool) in [SEALED, ["X.json", "X.wav"]]
        (sealed,) = spool.sealed()
        manifest, _ = sealed.read_manifest()
        assert samples_of(sealed.audio) == PCM
        assert manifest.audio.key == sealed.audio_key
        assert manifest.audio.sha256 == hashlib.sha256(sealed.audio.read_bytes()).hexdigest()
        assert manifest.ledger == LEDGER
        assert manifest.closed_by is ClosedBy.GRID, "it had been closed"
        assert manifest.previous in (BEFORE, None)


@pytest.mark.parametrize("then", AudioFormat)
def test_killed_at_any_moment_of_sealing_all_of_it_is_sealed_once(tmp_path: Path, then: AudioFormat) -> None:
    left = set()
    for folder in moments_of_sealing(tmp_path):
        with spool_at(folder) as spool:
            listed = {sealed.audio.suffix for sealed in spool.sealed()}
            left.add(tuple(files(spool)))
            assert not listed or "X.wav.open" not in files(spool), "nothing is uploaded that is made again"
        recover(folder, then)()
        check_recovered(folder, then)

    assert ("X.facts", "X.json", "X.wav.open") in {tuple(f for f in names if f[0] != ".") for names in left}
    assert ("X.facts", "X.flac", "X.json", "X.wav.open") in left


@pytest.mark.parametrize("then", AudioFormat)
def test_killed_at_any_moment_of_the_recovery_too(tmp_path: Path, then: AudioFormat) -> None:
    for folder in moments_of_sealing(tmp_path):
        for deeper in MOMENTS.of(folder, recover(folder, then)):
            recover(deeper, then)()
            check_recovered(deeper, then)


def test_a_start_waits_for_no_encoder(spool: Spool) -> None:
    """Nothing is recorded meanwhile."""
    segment = spool.open(facts(0))
    segment.wav.write(PCM)
    segment.wav.abandon()

    (recovered,) = spool.recover().recovered

    assert files(spool) == ["X.json", "X.wav"]
    assert recovered.audio.key == facts().name.audio_key


# Damage


def sealed_but_for_the_last_steps(spool: Spool) -> tuple[Path, Path]:
    """The FLAC has its name and what it was made from is still there; give both."""
    segment = spool.open(facts(0))
    segment.wav.write(PCM)
    path = one(spool, ".wav.open")
    copy = spool.folder.parent / "copy"
    shutil.copy(path, copy)
    repair(copy)  # its header, as sealing begins with
    spool.seal(segment, facts(), BEFORE)
    copy.rename(path)
    return one(spool, ".flac"), path


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def both_are_damaged(spool: Spool) -> None:
    for path in sealed_but_for_the_last_steps(spool):
        alter(path)


def test_a_flac_that_was_damaged_is_made_up_for_while_that_can_be_done(spool: Spool) -> None:
    flac, _ = sealed_but_for_the_last_steps(spool)
    alter(flac)

    assert spool.recover().quarantined == ()
    assert files(spool) == ["X.json", "X.wav"]
    (sealed,) = spool.sealed()
    manifest, _ = sealed.read_manifest()
    assert samples_of(sealed.audio) == PCM
    assert (manifest.audio.key, manifest.previous) == (sealed.audio_key, BEFORE)
    assert manifest.closed_by is ClosedBy.GRID


def test_where_both_are_damaged_nothing_is_deleted_or_made_up(spool: Spool) -> None:
    both_are_damaged(spool)

    spool.recover()
    assert files(spool) == [f"{QUARANTINE}/X.flac", f"{QUARANTINE}/X.json", f"{QUARANTINE}/X.wav.open"]
    assert list(spool.sealed()) == []


def lost_its_manifest(spool: Spool) -> None:
    write_segment(spool)
    one(spool, ".json").unlink()


def manifest_is_damaged(spool: Spool) -> None:
    write_segment(spool)
    one(spool, ".json").write_bytes(b"{")


def lost_its_manifest_halfway(spool: Spool) -> None:
    sealed_but_for_the_last_steps(spool)
    one(spool, ".json").unlink()


def is_there_twice(spool: Spool) -> None:
    write_segment(spool)
    one(spool, ".flac").with_suffix(".wav").write_bytes(b"RIFF")


def is_not_what_its_manifest_names(spool: Spool) -> None:
    write_segment(spool)
    one(spool, ".flac").rename(one(spool, ".flac").with_suffix(".wav"))


@pytest.mark.parametrize(
    ("accident", "left"),
    [
        (lost_its_manifest, ["X.flac"]),
        (lost_its_manifest_halfway, ["X.flac", "X.wav.open"]),
        (is_there_twice, ["X.flac", "X.json", "X.wav"]),
        (is_not_what_its_manifest_names, ["X.json", "X.wav"]),
    ],
)
def test_what_makes_no_sense_is_set_aside_whole(
    spool: Spool, accident: Callable[[Spool], None], left: list[str]
) -> None:
    accident(spool)

    spool.recover()

    assert files(spool) == [f"{QUARANTINE}/{name}" for name in left]


@pytest.mark.parametrize(
    "accident",
    [
        both_are_damaged,
        manifest_is_damaged,
        lost_its_manifest_halfway,
        is_there_twice,
        is_not_what_its_manifest_names,
    ],
)
def test_killed_while_it_is_set_aside_nothing_is_deleted_or_made_up(
    spool: Spool, accident: Callable[[Spool], None]
) -> None:
    accident(spool)
    before = {path.name: path.read_bytes() for path in spool.folder.glob("[!.]*")}

    for folder in MOMENTS.of(spool.folder, spool.recover):
        with spool_at(folder) as dead:
            dead.recover()
        assert {path.name: path.read_bytes() for path in (folder / QUARANTINE).iterdir()} == before


# The encoder


@pytest.mark.parametrize("room", [3000, 6000])
def test_an_encoder_that_fails_costs_nothing_but_the_economy(spool: Spool, room: int) -> None:
    segment = spool.open(facts(0))
    segment.wav.write(PCM)
    with disk_of(room), capture_logs() as said:
        manifest, _ = spool.seal(segment, facts(), None)

    (sealed,) = spool.sealed()
    assert files(spool) == ["X.json", "X.wav"]
    assert samples_of(sealed.audio) == PCM
    assert manifest.audio.key == sealed.audio_key == facts().name.audio_key
    (line,) = said
    assert (line["log_level"], line["event"]) == (
        "error",
        "segment kept as WAV: it could not be made a FLAC",
    )
    assert line["segment"] == facts().name.stem
    assert spool.recover().quarantined == ()

"""The spool: every moment between two steps is a state, and every state leads home."""

import hashlib
import shutil
import wave
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recorder.claim import SpoolInUse
from recorder.spool import FACTS_SUFFIX, OPEN_SUFFIX, QUARANTINE, Spool
from storage.manifest import ClosedBy, GapReason, LedgerEntry, SegmentFacts, WatchFacts, parse_manifest
from storage.names import AudioFormat, WatchKind
from storage.presence import PlatformFacts, Presence
from tests.recorder.moments import MOMENTS

AUDIO = bytes(range(256)) * 50
SAMPLES = len(AUDIO) // 2


def facts(number: int = 1, *, samples: int = 0, ledger: tuple[LedgerEntry, ...] = ()) -> SegmentFacts:
    return SegmentFacts(
        watch=WatchFacts(kind=WatchKind.CONFERENCE, id="1ed12456-eb4b-11ee-bba8-1bfb2838807a"),
        recorder="rec-a",
        version="0",
        number=number,
        started_at=datetime(2026, 11, 22, 15, 5, tzinfo=UTC) + timedelta(minutes=number),
        samples=samples,
        encapsulation="rtp",
        codec="pcm16le",
        ledger=ledger,
        closed_by=ClosedBy.GRID,
    )


def files(spool: Spool) -> list[str]:
    """The visible files by their suffix, and those in quarantine."""
    stem = facts().name.spool_stem
    return sorted(
        str(path.relative_to(spool.folder)).replace(stem, "X")
        for path in spool.folder.rglob("*")
        if path.is_file() and not path.relative_to(spool.folder).parts[0].startswith(".")
    )


def write_segment(spool: Spool, *, seal: bool = True) -> None:
    segment = spool.open(facts())
    segment.wav.write(AUDIO)
    if seal:
        spool.seal(segment, facts(samples=SAMPLES), None)
    else:
        segment.wav.abandon()


def test_the_state_is_the_name(spool: Spool) -> None:
    segment = spool.open(facts())
    assert files(spool) == ["X.facts", "X.wav.open"]

    segment.wav.write(AUDIO)
    spool.seal(segment, facts(samples=SAMPLES), None)
    assert files(spool) == ["X.json", "X.wav"]

    (sealed,) = spool.sealed()
    spool.discard(sealed)
    assert files(spool) == []


def test_a_sealed_segment_says_what_it_holds(spool: Spool) -> None:
    write_segment(spool)

    (sealed,) = spool.sealed()
    manifest, _ = sealed.read_manifest()
    content = sealed.audio.read_bytes()
    with wave.open(str(sealed.audio)) as audio:
        assert audio.readframes(audio.getnframes()) == AUDIO

    assert manifest.audio.sha256 == hashlib.sha256(content).hexdigest()
    assert (manifest.audio.size, manifest.samples) == (len(content), SAMPLES)
    assert manifest.audio.key == sealed.name.audio_key


def test_each_manifest_knows_the_one_before_it(spool: Spool) -> None:

    segment = spool.open(facts(1))
    _, digest = spool.seal(segment, facts(1), None)
    segment = spool.open(facts(2))
    second, _ = spool.seal(segment, facts(2), digest)

    first = next(spool.sealed())
    assert second.previous == digest == hashlib.sha256(first.manifest.read_bytes()).hexdigest()


def test_what_began_first_comes_first(spool: Spool) -> None:
    for number in (7, 3, 11):
        spool.seal(spool.open(facts(number)), facts(number), None)

    assert [segment.name.number for segment in spool.sealed()] == [3, 7, 11]


def test_a_second_daemon_is_kept_out_until_the_first_is_gone(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    with pytest.raises(SpoolInUse, match="another recorder"):
        Spool(tmp_path)

    first.release()
    Spool(tmp_path).release()


def test_only_a_start_of_the_machine_puts_zeros_at_the_end_in_doubt(tmp_path: Path) -> None:
    ledgers = []
    for booted in (False, True):
        spool = Spool(tmp_path)
        spool.recover()
        segment = spool.open(facts())
        segment.wav.write(AUDIO + bytes(20))
        segment.wav.abandon()
        spool.release()
        if booted:
            (tmp_path / ".claim").write_text("another one")
        spool = Spool(tmp_path)
        (recovered,) = spool.recover().recovered
        ledgers.append(recovered.ledger)
        spool.discard(next(spool.sealed()))
        spool.release()

    assert ledgers == [(), (LedgerEntry(start=SAMPLES, samples=10, reason=GapReason.DISK),)]


def test_an_open_segment_of_a_dead_recorder_is_sealed_with_an_honest_ledger(spool: Spool) -> None:
    segment = spool.open(facts())
    segment.wav.write(AUDIO)
    ledger = (LedgerEntry(start=SAMPLES, samples=500, reason=GapReason.STALLED),)
    segment.note(facts(samples=SAMPLES + 500, ledger=ledger))
    segment.wav.write_silence(200)  # and here the process died
    segment.wav.abandon()

    (manifest,) = spool.recover().recovered

    assert manifest.samples == SAMPLES + 200
    assert manifest.ledger == (LedgerEntry(start=SAMPLES, samples=200, reason=GapReason.STALLED),)


def test_what_a_dead_recorder_knew_of_the_platform_is_kept_and_nothing_said_of_the_end(spool: Spool) -> None:
    at = facts().started_at
    known = PlatformFacts(
        name="Board",
        status_at_start="progressing",
        seen_until=at,
        participants_at_start=2,
        participants=(Presence(at=at, count=2, present=("a", "b")),),
    )
    segment = spool.open(facts().model_copy(update={"platform": known}))
    segment.wav.write(AUDIO)
    segment.wav.abandon()  # and here the process died

    (manifest,) = spool.recover().recovered

    assert manifest.platform == known
    assert (manifest.closed_by, manifest.platform.status_at_end) == (ClosedBy.CRASH, None)
    assert manifest.closed_by is ClosedBy.CRASH
    assert files(spool) == ["X.json", "X.wav"]
    assert parse_manifest(next(spool.sealed()).manifest.read_bytes()) == manifest


def died_before_audio(spool: Spool) -> None:
    write_segment(spool, seal=False)
    next(spool.folder.glob(f"*{OPEN_SUFFIX}")).unlink()


def died_with_an_empty_file(spool: Spool) -> None:
    segment = spool.open(facts())
    segment.wav.abandon()


def died_between_manifest_and_rename(spool: Spool) -> None:
    write_segment(spool)
    audio = next(spool.folder.glob("*.wav"))
    audio.rename(audio.with_name(audio.name + ".open"))
    audio.with_suffix(FACTS_SUFFIX).write_bytes(b"whatever")


def died_between_rename_and_end_of_facts(spool: Spool) -> None:
    write_segment(spool)
    next(spool.folder.glob("*.wav")).with_suffix(FACTS_SUFFIX).write_bytes(b"whatever")


def died_between_the_two_discards(spool: Spool) -> None:
    write_segment(spool)
    next(spool.folder.glob("*.wav")).unlink()


def died_between_the_discards_of_the_last_two(spool: Spool) -> None:
    write_segment(spool)
    spool.note_tried(next(spool.sealed()))
    next(spool.folder.glob("*.wav")).unlink()
    next(spool.folder.glob("*.json")).unlink()


def was_being_uploaded(spool: Spool) -> None:
    write_segment(spool)
    spool.note_tried(next(spool.sealed()))


def died_in_a_repair(spool: Spool) -> None:
    write_segment(spool, seal=False)
    (spool.folder / f".{facts().name.spool_stem}.facts.0123.tmp").write_bytes(b"half")


def lost_its_facts(spool: Spool) -> None:
    write_segment(spool, seal=False)
    next(spool.folder.glob(f"*{FACTS_SUFFIX}")).unlink()


def facts_are_damaged(spool: Spool) -> None:
    write_segment(spool, seal=False)
    next(spool.folder.glob(f"*{FACTS_SUFFIX}")).write_bytes(b'{"schema": 1')


def lost_its_manifest(spool: Spool) -> None:
    write_segment(spool)
    next(spool.folder.glob("*.json")).unlink()


def manifest_is_damaged(spool: Spool) -> None:
    write_segment(spool)
    next(spool.folder.glob("*.json")).write_bytes(b"\0" * 100)


def a_stranger(spool: Spool) -> None:
    (spool.folder / "notes.txt").write_bytes(b"hello")
    (spool.folder / ".bashrc.tmp").write_bytes(b"alias")


SEALED = ["X.json", "X.wav"]


@pytest.mark.parametrize(
    ("accident", "left"),
    [
        (died_before_audio, []),
        (died_with_an_empty_file, []),
        (died_between_manifest_and_rename, SEALED),
        (died_between_rename_and_end_of_facts, SEALED),
        (died_between_the_two_discards, []),
        (died_between_the_discards_of_the_last_two, []),
        (was_being_uploaded, ["X.json", "X.tried", "X.wav"]),
        (died_in_a_repair, SEALED),
        (lost_its_facts, [f"{QUARANTINE}/X.wav.open"]),
        (facts_are_damaged, [f"{QUARANTINE}/X.facts", f"{QUARANTINE}/X.wav.open"]),
        (lost_its_manifest, [f"{QUARANTINE}/X.wav"]),
        (manifest_is_damaged, [f"{QUARANTINE}/X.json", f"{QUARANTINE}/X.wav"]),
        (a_stranger, ["notes.txt"]),
    ],
)
def test_recovery_brings_every_accident_to_an_end_and_a_second_one_changes_nothing(
    spool: Spool, accident: Callable[[Spool], None], left: list[str]
) -> None:
    accident(spool)

    spool.recover()
    assert files(spool) == left
    spool.recover()
    assert files(spool) == left


def test_what_is_not_ours_is_neither_moved_nor_deleted(spool: Spool) -> None:
    strangers = [spool.folder / name for name in ("recorder.toml", "music.wav", ".bashrc.tmp", "a.json")]
    for path in strangers:
        path.write_bytes(b"theirs")

    spool.recover()

    assert [path.read_bytes() for path in strangers] == [b"theirs"] * 4
    assert list(spool.sealed()) == []


def test_quarantine_deletes_nothing(spool: Spool) -> None:
    lost_its_manifest(spool)
    before = next(spool.folder.glob("*.wav")).read_bytes()

    recovery = spool.recover()

    assert [path.suffix for path in recovery.quarantined] == [".wav"]
    assert next((spool.folder / QUARANTINE).iterdir()).read_bytes() == before


def contents(folder: Path) -> dict[str, bytes]:
    """What there is of a segment, wherever it lies."""
    found = folder.rglob(f"{facts().name.spool_stem}.*")
    return {path.name: path.read_bytes() for path in found if path.is_file()}


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_killed_while_a_segment_is_set_aside_nothing_is_deleted(
    tmp_path: Path, audio_format: AudioFormat
) -> None:
    spool = Spool(tmp_path / "spool", audio_format)
    write_segment(spool)
    (sealed,) = spool.sealed()
    spool.note_tried(sealed)
    before = contents(spool.folder)
    moments = MOMENTS.of(spool.folder, lambda: spool.set_aside(sealed))
    spool.release()

    for folder in moments:
        dead = Spool(folder)
        dead.recover()
        dead.release()
        assert contents(folder) == before
        left = [name for name in files(dead) if not name.startswith(QUARANTINE)]
        assert len(left) in (0, len(before)), "a segment is here or there"


def test_a_folder_of_the_operator_in_the_spool_is_left_alone(spool: Spool) -> None:
    (spool.folder / "lost+found").mkdir()

    assert spool.recover().quarantined == ()
    shutil.rmtree(spool.folder / "lost+found")

"""Power is cut at any instant, on a real file system: what was synced is there, what is left is whole."""

import hashlib
import os
import random
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recorder import dropping
from recorder.segment import OpenSegment, SealedSegment
from recorder.spool import Spool
from storage.manifest import ClosedBy, GapReason, LedgerEntry, SegmentFacts, WatchFacts
from storage.names import AudioFormat, SegmentName, WatchKind
from tests.recorder.ext4 import Ext4, ext4_of

CUTS = 40
"""Of each format."""
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Ext4]:
    with ext4_of(tmp_path) as disk:
        yield disk


def audio(number: int, start: int, samples: int) -> bytes:
    """What is heard: never silent, and different everywhere."""
    at = np.arange(start, start + samples, dtype=np.int64)
    return bytes(((at * 7 + number * 1009) % 30_000 + 1).astype("<i2").tobytes())


@dataclass
class Track:
    """One segment, and what must be left of it."""

    number: int
    segment: OpenSegment
    samples: int = 0
    synced: int = 0
    ledger: tuple[LedgerEntry, ...] = ()
    sealed: bool = False
    discarding: bool = False
    giving_up: bool = False

    def facts(self, *, closed: bool = False) -> SegmentFacts:
        return about(self.number, self.samples, self.ledger, closed=closed)


def about(
    number: int, samples: int = 0, ledger: tuple[LedgerEntry, ...] = (), *, closed: bool = False
) -> SegmentFacts:
    return SegmentFacts(
        watch=WatchFacts(kind=WatchKind.CALL, id="652af662-eb45-11ee-b1a5-6fde165f9226"),
        recorder="rec-a",
        version="0",
        number=number,
        started_at=NOON + timedelta(seconds=number),
        samples=samples,
        encapsulation="sln",
        codec="ulaw",
        ledger=ledger,
        closed_by=ClosedBy.GRID if closed else ClosedBy.CRASH,
    )


class Life:
    """Does what a recorder does, in random order, until the power is cut."""

    def __init__(self, spool: Spool, chance: random.Random, first: int) -> None:
        self.spool = spool
        self.chance = chance
        self.tracks: dict[int, Track] = {}
        self.next = first

    @property
    def open(self) -> list[Track]:
        return [track for track in self.tracks.values() if not track.sealed]

    def step(self) -> None:
        steps = [self.begin, self.hear, self.hear, self.hear, self.miss, self.sync, self.flush, self.seal]
        self.chance.choice([*steps, self.discard, self.give_up])()

    def begin(self) -> None:
        number, self.next = self.next, self.next + 1
        self.tracks[number] = Track(number, self.spool.open(about(number)))

    def hear(self) -> None:
        for track in self.chance.sample(self.open, min(2, len(self.open))):
            samples = self.chance.choice([1, 160, 4000, 40_000])
            track.segment.wav.write(audio(track.number, track.samples, samples))
            track.samples += samples

    def miss(self) -> None:
        """A hole, of which the facts know before."""
        for track in self.chance.sample(self.open, min(1, len(self.open))):
            hole = LedgerEntry(start=track.samples, samples=20_000, reason=GapReason.DISK)
            track.samples += hole.samples
            track.ledger += (hole,)
            track.segment.note(track.facts())
            track.segment.skip(hole.samples)

    def sync(self) -> None:
        self.spool.sync()
        for track in self.open:
            track.synced = track.samples

    def flush(self) -> None:
        """The kernel gets to some file on its own."""
        files = [path for path in self.spool.folder.iterdir() if path.is_file()]
        descriptor = os.open(self.chance.choice(files), os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def seal(self) -> None:
        for track in self.chance.sample(self.open, min(1, len(self.open))):
            track.segment.close(track.facts(closed=True))
            self.spool.seal(track.segment, track.facts(closed=True), None)
            track.sealed, track.synced = True, track.samples

    def give_up(self) -> None:
        """Make room of one that is sealed."""
        done = [track for track in self.tracks.values() if track.sealed and not track.discarding]
        for track in done[-1:]:
            track.giving_up = True
            dropping.drop(find(self.spool)[track.number])

    def discard(self) -> None:
        done = [track for track in self.tracks.values() if track.sealed and not track.discarding]
        for track in done[:1]:
            track.discarding = True
            self.spool.discard(find(self.spool)[track.number])


def find(spool: Spool) -> dict[int, SealedSegment]:
    return {segment.name.number: segment for segment in spool.sealed()}


def read(segment: SealedSegment) -> bytes:
    if segment.audio_format is AudioFormat.FLAC:
        return bytes(soundfile.read(segment.audio, dtype="int16")[0].astype("<i2").tobytes())
    with wave.open(str(segment.audio)) as file:
        return bytes(file.readframes(file.getnframes()))


def check(track: Track, segment: SealedSegment | None) -> None:
    if segment is None:
        assert track.discarding or track.synced == 0, "what was synced is not gone"
        return
    manifest, _ = segment.read_manifest()
    assert hashlib.sha256(segment.audio.read_bytes()).hexdigest() == manifest.audio.sha256
    assert track.synced <= manifest.samples <= track.samples
    if track.giving_up and manifest.replaces:
        assert not any(read(segment))
        assert manifest.silence == manifest.samples == track.samples
        return
    if track.sealed:
        assert (manifest.ledger, manifest.samples) == (track.ledger, track.samples)
    expected = bytearray(audio(track.number, 0, manifest.samples))
    for entry in manifest.ledger:
        expected[2 * entry.start : 2 * entry.end] = bytes(2 * entry.samples)
    assert read(segment) == bytes(expected), "what is silence of ours is in the ledger, and nothing else is"
    own = [entry for entry in track.ledger if entry.end <= track.synced]
    covered = sum(entry.samples for entry in own)
    lost = sum(max(0, min(entry.end, track.synced) - entry.start) for entry in manifest.ledger)
    assert lost == covered, "nothing that was synced is called lost"


@pytest.mark.parametrize("audio_format", AudioFormat)
@pytest.mark.timeout(300)
def test_what_was_synced_is_there_and_all_that_is_left_is_in_order(
    disk: Ext4, audio_format: AudioFormat
) -> None:
    first = given_up = 0
    for seed in range(CUTS):
        chance = random.Random(seed)
        spool = Spool(disk.folder / "spool", audio_format)
        life = Life(spool, chance, first)
        for _ in range(chance.randrange(3, 60)):
            life.step()
        disk.kill_power()
        for track in life.tracks.values():
            track.segment.wav.abandon()
        spool.release()
        disk.restore_power()
        (disk.folder / "spool" / ".claim").unlink(missing_ok=True)  # as if the machine had been started

        spool = Spool(disk.folder / "spool", audio_format)
        recovery = spool.recover()
        assert (recovery.quarantined, recovery.postponed) == ((), ()), f"seed {seed}"
        left = find(spool)
        for number, track in life.tracks.items():
            check(track, left.get(number))
            given_up += track.giving_up and number in left
        assert set(left) <= set(life.tracks), f"seed {seed}"
        files = list(spool.folder.glob("[!.]*"))
        stems = {SegmentName.from_spool_stem(path.stem) for path in files}
        assert len(files) == 2 * len(stems), "audio and manifest of each"
        for segment in left.values():
            spool.discard(segment)
        spool.release()
        first = life.next
    assert given_up > CUTS / 10, "and there were some of each kind"

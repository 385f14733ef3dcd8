"""A real disk that is full, frozen or gone: what it did not take is known to the sample, nobody crashes."""

import asyncio
import itertools
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from recorder.clock import Clock
from recorder.conference import Conference
from recorder.core.events import Event, SamplesReady, SegmentClosed, SegmentOpened
from recorder.core.media import CodecChoice, Encapsulation
from recorder.core.recording import Recording, RecordingSettings
from recorder.core.segmenter import Identity
from recorder.offload import DiskThreads
from recorder.rate import Rate
from recorder.segment import OpenSegment
from recorder.spool import QUARANTINE, Spool
from recorder.watchlist import Watch
from recorder.writer import SamplesMissed, SegmentFailed, SegmentWriter
from storage.manifest import GapReason, LedgerEntry, SegmentFacts, SegmentManifest, WatchFacts
from storage.names import WatchId, WatchKind
from tests.recorder.disk import disk_of
from tests.recorder.ext4 import Ext4, ext4_of
from tests.recorder.scripted import Counter, ScriptedPlatform, pcm, talk
from tests.recorder.test_writer import facts

SECOND = b"\1\2" * 8000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Ext4]:
    with ext4_of(tmp_path, 32 << 20) as disk:
        yield disk


def lost(manifest: SegmentManifest) -> int:
    assert {entry.reason for entry in manifest.ledger} <= {GapReason.DISK}
    return manifest.silence


def read(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        return bytes(file.readframes(file.getnframes()))


def without(content: bytes, ledger: tuple[LedgerEntry, ...]) -> bytes:
    heard = bytearray(content)
    for entry in reversed(ledger):
        assert not any(heard[2 * entry.start : 2 * entry.end])
        del heard[2 * entry.start : 2 * entry.end]
    return bytes(heard)


def test_a_full_disk_costs_what_it_does_not_take_and_recording_goes_on_when_there_is_room(
    disk: Ext4,
) -> None:
    spool = Spool(disk.folder / "spool")
    writer = SegmentWriter(spool)
    missed: list[SamplesMissed] = []

    def perform(*events: Event) -> None:
        if result := writer.perform(events):
            missed.append(result)

    perform(SegmentOpened(facts(1)), SamplesReady(SECOND), SegmentClosed(facts(1, 8000)))
    writer.seal()
    before = [segment.audio.read_bytes() for segment in spool.sealed()]

    perform(SegmentOpened(facts(2)), SamplesReady(SECOND))
    disk.fill()
    for _ in range(5):
        perform(SamplesReady(SECOND))
    perform(SegmentClosed(facts(2, 48_000)), SegmentOpened(facts(3)), SamplesReady(SECOND))
    assert any(isinstance(each, SegmentFailed) for each in writer.seal()) or missed
    disk.empty()
    for _ in range(3):
        perform(SamplesReady(SECOND))
    perform(SegmentClosed(facts(3, 32_000)))
    writer.seal()

    assert not writer.unsealed
    first, *rest = spool.sealed()
    assert [first.audio.read_bytes()] == before, "what was sealed is as it was"
    manifests = [segment.read_manifest()[0] for segment in rest]
    assert [manifest.samples for manifest in manifests] == [48_000, 32_000]
    assert sum(map(lost, manifests)) == sum(each.samples for each in missed) > 5 * 8000
    for segment, manifest in zip(rest, manifests, strict=True):
        heard = without(read(segment.audio), manifest.ledger)
        assert heard == (SECOND * 6)[: len(heard)]
        assert len(heard) >= 2 * 8000
    spool.release()


def test_a_disk_that_is_gone_crashes_nobody(disk: Ext4) -> None:
    spool = Spool(disk.folder / "spool")
    writer = SegmentWriter(spool)
    writer.perform([SegmentOpened(facts(1)), SamplesReady(SECOND)])
    disk.kill_power()
    missed = writer.perform([SamplesReady(SECOND), SegmentClosed(facts(1, 16_000)), SegmentOpened(facts(2))])
    more = writer.perform([SamplesReady(SECOND), SegmentClosed(facts(2, 8000))])
    with pytest.raises(OSError, match="error"):
        spool.sync()
    failed = writer.seal()

    assert missed is not None
    assert more is not None
    assert (missed.samples, more.samples) == (8000, 8000)
    assert [isinstance(each, SegmentFailed) and not each.given_up for each in failed] == [True, True]
    writer.abandon()
    spool.release()


class Noting(Spool):
    """Knows what it has opened."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.opened: list[OpenSegment] = []

    def open(self, facts: SegmentFacts) -> OpenSegment:
        self.opened.append(super().open(facts))
        return self.opened[-1]


def test_a_file_that_is_in_doubt_is_written_anew_and_what_is_gone_is_in_the_ledger(tmp_path: Path) -> None:
    spool = Noting(tmp_path / "spool")
    writer = SegmentWriter(spool)
    writer.perform([SegmentOpened(facts(1)), SamplesReady(SECOND)])
    (segment,) = spool.opened
    segment.wav.skip(40_000)  # what a failed write leaves, when the kernel has let go of its pages
    writer.perform([SamplesReady(SECOND), SegmentClosed(facts(1, 56_000))])
    inode = next(spool.folder.glob("*.open")).stat().st_ino
    segment.doubtful = True
    (manifest,) = writer.seal()
    (sealed,) = spool.sealed()

    assert isinstance(manifest, SegmentManifest)
    assert sealed.audio.stat().st_ino != inode
    (entry,) = manifest.ledger
    assert 8000 <= entry.start <= entry.start + entry.samples <= 48_000
    assert entry.samples >= 40_000 - 2 * 2048, "whole blocks of the file system"
    assert read(sealed.audio) == SECOND + bytes(80_000) + SECOND
    spool.release()


def test_a_file_that_cannot_be_written_anew_is_set_aside_and_its_time_is_accounted_for(
    tmp_path: Path,
) -> None:
    spool = Noting(tmp_path / "spool")
    writer = SegmentWriter(spool)
    writer.perform([SegmentOpened(facts(1)), SamplesReady(SECOND), SegmentClosed(facts(1, 8000))])
    spool.opened[0].doubtful = True
    with capture_logs() as said, disk_of(8000):
        (failed,) = writer.seal()
    (manifest,) = writer.seal()

    assert isinstance(failed, SegmentFailed)
    assert [(line["operation"], "remedy" in line) for line in said] == [("copy", True)]
    (aside,) = (spool.folder / QUARANTINE).iterdir()
    assert said[0]["file"].endswith(aside.name)
    assert read(aside) == SECOND, "nothing is deleted"
    assert isinstance(manifest, SegmentManifest)
    assert manifest.ledger == (LedgerEntry(start=0, samples=8000, reason=GapReason.DISK),)
    spool.release()


STALL = 3.0
"""Seconds."""


def test_a_disk_that_stalls_for_seconds_holds_up_no_reading_and_costs_no_sample(disk: Ext4) -> None:
    source, spool = Counter(), Spool(disk.folder / "spool")
    threads, sealing = DiskThreads(2), DiskThreads(1)
    watch = Watch(
        WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a"),
        "board",
        Encapsulation.SLN,
        CodecChoice.PCM16LE,
    )

    async def record() -> float:
        clock = Clock()
        about = WatchFacts(kind=watch.watch_id.kind, id=watch.watch_id.id)
        core = Recording(
            Identity(about, "rec-a", "0", watch.encapsulation),
            RecordingSettings(watch.codec, segment=5.0, gap_limit=60.0, idle_after=10.0),
            itertools.count(),
            clock.monotonic(),
        )
        conference = Conference(
            watch,
            ScriptedPlatform([lambda: talk(source, 100)]),
            core,
            SegmentWriter(spool),
            clock=clock,
            rate=Rate(15),
            disk=threads,
            sealing=sealing,
            on_sealed=lambda _: None,
        )
        worst = 0.0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(conference.run)
            await anyio.sleep(2)
            with disk.frozen():
                end = time.monotonic() + STALL
                while (now := time.monotonic()) < end:
                    await asyncio.sleep(0.02)
                    worst = max(worst, time.monotonic() - now)
            await anyio.sleep(2)
            tasks.cancel_scope.cancel()
        return worst

    worst = asyncio.run(record())
    threads.close()
    sealing.close()

    heard = b""
    for segment in spool.sealed():
        manifest = segment.read_manifest()[0]
        heard += without(read(segment.audio), manifest.ledger)
        assert lost(manifest) == 0
    spool.release()
    assert heard == pcm(0, source.sent)
    assert worst < STALL / 2, "the event loop never waits for the disk"

"""Events to files: what the core says is what the spool holds, and a failing disk costs one segment."""

import hashlib
import shutil
import wave
from datetime import UTC, datetime
from pathlib import Path

from recorder.core.events import SamplesReady, SegmentClosed, SegmentOpened, SilenceReady
from recorder.spool import Spool
from recorder.writer import SegmentFailed, SegmentWriter
from storage.manifest import ClosedBy, GapReason, LedgerEntry, SegmentFacts, SegmentManifest, WatchFacts
from storage.names import AudioFormat, WatchKind
from tests.recorder.disk import disk_of

PCM = b"\1\2" * 8000


def facts(number: int, samples: int = 0, *ledger: LedgerEntry) -> SegmentFacts:
    return SegmentFacts(
        watch=WatchFacts(kind=WatchKind.CALL, id="652af662-eb45-11ee-b1a5-6fde165f9226"),
        recorder="rec-a",
        version="0",
        number=number,
        started_at=datetime(2026, 11, 22, 15, tzinfo=UTC),
        samples=samples,
        encapsulation="sln",
        codec="ulaw",
        ledger=ledger,
        closed_by=ClosedBy.GRID,
    )


def test_audio_and_silence_stand_where_the_events_put_them(spool: Spool) -> None:
    entry = LedgerEntry(start=8000, samples=500, reason=GapReason.LOST)
    writer = SegmentWriter(spool)
    writer.perform(
        [
            SegmentOpened(facts(1)),
            SamplesReady(PCM),
            SilenceReady(500, GapReason.LOST, facts(1, 8500, entry)),
            SamplesReady(PCM),
            SegmentClosed(facts(1, 16_500, entry)),
        ]
    )
    (manifest,) = writer.seal()

    assert isinstance(manifest, SegmentManifest)
    assert manifest.ledger == (entry,)
    with wave.open(str(next(spool.sealed()).audio)) as file:
        assert file.readframes(99_999) == PCM + bytes(1000) + PCM


def test_flac_is_sealed_beside_what_is_written_next(flac_spool: Spool) -> None:
    writer = SegmentWriter(flac_spool)
    gap = LedgerEntry(start=1000, samples=500, reason=GapReason.LOST)
    closed = writer.perform(
        [
            SegmentOpened(facts(1)),
            SamplesReady(PCM),
            SegmentClosed(facts(1, 8000, gap)),
            SegmentOpened(facts(2)),
            SamplesReady(PCM),
            SegmentClosed(facts(2, 8000)),
            SegmentOpened(facts(3)),
            SamplesReady(PCM),
        ]
    )
    assert closed == []
    assert writer.unsealed

    first, second = writer.seal()
    assert not writer.unsealed
    assert writer.perform([SamplesReady(PCM), SegmentClosed(facts(3, 16_000))]) == []
    (third,) = writer.seal()

    assert all(isinstance(sealed, SegmentManifest) for sealed in (first, second, third))
    digests = [hashlib.sha256(sealed.manifest.read_bytes()).hexdigest() for sealed in flac_spool.sealed()]
    manifests = [sealed.read_manifest()[0] for sealed in flac_spool.sealed()]
    assert [manifest.samples for manifest in manifests] == [8000, 8000, 16_000]
    assert [manifest.previous for manifest in manifests] == [None, *digests[:2]]


def test_what_is_known_of_a_closed_segment_outlives_a_death_before_it_is_sealed(
    flac_spool: Spool, tmp_path: Path
) -> None:
    gap = LedgerEntry(start=1000, samples=500, reason=GapReason.LOST)
    writer = SegmentWriter(flac_spool)
    writer.perform([SegmentOpened(facts(1)), SamplesReady(PCM), SegmentClosed(facts(1, 8000, gap))])

    dead = Spool(shutil.copytree(flac_spool.folder, tmp_path / "dead"), AudioFormat.FLAC)
    writer.seal()

    (recovered,) = dead.recover().recovered
    dead.release()

    assert (recovered.samples, recovered.ledger) == (8000, (gap,))


def test_a_disk_that_fails_while_sealing_is_told(flac_spool: Spool) -> None:
    writer = SegmentWriter(flac_spool)
    writer.perform([SegmentOpened(facts(1)), SamplesReady(PCM), SegmentClosed(facts(1, 8000))])
    with disk_of(100):
        (failed,) = writer.seal()

    assert isinstance(failed, SegmentFailed)
    assert failed.unwritten == 0
    (recovered,) = flac_spool.recover().recovered
    assert recovered.samples == 8000


def test_a_disk_that_fails_costs_the_segment_and_says_how_much(spool: Spool) -> None:
    writer = SegmentWriter(spool)
    with disk_of(20_000):
        (failed,) = writer.perform(
            [
                SegmentOpened(facts(1)),
                SamplesReady(PCM),
                SamplesReady(PCM),
                SilenceReady(100, GapReason.STALLED, facts(1)),
                SegmentClosed(facts(1, 16_100)),
            ]
        )
    writer.perform([SegmentOpened(facts(2)), SamplesReady(PCM), SegmentClosed(facts(2, 8000))])
    (sealed,) = writer.seal()

    assert isinstance(failed, SegmentFailed)
    assert failed.unwritten == 8100
    assert isinstance(sealed, SegmentManifest), "the next segment has a disk again"
    (recovered,) = spool.recover().recovered
    assert 8000 <= recovered.samples < 16_000, "what the disk took is there after a restart"


def test_a_segment_that_cannot_even_be_created_is_counted_whole(spool: Spool) -> None:
    writer = SegmentWriter(spool)
    with disk_of(0):
        (failed,) = writer.perform(
            [SegmentOpened(facts(1)), SamplesReady(PCM), SegmentClosed(facts(1, 8000))]
        )

    assert isinstance(failed, SegmentFailed)
    assert failed.unwritten == 8000
    assert spool.recover().quarantined == ()

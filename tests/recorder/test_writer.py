"""Events to files: what the core says is what the spool holds, and a bad disk costs what it does not take."""

import errno
import hashlib
import shutil
import wave
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from recorder.core.events import Event, SamplesReady, SegmentClosed, SegmentOpened, SilenceReady
from recorder.reserve import Reserve
from recorder.segment import OpenSegment
from recorder.spool import Spool
from recorder.wav import HEADER_SIZE
from recorder.writer import MOST_UNSEALED, SegmentFailed, SegmentWriter
from storage.manifest import ClosedBy, GapReason, LedgerEntry, SegmentFacts, SegmentManifest, WatchFacts
from storage.names import AudioFormat, WatchKind
from tests.recorder.disk import disk_of
from tests.recorder.moments import MOMENTS

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
    assert closed is None
    assert writer.unsealed

    first, second = writer.seal()
    assert not writer.unsealed
    assert writer.perform([SamplesReady(PCM), SegmentClosed(facts(3, 16_000))]) is None
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


def test_what_a_disk_does_not_let_be_sealed_is_told_and_sealed_later(flac_spool: Spool) -> None:
    writer = SegmentWriter(flac_spool)
    writer.perform([SegmentOpened(facts(1)), SamplesReady(PCM), SegmentClosed(facts(1, 8000))])
    with disk_of(100):
        (failed,) = writer.seal()

    assert isinstance(failed, SegmentFailed)
    assert not failed.given_up
    (sealed,) = writer.seal()
    assert isinstance(sealed, SegmentManifest)
    assert (sealed.samples, sealed.ledger) == (8000, ())


def test_a_disk_that_fails_costs_the_samples_it_did_not_take_and_the_ledger_says_which(spool: Spool) -> None:
    stall = LedgerEntry(start=16_000, samples=100, reason=GapReason.STALLED)
    writer = SegmentWriter(spool)
    with disk_of(20_001):
        missed = writer.perform(
            [
                SegmentOpened(facts(1)),
                SamplesReady(PCM),
                SamplesReady(PCM),
                SilenceReady(100, GapReason.STALLED, facts(1, 16_100, stall)),
            ]
        )
        assert writer.behind
    more = writer.perform([SamplesReady(PCM), SamplesReady(PCM), SegmentClosed(facts(1, 32_100, stall))])
    (sealed,) = writer.seal()

    taken = (20_001 - HEADER_SIZE) // 2
    assert missed is not None
    assert more is not None
    assert (missed.samples, more.samples) == (16_000 - taken, 8000), (
        "it is asked again when as much is missing"
    )
    assert isinstance(sealed, SegmentManifest)
    assert sealed.ledger == (
        LedgerEntry(start=taken, samples=16_000 - taken, reason=GapReason.DISK),
        stall,
        LedgerEntry(start=16_100, samples=8000, reason=GapReason.DISK),
    )
    assert read(spool) == PCM + PCM[: 2 * taken - len(PCM)] + bytes(2 * (24_100 - taken)) + PCM


def test_a_segment_that_cannot_even_be_created_is_made_up_for_when_there_is_room(spool: Spool) -> None:
    writer = SegmentWriter(spool)
    with disk_of(0):
        missed = writer.perform([SegmentOpened(facts(1)), SamplesReady(PCM)])
    writer.perform([SamplesReady(PCM), SegmentClosed(facts(1, 16_000))])
    (sealed,) = writer.seal()

    assert missed is not None
    assert missed.samples == 8000
    assert isinstance(missed.error, OSError)
    assert isinstance(sealed, SegmentManifest)
    assert sealed.ledger == (LedgerEntry(start=0, samples=8000, reason=GapReason.DISK),)
    assert read(spool) == bytes(16_000) + PCM


def test_segments_of_which_the_disk_took_nothing_are_sealed_when_it_is_back(spool: Spool) -> None:
    writer = SegmentWriter(spool)
    with disk_of(0):
        for number in (1, 2):
            writer.perform(
                [SegmentOpened(facts(number)), SamplesReady(PCM), SegmentClosed(facts(number, 8000))]
            )
            assert all(isinstance(failed, SegmentFailed) for failed in writer.seal())
    writer.perform([SegmentOpened(facts(3)), SamplesReady(PCM), SegmentClosed(facts(3, 8000))])
    sealed = writer.seal()

    gone = (LedgerEntry(start=0, samples=8000, reason=GapReason.DISK),)
    assert [each.ledger for each in sealed if isinstance(each, SegmentManifest)] == [gone, gone, ()]
    manifests = [segment.read_manifest() for segment in spool.sealed()]
    digests = [hashlib.sha256(data).hexdigest() for _, data in manifests]
    assert [manifest.previous for manifest, _ in manifests] == [None, *digests[:2]]


def test_one_segment_that_cannot_be_sealed_holds_up_no_other_and_breaks_no_chain(spool: Spool) -> None:
    writer = SegmentWriter(spool)
    for number in (1, 2, 3):
        writer.perform([SegmentOpened(facts(number)), SamplesReady(PCM), SegmentClosed(facts(number, 8000))])
    obstacle = spool.folder / (facts(1).name.spool_stem + ".json")
    obstacle.mkdir()

    first, second, third = writer.seal()
    obstacle.rmdir()
    (late,) = writer.seal()

    assert isinstance(first, SegmentFailed)
    assert isinstance(second, SegmentManifest)
    assert isinstance(third, SegmentManifest)
    assert isinstance(late, SegmentManifest)
    assert second.previous is late.previous is None
    assert third.previous is not None


def test_what_is_kept_in_mind_while_a_disk_takes_nothing_is_bounded(spool: Spool) -> None:
    writer = SegmentWriter(spool)
    with disk_of(0):
        for number in range(MOST_UNSEALED + 1):
            writer.perform(
                [SegmentOpened(facts(number)), SamplesReady(PCM), SegmentClosed(facts(number, 8000))]
            )
        failed = writer.seal()

    given_up = [each.facts.number for each in failed if isinstance(each, SegmentFailed) and each.given_up]
    assert given_up == [0], "the oldest"
    assert len(writer.seal()) == MOST_UNSEALED


def test_a_full_disk_is_asked_about_once_a_second(tmp_path: Path) -> None:
    class Full(Spool):
        asked = 0

        def open(self, facts: SegmentFacts) -> OpenSegment:
            self.asked += 1
            raise OSError(errno.ENOSPC, f"no room for {facts.name.stem}")

    spool = Full(tmp_path)
    writer = SegmentWriter(spool)
    writer.perform([SegmentOpened(facts(1))])
    for _ in range(1000):
        writer.perform([SamplesReady(bytes(320))])
    spool.release()

    assert 20 <= spool.asked <= 20 + 10, "20 s, and a few times more at first: one bad write costs little"


PAUSES = st.lists(
    st.tuples(st.integers(1, 9000), st.sampled_from(["audio", "gap"]), st.booleans()), max_size=12
)


@given(PAUSES)
def test_whatever_is_paused_when_the_ledger_is_right_to_the_sample(
    steps: list[tuple[int, str, bool]],
) -> None:
    with TemporaryDirectory() as folder:
        spool, reserve, writer = pausing(Path(folder))
        expected = bytearray()
        reasons: list[GapReason | None] = []
        ledger: list[LedgerEntry] = []
        writer.perform([SegmentOpened(facts(1))])
        for samples, what, paused in steps:
            reserve.look(0 if paused else 10**9)
            start = len(reasons)
            if what == "gap":
                ledger.append(LedgerEntry(start=start, samples=samples, reason=GapReason.LOST))
                writer.perform([SilenceReady(samples, GapReason.LOST, facts(1, start + samples, *ledger))])
                reasons += [GapReason.LOST] * samples
                expected += bytes(2 * samples)
            else:
                writer.perform([SamplesReady(b"\1\2" * samples)])
                reasons += [GapReason.DISK if paused else None] * samples
                expected += bytes(2 * samples) if paused else b"\1\2" * samples
        writer.perform([SegmentClosed(facts(1, len(reasons), *ledger))])
        (sealed,) = writer.seal()
        audio = read(spool)
        spool.release()

    assert isinstance(sealed, SegmentManifest)
    found: list[GapReason | None] = [None] * sealed.samples
    for entry in sealed.ledger:
        found[entry.start : entry.end] = [entry.reason] * entry.samples
    assert found == reasons
    assert audio == bytes(expected)
    assert reserve.take_missed() == reasons.count(GapReason.DISK)


def test_what_is_said_long_after_a_disk_has_failed_is_recorded_from_its_first_sample(spool: Spool) -> None:
    reserve = Reserve()
    writer = SegmentWriter(spool, reserve)
    writer.perform([SegmentOpened(facts(1)), SamplesReady(PCM)])
    with disk_of(0):
        writer.perform([SamplesReady(PCM)])
    for _ in range(10):
        reserve.look(10**9)
    writer.perform([SamplesReady(PCM[:320]), SegmentClosed(facts(1, 16_160))])

    (sealed,) = writer.seal()
    assert isinstance(sealed, SegmentManifest)
    assert sealed.ledger == (LedgerEntry(start=8000, samples=8000, reason=GapReason.DISK),)
    assert read(spool) == PCM + bytes(16_000) + PCM[:320]


FILE_SIZES = st.sampled_from([None, None, 0, 500, 3001, 9000, 20_001, 50_000])
"""Bytes that the disk takes of a file; None: all. Facts are about 700, manifests 1000."""


@given(st.lists(st.tuples(st.integers(1, 9000), FILE_SIZES, st.booleans()), min_size=1, max_size=10))
def test_whatever_room_a_disk_has_what_it_did_not_take_is_in_the_ledger(
    steps: list[tuple[int, int | None, bool]],
) -> None:
    with TemporaryDirectory() as folder:
        spool, _, writer = pausing(Path(folder))
        lengths, missed = [0], 0
        writer.perform([SegmentOpened(facts(0))])
        for samples, size, cut in steps:
            with disk_of(size) if size is not None else nullcontext():
                events: list[Event] = [SamplesReady(b"\1\2" * samples)]
                lengths[-1] += samples
                if cut:
                    number = len(lengths)
                    events += [SegmentClosed(facts(number - 1, lengths[-1])), SegmentOpened(facts(number))]
                    lengths.append(0)
                result = writer.perform(events)
                missed += result.samples if result else 0
                if cut:
                    writer.seal()
        writer.perform([SegmentClosed(facts(len(lengths) - 1, lengths[-1]))])
        writer.seal()
        found = [
            (segment.name.number, segment.read_manifest()[0], wave_of(segment.audio))
            for segment in spool.sealed()
        ]
        left = [path for path in spool.folder.iterdir() if path.name not in {".claim", ".last"}]
        spool.release()

    assert not writer.unsealed
    assert [manifest.samples for _, manifest, _ in found] == lengths
    for _, manifest, audio in found:
        expected = bytearray(b"\1\2" * manifest.samples)
        for entry in manifest.ledger:
            assert entry.reason is GapReason.DISK
            expected[2 * entry.start : 2 * entry.end] = bytes(2 * entry.samples)
        assert audio == bytes(expected)
    assert sum(manifest.silence for _, manifest, _ in found) == missed
    assert len(left) == 2 * len(lengths), "audio and manifest of each, and nothing half done"


def test_who_dies_after_a_fault_of_the_disk_leaves_an_honest_ledger(spool: Spool, tmp_path: Path) -> None:
    writer = SegmentWriter(spool)
    writer.perform([SegmentOpened(facts(1))])
    with disk_of(20_000):
        writer.perform([SamplesReady(PCM), SamplesReady(PCM)])
    writer.perform([SamplesReady(PCM)])
    dead = Spool(shutil.copytree(spool.folder, tmp_path / "dead"))
    (recovered,) = dead.recover().recovered
    dead.release()
    writer.perform([SegmentClosed(facts(1, 24_000))])
    (sealed,) = writer.seal()

    taken = (20_000 - HEADER_SIZE) // 2
    assert recovered.samples == 24_000
    assert recovered.ledger == (LedgerEntry(start=taken, samples=16_000 - taken, reason=GapReason.DISK),)
    assert isinstance(sealed, SegmentManifest)
    assert sealed.ledger == recovered.ledger


def test_whenever_we_die_while_the_disk_comes_back_no_hole_passes_for_audio(tmp_path: Path) -> None:
    spool, reserve, writer = pausing(tmp_path / "spool")
    writer.perform([SegmentOpened(facts(1)), SamplesReady(PCM)])
    reserve.look(0)
    writer.perform([SamplesReady(PCM)])
    reserve.look(10**9)

    def come_back() -> None:
        writer.perform([SamplesReady(PCM)])
        reserve.look(0)
        writer.perform([SamplesReady(PCM), SegmentClosed(facts(1, 32_000))])
        writer.seal()

    moments = MOMENTS.of(spool.folder, come_back)
    spool.release()

    assert len(moments) > 5
    for moment in moments:
        dead = Spool(moment)
        dead.recover()
        manifest, _ = next(dead.sealed()).read_manifest()
        dead.release()
        content = read(dead)
        expected = bytearray(b"\1\2" * manifest.samples)
        for entry in manifest.ledger:
            expected[2 * entry.start : 2 * entry.end] = bytes(2 * entry.samples)
        assert content == bytes(expected)
        assert manifest.samples >= 8000


def read(spool: Spool) -> bytes:
    return wave_of(next(spool.sealed()).audio)


def wave_of(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        return bytes(file.readframes(file.getnframes()))


def pausing(folder: Path) -> tuple[Spool, Reserve, SegmentWriter]:
    spool, reserve = Spool(folder), Reserve(10**6)
    return spool, reserve, SegmentWriter(spool, reserve)

"""The reserve: when recording pauses and goes on, and what gives its audio up while the ledger closes."""

import hashlib
import wave
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from recorder import dropping
from recorder.config import WhenFull
from recorder.reserve import Reserve, ReserveWatch
from recorder.spool import Spool
from recorder.uploader import Uploader
from storage.catalog import Catalog
from storage.errors import StoreUnavailable
from storage.layout import FAILURES
from storage.manifest import ClosedBy, GapReason, LedgerEntry, SegmentFacts, WatchFacts
from storage.names import AudioFormat, WatchId, WatchKind
from storage.verification import verify
from tests.fakes import MemoryStore
from tests.recorder.moments import MOMENTS
from tests.virtual import Inline, virtual_clock

pytestmark = pytest.mark.anyio

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SAMPLES = 80_000
STALL = LedgerEntry(start=1000, samples=500, reason=GapReason.STALLED)
GIVEN_UP = (
    LedgerEntry(start=0, samples=1000, reason=GapReason.DISK),
    STALL,
    LedgerEntry(start=1500, samples=SAMPLES - 1500, reason=GapReason.DISK),
)
MB = 10**6


def seal(spool: Spool, number: int, previous: str | None = None, *, legal_hold: bool = False) -> str:
    """A segment of ten seconds, the one after `number - 1`."""
    facts = SegmentFacts(
        watch=WatchFacts(kind=BOARD.kind, id=BOARD.id, legal_hold=legal_hold),
        recorder="rec-a",
        version="0",
        number=number,
        started_at=NOON + number * timedelta(seconds=SAMPLES / 8000),
        samples=SAMPLES,
        encapsulation="rtp",
        codec="pcm16le",
        ledger=(STALL,),
        closed_by=ClosedBy.GRID,
    )
    segment = spool.open(facts)
    segment.wav.write(b"\1\2" * 1000 + bytes(1000) + bytes(range(256)) * ((SAMPLES - 1500) // 128))
    segment.wav.write(b"\3\4" * (SAMPLES - segment.wav.samples))
    return spool.seal(segment, facts, previous)[1]


def blocks(spool: Spool) -> int:
    return sum(segment.audio.stat().st_blocks for segment in spool.sealed())


class Disk:
    """What a spool would find free, were all else on its disk of this size."""

    def __init__(self, spool: Spool, size: int) -> None:
        self.spool = spool
        self.size = size

    def free(self) -> int:
        return self.size - 512 * blocks(self.spool)


async def watching(
    spool: Spool, store: MemoryStore, when_full: WhenFull, least: int, free: Callable[[], int]
) -> tuple[Reserve, ReserveWatch, Uploader]:
    clock = virtual_clock()
    uploader = Uploader(spool, store, clock=clock, disk=Inline(), network=Inline(seconds=1.0))
    for segment in spool.sealed():
        uploader.add(segment)
    reserve = Reserve(least)
    return reserve, ReserveWatch(free, reserve, when_full, uploader, clock=clock, disk=Inline()), uploader


class Collector:
    """Takes what a fetch writes, and forgets it."""

    def write(self, samples: object) -> None:
        pass


@given(st.lists(st.integers(0, 200), max_size=30))
def test_it_pauses_below_the_reserve_and_goes_on_only_with_some_more(frees: list[int]) -> None:
    reserve = Reserve(100)
    for free in frees:
        before = reserve.paused
        changed = reserve.look(free)
        assert changed == (reserve.paused != before)
        assert reserve.paused or free >= 100
        assert not reserve.paused or free < 105


async def test_a_pause_is_said_once_a_minute_with_what_it_costs_and_its_end_too(spool: Spool) -> None:
    free = 50 * MB
    reserve, watch, _ = await watching(spool, MemoryStore(), WhenFull.STOP, 100 * MB, lambda: free)
    with capture_logs() as said:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run)
            await anyio.sleep(0.5)
            for _ in range(150):
                reserve.miss(8000)
                await anyio.sleep(1)
            free = 103 * MB
            await anyio.sleep(5)
            assert reserve.paused, "not at the very limit"
            free = 106 * MB
            await anyio.sleep(2)
            assert not reserve.paused
            tasks.cancel_scope.cancel()

    assert [line["log_level"] for line in said] == ["error"] * 3 + ["warning"]
    assert said[0]["min_free"] == 100 * MB
    assert sum(line["samples_missed"] for line in said) == 150 * 8000
    assert "recording again" in said[-1]["event"]


async def test_what_is_missed_as_a_pause_ends_is_said_too(spool: Spool) -> None:
    free = 50 * MB
    reserve, watch, _ = await watching(spool, MemoryStore(), WhenFull.STOP, 100 * MB, lambda: free)
    with capture_logs() as said:
        await watch.look()
        free = 200 * MB
        await watch.look()
        reserve.miss(8000)
        await watch.look()
        await watch.look()
        reserve.miss(4000)
        watch.say_missed()
    assert [line["samples_missed"] for line in said] == [0, 0, 8000, 4000]


async def test_stop_deletes_nothing_and_uploads_go_on(spool: Spool) -> None:
    seal(spool, 0)
    store = MemoryStore()
    reserve, watch, uploader = await watching(spool, store, WhenFull.STOP, MB, lambda: 0)
    await watch.look()
    assert (reserve.paused, len(list(spool.sealed()))) == (True, 1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uploader.run)
        await uploader.drain()
        tasks.cancel_scope.cancel()
    assert len(store.objects) == 2


async def test_the_oldest_give_up_their_audio_until_there_is_room(spool: Spool) -> None:
    for number in range(5):
        seal(spool, number)
    disk = Disk(spool, 512 * blocks(spool) + 700_000)
    store = MemoryStore()
    reserve, watch, _ = await watching(spool, store, WhenFull.DROP_OLDEST, 900_000, disk.free)
    with capture_logs() as said:
        await watch.look()

    assert not reserve.paused
    assert disk.free() >= 900_000
    ledgers = [segment.read_manifest()[0].ledger for segment in spool.sealed()]
    assert ledgers == [GIVEN_UP] * 2 + [(STALL,)] * 3
    assert [line["samples_lost"] for line in said] == [SAMPLES - 500] * 2
    assert all("given up" in line["event"] and line["log_level"] == "error" for line in said)

    disk.size -= 10 * MB
    await watch.look()
    assert reserve.paused, "there is nothing left to give up"


async def test_what_is_on_legal_hold_is_not_given_up(spool: Spool) -> None:
    seal(spool, 0, legal_hold=True)
    seal(spool, 1)
    reserve, watch, _ = await watching(spool, MemoryStore(), WhenFull.DROP_OLDEST, MB, lambda: 0)
    await watch.look()

    ledgers = [
        segment.read_manifest()[0].ledger for segment in sorted(spool.sealed(), key=lambda s: s.name.number)
    ]
    assert ledgers == [(STALL,), GIVEN_UP]
    assert reserve.paused


async def test_what_is_under_way_or_was_tried_is_not_touched(spool: Spool) -> None:
    seal(spool, 0)
    seal(spool, 1)
    store = MemoryStore()
    store.failure = StoreUnavailable("503")
    _, watch, uploader = await watching(spool, store, WhenFull.DROP_OLDEST, MB, lambda: 0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uploader.run)
        await anyio.sleep(0.5)
        await watch.look()
        await anyio.sleep(1)
        seal(spool, 2)
        uploader.add(next(segment for segment in spool.sealed() if segment.name.number == 2))
        await watch.look()
        store.failure = None
        await uploader.drain()
        tasks.cancel_scope.cancel()

    layout = Catalog(store).layout(BOARD)
    ledgers = [getattr(segment, "ledger", None) for segment in Catalog(store).segments(BOARD)]
    assert ledgers == [(STALL,), (STALL,), GIVEN_UP]
    assert layout.problems == ()


@pytest.mark.parametrize("audio_format", AudioFormat)
async def test_what_was_tried_in_the_life_before_is_not_touched_either(
    tmp_path: Path, audio_format: AudioFormat
) -> None:
    spool, store = Spool(tmp_path / "spool", audio_format), MemoryStore()
    first = seal(spool, 0)
    last = seal(spool, 1, first)
    store.failures = {
        segment.name.manifest_key: StoreUnavailable("it took the audio, and hangs")
        for segment in spool.sealed()
    }
    _, _, uploader = await watching(spool, store, WhenFull.DROP_OLDEST, MB, lambda: 0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uploader.run)
        await anyio.sleep(100)
        tasks.cancel_scope.cancel()
    spool.release()
    assert len(store.objects) == 2

    spool = Spool(tmp_path / "spool", audio_format)
    assert spool.recover().quarantined == ()
    seal(spool, 2, last)
    _, watch, uploader = await watching(spool, store, WhenFull.DROP_OLDEST, MB, lambda: 0)
    assert [segment.name.number for segment in uploader.untried()] == [2]
    await watch.look()
    store.failures = {}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uploader.run)
        await uploader.drain()
        tasks.cancel_scope.cancel()
    left = list(spool.folder.glob("[!.]*"))
    spool.release()

    ledgers = [getattr(segment, "ledger", None) for segment in Catalog(store).segments(BOARD)]
    assert ledgers == [(STALL,), (STALL,), GIVEN_UP]
    assert verify(store, BOARD).faults == ()
    assert left == [], "nothing is set aside, and no mark is left"


@pytest.mark.parametrize("audio_format", AudioFormat)
async def test_the_bucket_gets_the_ledger_and_misses_no_segment(
    tmp_path: Path, audio_format: AudioFormat
) -> None:
    spool, store = Spool(tmp_path / "spool", audio_format), MemoryStore()
    previous = None
    for number in range(4):
        previous = seal(spool, number, previous)
    free = iter([0, 10 * MB, 10 * MB])
    _, watch, uploader = await watching(spool, store, WhenFull.DROP_OLDEST, 200_000, lambda: next(free))
    await watch.look()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uploader.run)
        await uploader.drain()
        tasks.cancel_scope.cancel()
    spool.release()

    catalog = Catalog(store)
    out = Collector()
    result = catalog.fetch(catalog.layout(BOARD), out)
    lost = sum(silence.samples for silence in result.silence if silence.reason == GapReason.DISK.value)
    assert lost == 2 * (SAMPLES - 500)
    assert not {silence.reason for silence in result.silence} & FAILURES, "no segment is said to be missing"
    assert (result.samples, result.problems) == (4 * SAMPLES, ())
    assert len(store.objects) == 8


async def test_what_could_not_be_finished_is_not_uploaded_until_it_is(flac_spool: Spool) -> None:
    seal(flac_spool, 0)
    (segment,) = flac_spool.sealed()
    store = MemoryStore()
    free = 0
    _, watch, uploader = await watching(flac_spool, store, WhenFull.DROP_OLDEST, MB, lambda: free)
    obstacle = segment.audio.with_suffix(".wav")
    obstacle.mkdir()  # where the silence should go
    with capture_logs() as said:
        await watch.look()
        free = 2 * MB
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(uploader.run)
            await anyio.sleep(100)
            before = dict(store.objects)
            obstacle.rmdir()
            await watch.look()
            await uploader.drain()
            tasks.cancel_scope.cancel()

    assert before == {}
    assert "cannot give up" in said[0]["event"]
    assert [line["samples_lost"] for line in said if "given up" in line["event"]] == [SAMPLES - 500]
    assert [getattr(each, "ledger", None) for each in Catalog(store).segments(BOARD)] == [GIVEN_UP]
    assert len(store.objects) == 2


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_killed_at_any_moment_a_segment_is_the_old_one_or_the_new(
    tmp_path: Path, audio_format: AudioFormat
) -> None:
    spool = Spool(tmp_path / "spool", audio_format)
    seal(spool, 0)
    (segment,) = spool.sealed()
    states = MOMENTS.of(spool.folder, lambda: dropping.drop(segment))
    spool.release()

    kinds = set()
    for state in states:
        dead = Spool(state)
        assert dead.recover().quarantined == ()
        (left,) = dead.sealed()
        manifest, _ = left.read_manifest()
        assert hashlib.sha256(left.audio.read_bytes()).hexdigest() == manifest.audio.sha256
        assert len([path for path in state.iterdir() if not path.name.startswith(".")]) == 2
        if manifest.replaces:
            assert manifest.ledger == GIVEN_UP
            with wave.open(str(left.audio)) as file:
                assert file.readframes(SAMPLES) == bytes(2 * SAMPLES)
        kinds.add(manifest.replaces is not None)
        dead.release()
    assert kinds == {False, True}

"""What a start knows of the life before: the last manifest of each watch, and why nothing came after it."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recorder.core.absence import Past
from recorder.delivery import deliver
from recorder.history import KEPT, LAST, Before
from recorder.segment import OpenSegment
from recorder.spool import Spool
from storage.manifest import ClosedBy, OpenedAfterReason, SegmentFacts, SegmentManifest, WatchFacts
from storage.names import AudioFormat, WatchId, WatchKind
from storage.verification import verify
from tests.fakes import MemoryStore

WATCH = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
IDLE, DISCONNECTED = OpenedAfterReason.IDLE, OpenedAfterReason.DISCONNECTED
CRASH, STOPPED = OpenedAfterReason.CRASH, OpenedAfterReason.STOPPED


class Wall:
    """A wall clock, in seconds after noon."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)


@contextmanager
def life(folder: Path, wall: Wall, began: float, ended: float, *, told: bool = False) -> Iterator[Spool]:
    """A daemon that lives from one second to another, and is told to stop or killed."""
    wall.seconds = began
    spool = Spool(folder, AudioFormat.WAV, wall)
    spool.recover()
    yield spool
    wall.seconds = ended
    spool.sync()
    if told:
        spool.stop()
    spool.release()


def about(began: float, seconds: float, closed_by: ClosedBy, number: int = 0) -> SegmentFacts:
    return SegmentFacts(
        watch=WatchFacts(kind=WATCH.kind, id=WATCH.id),
        recorder="rec-a",
        version="0",
        number=number,
        started_at=NOON + timedelta(seconds=began),
        samples=round(seconds * 8000),
        encapsulation="sln",
        codec="pcm16le",
        closed_by=closed_by,
    )


def begin(spool: Spool, began: float, seconds: float, closed_by: ClosedBy, number: int = 0) -> OpenSegment:
    facts = about(began, seconds, closed_by, number)
    segment = spool.open(facts)
    segment.wav.write(bytes(facts.samples * 2))
    return segment


def record(
    spool: Spool, began: float, seconds: float, closed_by: ClosedBy, number: int = 0
) -> tuple[SegmentManifest, str]:
    segment = begin(spool, began, seconds, closed_by, number)
    return spool.seal(segment, about(began, seconds, closed_by, number), None)


def causes(before: Before) -> list[tuple[OpenedAfterReason, float]]:
    assert before.past is not None
    return [(reason, round(seconds, 3)) for reason, seconds in before.past.causes]


def test_of_a_watch_that_was_never_recorded_nothing_is_known(spool: Spool) -> None:
    assert spool.before(WATCH) == Before()


@pytest.mark.parametrize(
    ("closed_by", "told", "expected"),
    [
        (ClosedBy.CRASH, False, [(CRASH, 90.0)]),
        (ClosedBy.GRID, False, [(CRASH, 90.0)]),
        (ClosedBy.GRID, True, [(STOPPED, 90.0)]),
        (ClosedBy.STOPPED, True, [(STOPPED, 70.0), (STOPPED, 20.0)]),
        (ClosedBy.IDLE, True, [(IDLE, 70.0), (STOPPED, 20.0)]),
        (ClosedBy.IDLE, False, [(IDLE, 70.0), (CRASH, 20.0)]),
        (ClosedBy.DISCONNECTED, False, [(DISCONNECTED, 70.0), (CRASH, 20.0)]),
    ],
)
def test_the_time_since_the_last_segment_is_known_with_its_reasons(
    tmp_path: Path,
    closed_by: ClosedBy,
    told: bool,
    expected: list[tuple[OpenedAfterReason, float]],
) -> None:
    wall = Wall()
    with life(tmp_path, wall, 0, 100, told=told) as spool:
        manifest, sha256 = record(spool, 10, 20, closed_by)
        for sealed in spool.sealed():
            spool.discard(sealed)  # it is in the bucket, and gone from here

    with life(tmp_path, wall, 120, 130) as spool:
        before = spool.before(WATCH)

    assert before.past is not None
    assert before.past.ended_at == manifest.ended_at
    assert before.manifest == sha256
    assert causes(before) == expected


def test_a_watch_that_is_added_later_was_not_watched_until_then(tmp_path: Path) -> None:
    wall = Wall()
    with life(tmp_path, wall, 0, 100) as spool:
        record(spool, 10, 20, ClosedBy.GRID)

    with life(tmp_path, wall, 120, 130) as spool:
        wall.seconds = 720
        assert causes(spool.before(WATCH)) == [(CRASH, 90.0), (STOPPED, 600.0)]


def test_a_watch_that_is_taken_off_and_put_back_was_not_watched_between(tmp_path: Path) -> None:
    wall = Wall()
    with life(tmp_path, wall, 0, 100) as spool:
        record(spool, 10, 20, ClosedBy.STOPPED)
        wall.seconds = 50
        assert causes(spool.before(WATCH)) == [(STOPPED, 20.0)]


def test_a_recovered_segment_continues_the_chain_and_is_the_last_one(tmp_path: Path) -> None:
    wall = Wall()
    with life(tmp_path, wall, 0, 100) as spool:
        manifest, sha256 = record(spool, 10, 20, ClosedBy.GRID)
        facts = SegmentFacts(**{**dict(manifest), "number": 1, "samples": 0, "started_at": manifest.ended_at})
        segment = spool.open(facts)
        segment.wav.write(bytes(8000))
        segment.wav.abandon()

    with life(tmp_path, wall, 120, 130) as spool:
        *_, last = [sealed.read_manifest()[0] for sealed in spool.sealed()]
        before = spool.before(WATCH)

    assert (last.closed_by, last.previous) == (ClosedBy.CRASH, sha256)
    assert before.past is not None
    assert before.past.ended_at == last.ended_at


def test_what_is_found_at_a_start_does_not_replace_what_came_later(tmp_path: Path) -> None:
    wall = Wall()
    with life(tmp_path, wall, 0, 100) as spool:
        record(spool, 10, 20, ClosedBy.GRID)
        _, sha256 = record(spool, 30, 20, ClosedBy.GRID, number=1)
        (_, later) = spool.sealed()
        spool.discard(later)

    with life(tmp_path, wall, 120, 130) as spool:
        assert spool.before(WATCH).manifest == sha256


def test_of_one_life_the_last_is_the_last_though_the_clock_was_set_back_meanwhile(tmp_path: Path) -> None:
    wall = Wall()
    with life(tmp_path, wall, 3600, 3700) as spool:
        record(spool, 3610, 20, ClosedBy.GRID)
        _, sha256 = record(spool, 10, 20, ClosedBy.GRID, number=1)

    with life(tmp_path, wall, 120, 130) as spool:
        assert spool.before(WATCH).manifest == sha256


def test_what_is_repaired_late_follows_on_nothing_that_came_after_it(tmp_path: Path) -> None:
    wall = Wall()
    with life(tmp_path, wall, 0, 100, told=True) as spool:
        _, first = record(spool, 10, 20, ClosedBy.GRID)
        unsealed = begin(spool, 30, 20, ClosedBy.GRID, number=1)  # the disk did not let it be sealed
        unsealed.close(about(30, 20, ClosedBy.GRID, number=1))
        _, last = record(spool, 50, 20, ClosedBy.STOPPED, number=2)

    with life(tmp_path, wall, 120, 130) as spool:
        found = {segment.name.number: segment.read_manifest()[0] for segment in spool.sealed()}
        before = spool.before(WATCH)
        store = MemoryStore()
        for segment in spool.sealed():
            deliver(store, segment, 60.0)

    assert found[1].previous in (None, first)
    assert before.manifest == last, "the next segment follows on what was recorded last"
    assert causes(before)[-1] == (STOPPED, 20.0)
    report = verify(store, WATCH)
    assert report.faults == ()


def test_what_only_a_later_start_could_repair_follows_on_nothing_of_the_life_between(tmp_path: Path) -> None:
    wall, folder = Wall(), tmp_path / "spool"
    with life(folder, wall, 0, 100) as spool:
        _, first = record(spool, 10, 20, ClosedBy.GRID)
        begin(spool, 30, 20, ClosedBy.GRID, number=1).wav.abandon()
    stem = about(30, 20, ClosedBy.GRID, number=1).name.spool_stem
    out_of_reach = [path.rename(tmp_path / path.name) for path in folder.glob(f"{stem}.*")]
    with life(folder, wall, 120, 200) as spool:
        _, last = record(spool, 130, 20, ClosedBy.GRID, number=10**12)
    for path in out_of_reach:
        path.rename(folder / path.name)

    with life(folder, wall, 220, 300) as spool:
        found = {segment.name.number: segment.read_manifest()[0] for segment in spool.sealed()}
        assert found[1].previous in (None, first)
        assert spool.before(WATCH).manifest == last


def test_what_is_sealed_late_is_not_the_last(tmp_path: Path) -> None:
    wall = Wall()
    with life(tmp_path, wall, 0, 100) as spool:
        late = begin(spool, 10, 20, ClosedBy.GRID)
        _, last = record(spool, 30, 20, ClosedBy.GRID, number=1)
        spool.seal(late, about(10, 20, ClosedBy.GRID), None)

        assert spool.before(WATCH).manifest == last


def test_what_is_recorded_now_is_the_last_though_the_clock_was_set_back_before(tmp_path: Path) -> None:
    wall = Wall()
    with life(tmp_path, wall, 3600, 3700) as spool:
        record(spool, 3610, 20, ClosedBy.GRID)
    with life(tmp_path, wall, 0, 100) as spool:
        _, last = record(spool, 10, 20, ClosedBy.GRID, number=10**12)

        assert spool.before(WATCH).manifest == last


def test_each_start_knows_the_last_though_one_of_the_future_waits_for_its_upload(tmp_path: Path) -> None:
    """Its clock was an hour ahead: it is the latest by its name as long as it lies in the spool."""
    wall = Wall()
    with life(tmp_path, wall, 3600, 3700) as spool:
        _, last = record(spool, 3610, 20, ClosedBy.GRID)
    for number in range(1, 4):
        with life(tmp_path, wall, 100 * number, 100 * number + 50) as spool:
            assert spool.before(WATCH).manifest == last
            began, in_life = 100 * number + 10, number * 10**12
            segment = begin(spool, began, 20, ClosedBy.GRID, in_life)
            _, last = spool.seal(segment, about(began, 20, ClosedBy.GRID, in_life), last)


def test_what_a_kill_left_open_follows_on_the_last_though_the_clock_was_set_back(tmp_path: Path) -> None:
    wall = Wall()
    with life(tmp_path, wall, 3600, 3700) as spool:
        _, first = record(spool, 3610, 20, ClosedBy.GRID)
    with life(tmp_path, wall, 100, 150) as spool:
        begin(spool, 110, 20, ClosedBy.GRID, 10**12).wav.abandon()

    with life(tmp_path, wall, 200, 250) as spool:
        found = {segment.name.number: segment.read_manifest() for segment in spool.sealed()}
        manifest, data = found[10**12]
        assert manifest.previous == first
        assert spool.before(WATCH).manifest == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_a_damaged_memory_is_none(tmp_path: Path, content: bytes) -> None:
    wall = Wall()
    with life(tmp_path, wall, 0, 100) as spool:
        record(spool, 10, 20, ClosedBy.GRID)
        (remembered,) = (tmp_path / LAST).iterdir()
        remembered.unlink()
        remembered.write_bytes(content)
        assert spool.before(WATCH) == Before()


def test_what_was_not_recorded_for_long_is_forgotten(tmp_path: Path) -> None:
    wall = Wall()
    with life(tmp_path, wall, 0, 100) as spool:
        record(spool, 10, 20, ClosedBy.GRID)
        (remembered,) = (tmp_path / LAST).iterdir()
        (sealed,) = spool.sealed()
        spool.discard(sealed)
    old = time.time() - KEPT.total_seconds() - 1
    os.utime(remembered, (old, old))

    with life(tmp_path, wall, 120, 130) as spool:
        assert spool.before(WATCH) == Before()


def test_the_causes_share_what_there_is_and_the_last_takes_what_they_leave() -> None:
    past = Past(NOON, ((IDLE, 70.0), (CRASH, 20.0)))

    assert past.shares(100.0) == {IDLE: 70.0, CRASH: 30.0}
    assert past.shares(80.0) == {IDLE: 70.0, CRASH: 10.0}
    assert past.shares(50.0) == {IDLE: 50.0, CRASH: 0.0}
    assert Past(NOON, ()).shares(50.0) == {}

"""What a question costs the store: prefix listings of what was asked for, and few."""

import pickle
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import typer

from storage.catalog import Catalog
from storage.commands.listing import WatchSummary
from storage.commands.options import find_watch
from storage.coverage import cover, cover_by_day
from storage.layout import Cut
from storage.manifest import ClosedBy, OpenedAfterReason
from storage.names import WatchId, WatchKind
from storage.prefixes import covering
from storage.store import ObjectStat
from tests.fakes import MemoryStore
from tests.storage.recorders import Ear, Hole, record
from tests.storage.segments import BOARD, NOON, RATE, manifest, seconds, speech, store_segment

START = OpenedAfterReason.START
MONTH = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))


class CountingStore(MemoryStore):
    """An `ObjectStore` that remembers what was listed, and how much that gave."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[str] = []
        self.given = 0

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        self.listed.append(prefix)
        for item in super().list(prefix):
            self.given += 1
            yield item

    def folders(self, prefix: str = "") -> Iterator[str]:
        self.listed.append(prefix)
        for folder in super().folders(prefix):
            self.given += 1
            yield folder


@pytest.fixture
def crowded() -> CountingStore:
    """10 000 watches, one of which has a segment a day."""
    store = CountingStore()
    for number in range(10_000):
        watch = WatchId(WatchKind.CONFERENCE, str(uuid.UUID(int=(number + 1) << 96)))
        store.objects[f"{watch.prefix}2026/11/22/20261122T120000.000Z_rec-a_0.json"] = b"{}"
    samples = speech(100)
    for day in range(1, 31):
        at = datetime(2026, 11, day, 12, tzinfo=UTC)
        store_segment(store, samples, manifest(samples, at, number=day, opened_after=OpenedAfterReason.IDLE))
    return store


def test_a_month_of_one_of_10_000_watches_is_four_listings_of_its_own(crowded: CountingStore) -> None:
    found = Catalog(crowded).survey(BOARD, *MONTH)

    assert len(found.segments) == 30
    assert crowded.listed == [
        f"{BOARD.prefix}{part}/" for part in ("2026/10/30", "2026/10/31", "2026/11", "2026/12/01")
    ]
    assert crowded.given == 60


def test_a_whole_id_is_looked_up_and_not_searched(crowded: CountingStore) -> None:
    assert find_watch(crowded, Catalog(crowded), BOARD.id.upper(), None) == BOARD

    assert crowded.listed == [BOARD.prefix, f"calls/{BOARD.id}/"]
    assert crowded.given == 1


def test_of_an_abbreviated_id_only_what_begins_so_is_listed(crowded: CountingStore) -> None:
    assert find_watch(crowded, Catalog(crowded), "1ed1", WatchKind.CONFERENCE) == BOARD

    assert crowded.listed == ["conferences/1ed1", "names/1ed1/"], "for it may be a name, too"
    assert crowded.given == 1


def test_a_whole_id_that_has_nothing_is_not_found(crowded: CountingStore) -> None:
    with pytest.raises(typer.Exit):
        find_watch(crowded, Catalog(crowded), "652af662-eb45-11ee-b1a5-6fde165f9226", None)

    assert crowded.given == 0, "nor is it looked for among ten thousand names"


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-11-22", "2026-11-22", ["2026/11/22"]),
        ("2026-11-29", "2026-12-02", ["2026/11/29", "2026/11/30", "2026/12/01", "2026/12/02"]),
        ("2026-11-10", "2026-11-20", ["2026/11"]),
        ("2025-12-31", "2027-01-01", ["2025/12/31", "2026", "2027/01/01"]),
        ("2024-02-01", "2024-02-29", ["2024/02"]),
        ("1000-01-01", "9000-01-01", [""]),
    ],
)
def test_a_range_is_covered_by_few_listings(start: str, end: str, expected: list[str]) -> None:
    prefixes = covering(BOARD, day(start), day(end))

    assert prefixes == [BOARD.prefix + (f"{part}/" if part else "") for part in expected]


def test_coverage_counts_once_what_two_recorders_have() -> None:
    store = MemoryStore()
    conference = speech(100 * RATE)
    record(store, conference, Ear("rec-a", holes=[Hole(20 * RATE, 40 * RATE)]))
    record(store, conference, Ear("rec-b", holes=[Hole(30 * RATE, 50 * RATE, breaks=True)]))

    found = Catalog(store).survey(BOARD)
    assert found.layout is not None
    coverage = cover(found.layout)

    assert coverage.heard == 90 * RATE
    assert coverage.silence == {"disconnected": 10 * RATE}
    assert coverage.percent == 90.0


def test_what_a_list_keeps_of_a_watch_does_not_grow_with_its_segments() -> None:
    def kept(count: int) -> int:
        """Bytes that the summary of a watch takes where it is written down."""
        store, samples = MemoryStore(), speech(80)
        for number in range(count):
            at = NOON + seconds(60 * number)
            store_segment(store, samples, manifest(samples, at, number=number, opened_after=START))
        summary = WatchSummary.of(BOARD, Catalog(store).survey(BOARD))
        assert summary.segments == count
        return len(pickle.dumps(summary))

    assert kept(300) < kept(10) + 100


def test_the_segments_of_a_day_are_counted_once() -> None:
    """Also where another recorder is heard between two parts of one of them."""
    store = MemoryStore()
    conference = speech(100 * RATE)
    record(store, conference, Ear("rec-a", holes=[Hole(40 * RATE, 50 * RATE)]))
    record(store, conference[30 * RATE : 60 * RATE], Ear("rec-b", begins_at=NOON + seconds(30)))

    found = Catalog(store).survey(BOARD)
    assert found.layout is not None
    (today,) = cover_by_day(found.layout).values()

    heard = [piece.segment.recorder for piece in found.layout.pieces if isinstance(piece, Cut)]
    assert heard == ["rec-a", "rec-b", "rec-a"]
    assert today.segments == cover(found.layout).segments == 2


def test_an_idle_hour_takes_nothing_from_the_coverage_and_a_crash_does() -> None:
    store = MemoryStore()
    samples = speech(30 * RATE)
    store_segment(store, samples, manifest(samples, closed_by=ClosedBy.IDLE))
    for number, (minute, reason) in enumerate(
        [(60, OpenedAfterReason.IDLE), (61, OpenedAfterReason.CRASH)], 1
    ):
        at = NOON + timedelta(minutes=minute)
        away = (3600.0 - 30, 30.0)[number - 1]
        segment = manifest(samples, at, number=number, opened_after=reason, away=away)
        store_segment(store, samples, segment)

    found = Catalog(store).survey(BOARD)
    assert found.layout is not None
    coverage = cover(found.layout)

    assert coverage.percent == 75.0
    assert coverage.silence == {"idle": 3570 * RATE, "crash": 30 * RATE}


def test_the_days_are_all_of_it() -> None:
    store = MemoryStore()
    samples = speech(40 * RATE)
    midnight = NOON + timedelta(hours=12)
    for number, at in enumerate([midnight - seconds(20.0001), midnight + timedelta(days=2)]):
        store_segment(store, samples, manifest(samples, at, number=number))

    found = Catalog(store).survey(BOARD)
    assert found.layout is not None
    days = cover_by_day(found.layout)
    whole = cover(found.layout)

    assert [str(each) for each in days] == ["2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25"]
    assert sum(each.heard for each in days.values()) == whole.heard == 80 * RATE
    assert sum(sum(each.silence.values()) for each in days.values()) == sum(whole.silence.values())
    assert sum(isinstance(piece, Cut) for piece in found.layout.pieces) == 2

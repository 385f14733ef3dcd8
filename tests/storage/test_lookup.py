"""A name finds the watches that were called so: by the register, else by manifests, and never wrongly."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from storage.catalog import Catalog
from storage.lookup import Named, find, forget, recorded, registered
from storage.manifest import SegmentManifest
from storage.names import WatchId, WatchKind
from storage.presence import PlatformFacts
from storage.register import REGISTER, Entry, fold, format_entry
from storage.store import ObjectStore
from storage.verification import verify
from tests.fakes import MemoryStore
from tests.storage.segments import BOARD, NOON, manifest, speech, store_segment
from tests.storage.test_store_contract import OPENERS, put

CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")
OTHER = WatchId(WatchKind.CONFERENCE, "00000000-0000-4000-8000-000000000001")


def watch(number: int) -> WatchId:
    return WatchId(WatchKind.CONFERENCE, f"00000000-0000-4000-8000-{number:012}")


def record(
    store: ObjectStore,
    name: str | None,
    of: WatchId = BOARD,
    *,
    days: float = 0,
    platform: str | None = None,
    entered: bool = True,
) -> SegmentManifest:
    """A segment as a recorder leaves it; `entered` says whether its names are in the register, too."""
    samples = speech(80) * 0
    segment = manifest(samples, NOON + timedelta(days=days), watch=of, number=int(days * 24), name=name)
    if platform:
        segment = segment.model_copy(update={"platform": PlatformFacts(name=platform)})
    store_segment(store, samples, segment)
    for each in {fold(one) for one in segment.names} or {""} if entered else ():
        put(store, Entry(each, of).key, format_entry(each))
    return segment


def found(store: ObjectStore, name: str) -> list[tuple[WatchId, str]]:
    return [(named.watch, named.name) for named in find(store, name).watches]


def test_by_the_name_of_the_watch_list_and_by_that_of_the_platform() -> None:
    store = MemoryStore()
    record(store, "board", platform="Board of Directors")

    assert found(store, "BOARD") == [(BOARD, "board")]
    assert found(store, "board  of directors") == [(BOARD, "Board of Directors")]


def test_all_who_were_called_so_are_found_also_those_who_are_called_otherwise_now() -> None:
    store = MemoryStore()
    record(store, "board", BOARD)
    record(store, "assembly", BOARD, days=1)
    record(store, "Board", OTHER)
    record(store, "board", CALL)

    assert [each for each, _ in found(store, "board")] == sorted([CALL, OTHER, BOARD])
    assert [each for each, _ in found(store, "assembly")] == [BOARD]
    assert [named.watch for named in find(store, "board", [WatchKind.CALL]).watches] == [CALL]


def test_a_pattern_finds_all_that_it_fits_but_not_where_it_is_itself_a_name() -> None:
    store = MemoryStore()
    record(store, "board", BOARD)
    record(store, "board games", OTHER)
    record(store, "what? [secret]", CALL)

    assert [name for _, name in found(store, "Board*")] == ["board games", "board"]
    assert [each for each, _ in found(store, "What? [secret]")] == [CALL]
    assert found(store, "*x*") == []


def test_a_name_that_nobody_has_offers_those_that_are_like_it() -> None:
    store = MemoryStore()
    record(store, "board", BOARD)
    record(store, "sales", OTHER, entered=False)

    assert find(store, "baord").similar == ("board",)
    assert find(store, "sale").similar == ("sales",)
    assert find(store, "board").similar == ()
    assert find(store, "").watches == ()


def test_names_too_long_for_a_key_are_found_whole_and_by_a_pattern() -> None:
    store, long, longer = MemoryStore(), "\N{PARTY POPPER}" * 199, "\N{PARTY POPPER}" * 200
    record(store, long, BOARD)
    record(store, longer, OTHER)

    assert found(store, long) == [(BOARD, long)]
    assert found(store, longer) == [(OTHER, longer)]
    assert found(store, "\N{PARTY POPPER}" * 200 + "*") == [(OTHER, longer)]


def test_among_ten_thousand_it_takes_two_listings_and_the_manifest_of_whom_it_finds() -> None:
    store = MemoryStore()
    for number in range(10_000):
        of = watch(number + 1)
        segment = manifest(speech(1), watch=of, name=f"room {number}")
        store.objects[segment.name.manifest_key] = b"unread"
        put(store, Entry(f"room {number}", of).key, format_entry(f"room {number}"))
    record(store, "room 77", watch(78), days=1)
    record(store, "", watch(20_000))  # has no name, which the register knows, too

    assert [each for each, _ in found(store, "Room 77")] == [watch(78)]
    assert len(store.read) == 1
    store.read.clear()
    assert find(store, "broom 77").similar
    assert store.read == []


def test_what_the_register_does_not_know_is_looked_for_in_the_newest_manifests_and_said() -> None:
    store, said = MemoryStore(), list[tuple[int, int]]()
    for number in range(20):
        for days, name in ((0, "old"), (40, "older"), (40.25, "board" if number == 7 else "new")):
            record(store, name, watch(number + 1), days=days, entered=False)
    record(store, "board", BOARD)

    find(store, "board", scanned=lambda total, done: said.append((total, done)))
    several = found(store, "board")

    assert [each for each, _ in several] == [watch(8), BOARD], "or one of two would be taken for the only one"
    assert said == [(20, 1)] * 20
    assert len([key for key in store.read if key.endswith(".json")]) == 2 * (20 + 1), "one of each"


def test_the_register_is_not_believed() -> None:
    store = MemoryStore()
    record(store, "board", BOARD)
    record(store, "sales", OTHER)
    put(store, Entry("board", OTHER).key, format_entry("board"))  # of whom nothing says so
    put(store, Entry("board", CALL).key, b"junk")  # of what there is not
    put(store, Entry("x" * 300, CALL).key, b"junk")
    put(store, "names/board/junk", b"junk")

    assert found(store, "board") == [(BOARD, "board")]
    assert found(store, "*") == [(OTHER, "sales"), (BOARD, "board")]


def test_a_name_that_is_none_any_more_is_looked_for_as_far_back_as_need_be() -> None:
    store = MemoryStore()
    record(store, "board", BOARD)
    record(store, "for an hour", BOARD, days=30)
    for day in range(60):
        record(store, "assembly", BOARD, days=day + 0.1)

    assert found(store, "for an hour") == [(BOARD, "for an hour")]
    store.read.clear()
    record(store, "day after day", BOARD, days=60.1)
    record(store, "assembly", BOARD, days=61)
    store.read.clear()
    assert found(store, "day after day") == [(BOARD, "day after day")]
    assert len(store.read) == 2, "one a day is enough"


@pytest.mark.parametrize("damaged", [{"": "junk"}, {"rec-a": "rec,a"}], ids=["junk", "no recorder"])
def test_a_damaged_newest_manifest_does_not_hide_the_one_before_it(damaged: dict[str, str]) -> None:
    store = MemoryStore()
    record(store, "board", BOARD, entered=False)
    newest = record(store, "board", BOARD, days=1, entered=False).key
    for good, bad in damaged.items():
        store.objects[newest] = store.objects[newest].replace(good.encode(), bad.encode())

    assert found(store, "board") == [(BOARD, "board")]


def test_who_is_forgotten_is_in_no_key_and_is_found_by_what_manifests_go_on_to_say() -> None:
    store = MemoryStore()
    record(store, "board", BOARD, platform="Jane Doe")
    record(store, "board", OTHER)

    forget(store, BOARD)

    assert [item.key for item in store.list(REGISTER)] == [Entry("board", OTHER).key]
    assert [each for each, _ in found(store, "jane doe")] == [BOARD]


def test_the_register_alone_is_asked_where_one_listing_must_do() -> None:
    store = MemoryStore()
    record(store, "cafe", BOARD)
    record(store, "cafe", OTHER, entered=False)

    assert registered(store, "Cafe") == (Named(BOARD, "cafe"),)
    assert registered(store, "caf") == ()


def test_it_says_when_a_watch_was_recorded() -> None:
    store = MemoryStore()
    for day in (0, 3):
        record(store, "board", days=day)

    assert recorded(store, BOARD) == (NOON, NOON + timedelta(days=3))
    assert recorded(store, OTHER) is None


@pytest.fixture(params=OPENERS)
def any_store(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    with closing(OPENERS[request.param](request)) as store:
        yield store


def test_every_store_holds_a_register_and_none_takes_it_for_recordings(any_store: ObjectStore) -> None:
    hostile = [
        "a/../b",
        ".hidden",
        "50 % off + tax = 1 & more?",
        "\N{PARTY POPPER}" * 200,
        "näch_ste~\\*\"'<>|:",
    ]
    for number, name in enumerate(hostile):
        record(any_store, name, watch(number + 1))
    record(any_store, "old", BOARD, entered=False)

    for number, name in enumerate(hostile):
        assert found(any_store, name.upper()) == [(watch(number + 1), name)]
    assert found(any_store, "old") == [(BOARD, "old")]
    assert len(list(Catalog(any_store).watches())) == len(hostile) + 1
    report = verify(any_store, watch(1))
    assert (report.faults, {note.is_usual for note in report.notes}) == ((), {True})
    forget(any_store, watch(1))
    assert len(list(any_store.list(REGISTER))) == len(hostile) - 1

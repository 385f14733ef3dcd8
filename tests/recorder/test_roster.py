"""What the file names and what its patterns find is recorded, together, and remembered for the next start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from recorder.core.media import CodecChoice, Encapsulation
from recorder.core.snapshot import Snapshot
from recorder.discovery import KEPT
from recorder.journal import Journal
from recorder.recollection import recall, remember
from recorder.roster import REMEMBER_INTERVAL, Roster
from recorder.shard import Shard
from recorder.supervisor import Supervisor
from recorder.watchlist import ConferenceType, Pattern, Watch, WatchList
from storage.names import WatchId
from tests.recorder.test_discovery import conference, identifier, pattern
from tests.virtual import Inline, virtual_clock

pytestmark = pytest.mark.anyio

NAMED = Watch(identifier(99), "named", Encapsulation.RTP, CodecChoice.AUTO)
ALL = WatchList((NAMED,), patterns=(pattern(),))


@dataclass
class Case:
    roster: Roster
    supervisor: Supervisor
    running: list[WatchId]
    begun: list[WatchId]


@asynccontextmanager
async def following(
    folder: Path, watches: WatchList = ALL, shard: Shard | None = None
) -> AsyncIterator[Case]:
    clock = virtual_clock()
    running: list[WatchId] = []
    begun: list[WatchId] = []

    async def record(watch: Watch, _journal: Journal) -> None:
        running.append(watch.watch_id)
        begun.append(watch.watch_id)
        try:
            await anyio.sleep_forever()
        finally:
            running.remove(watch.watch_id)

    async with anyio.create_task_group() as tasks:
        supervisor = Supervisor(tasks, record, lambda watch: Journal(watch, clock))
        roster = Roster(supervisor, clock=clock, disk=Inline(), folder=folder, shard=shard)
        await roster.apply(watches)
        tasks.start_soon(roster.run)
        await anyio.sleep(0.1)
        yield Case(roster, supervisor, running, begun)
        tasks.cancel_scope.cancel()


async def test_what_is_found_is_recorded_beside_what_is_named(tmp_path: Path) -> None:
    async with following(tmp_path) as case:
        assert case.running == [identifier(99)]
        case.roster.shown(identifier(1), conference("board", 1))
        await anyio.sleep(0.1)

        assert case.running == [identifier(99), identifier(1)]
        assert case.roster.watches == ALL, "the file's"


async def test_an_edit_of_the_file_touches_nothing_that_it_does_not_change(tmp_path: Path) -> None:
    async with following(tmp_path) as case:
        case.roster.listed([conference("board", 1), conference("room", 2)])
        await anyio.sleep(0.1)
        await case.roster.apply(WatchList(patterns=(pattern("board"),)))
        await anyio.sleep(0.1)

        assert case.running == [identifier(1)]
        assert case.begun == [identifier(99), identifier(1), identifier(2)]


async def test_without_a_pattern_nothing_is_found(tmp_path: Path) -> None:
    async with following(tmp_path, WatchList((NAMED,))) as case:
        case.roster.listed([conference("board", 1)])
        case.roster.shown(identifier(2), conference("room", 2))
        await anyio.sleep(2 * REMEMBER_INTERVAL)

        assert not case.roster.searching
        assert case.running == [identifier(99)]
        assert recall(tmp_path) == ()


async def test_a_start_while_nobody_can_be_asked_goes_on_with_what_was_found_before(tmp_path: Path) -> None:
    async with following(tmp_path) as case:
        case.roster.listed([conference("board", 1), conference("room", 2)])
        case.roster.shown(identifier(2), None)
        await anyio.sleep(2 * REMEMBER_INTERVAL)

    async with following(
        tmp_path, WatchList(patterns=(pattern("board", encapsulation=Encapsulation.SLN),))
    ) as case:
        assert case.running == [identifier(1)]
    async with following(tmp_path, WatchList(patterns=(pattern("x"),))) as case:
        assert case.running == []


async def test_a_disk_that_does_not_keep_it_costs_no_recording(tmp_path: Path) -> None:
    async with following(tmp_path / "gone") as case:
        with capture_logs() as log:
            case.roster.listed([conference("board", 1)])
            await anyio.sleep(5 * REMEMBER_INTERVAL)

        assert case.running == [identifier(99), identifier(1)]
        assert [line["event"] for line in log if line["log_level"] == "warning"] == [
            "the disk does not keep what was discovered: a restart must ask the platform"
        ]


async def test_shards_share_what_is_found(tmp_path: Path) -> None:
    conferences = [conference(f"room {number}", number) for number in range(30)]
    running: list[WatchId] = []
    for number in (1, 2, 3):
        async with following(
            tmp_path / str(number), WatchList(patterns=(pattern(),)), Shard(number, 3)
        ) as case:
            case.roster.listed(conferences)
            await anyio.sleep(0.1)
            assert case.running
            running += case.running

    assert sorted(running) == [each.watch_id for each in conferences]


async def test_what_another_shard_has_is_kept_for_no_longer_than_the_platform_lists_it(
    tmp_path: Path,
) -> None:
    conferences = [conference(f"room {number}", number) for number in range(30)]
    remember(tmp_path, conferences)  # as a life before did that had no shard
    with capture_logs() as log:
        async with following(tmp_path, WatchList(patterns=(pattern(),)), Shard(1, 3)) as case:
            case.roster.listed(conferences)
            await anyio.sleep(0.1)
            assert case.supervisor.watches.listed == 30
            case.roster.listed([])
            await anyio.sleep(KEPT)
            case.roster.listed([])
            await anyio.sleep(2 * REMEMBER_INTERVAL)

            ours = set(case.running)
            assert 0 < len(ours) < 20
            assert case.supervisor.watches.listed == len(ours)
            assert [count for _, count in case.roster.counts] == [len(ours)]
            assert {each.watch_id for each in recall(tmp_path)} == ours
    assert [line for line in log if line["event"] == "discovered"] == [], "nothing was, beside what was known"


async def test_what_matches_nothing_or_twice_is_said_once(tmp_path: Path) -> None:
    patterns = (pattern("bord*"), pattern("board*"), pattern())
    with capture_logs() as log:
        async with following(tmp_path, WatchList(patterns=patterns)) as case:
            for _ in range(3):
                case.roster.listed([conference("board", 1), conference("board 2", 2)])
                await anyio.sleep(5)

    (unmatched,) = [line for line in log if line["event"].startswith("a pattern of the watch list")]
    assert (unmatched["pattern"], unmatched["near"]) == ('at bord* "bord*"', "board")
    (double,) = [line for line in log if line["event"].startswith("a conference is named twice")]
    assert (double["first"], double["second"]) == ('at board* "board*"', 'at * "*"')
    (found,) = [line for line in log if line["event"] == "discovered"]
    assert (found["count"], found["added"], found["removed"]) == (2, 2, 0)


async def test_other_types_can_be_asked_for(tmp_path: Path) -> None:
    queues = Pattern("*", ConferenceType.QUEUE, (), Encapsulation.RTP, CodecChoice.AUTO)
    async with following(tmp_path, WatchList(patterns=(queues,))) as case:
        case.roster.listed([conference("board", 1)])
        case.roster.shown(identifier(2), Snapshot(identifier(2), type="queue"))
        await anyio.sleep(0.1)

        assert case.running == [identifier(2)]

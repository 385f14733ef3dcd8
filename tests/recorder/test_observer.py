"""What is known of each watch is kept up: by lists and hints, through outages, within the budget."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import anyio
import pytest

from recorder.announcement import MOST_TOPICS, read_event, topics
from recorder.clock import Clock
from recorder.connection import ConnectionRefused, Setback
from recorder.core.snapshot import Known, Snapshot, Unseen
from recorder.observer import INFORMED_INTERVAL, INTERVAL, SHARE, SINGLES, Observer
from recorder.platform import Unanswered
from recorder.simulator.arguments import fleet
from storage.names import WatchId, WatchKind
from tests.fakes import MemoryPlatform
from tests.recorder.announcing import ScriptedAnnouncer

pytestmark = pytest.mark.anyio

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")
CUSTOMER = "5e4a0680-804e-11ec-8477-2fea5968d85b"


def conference(watch: WatchId = BOARD, *participants: str, kind: str = "conference") -> Snapshot:
    return Snapshot(
        watch, customer=CUSTOMER, type=kind, status="progressing", participants=tuple(participants)
    )


@dataclass
class Case:
    """An observer at work."""

    platform: MemoryPlatform
    announcer: ScriptedAnnouncer
    observer: Observer
    news: list[tuple[float, WatchId, Known]]

    def of(self, watch: WatchId) -> list[tuple[float, Known]]:
        return [(at, snapshot) for at, each, snapshot in self.news if each == watch]

    def occupied(self, watch: WatchId) -> list[float]:
        return [at for at, known in self.of(watch) if isinstance(known, Snapshot) and known.occupied]

    def last(self, watch: WatchId = BOARD) -> Known:
        return self.of(watch)[-1][1]

    def join(self, watch: WatchId = BOARD) -> None:
        before = self.platform.known[watch]
        self.platform.known[watch] = replace(before, participants=(*(before.participants or ()), "somebody"))


@asynccontextmanager
async def observing(
    *known: Snapshot, watching: list[WatchId] | None = None, events: bool = True
) -> AsyncIterator[Case]:
    platform, announcer, loop = MemoryPlatform(*known), ScriptedAnnouncer(), asyncio.get_running_loop()
    news: list[tuple[float, WatchId, Known]] = []
    observer = Observer(
        platform,
        announcer if events else None,
        lambda watch, snapshot: news.append((loop.time(), watch, snapshot)),
        clock=Clock(loop.time),
        chance=lambda: 0.5,
    )
    case = Case(platform, announcer, observer, news)
    for watch in [snapshot.watch_id for snapshot in known] if watching is None else watching:
        observer.watch(watch)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(observer.run)
        yield case
        tasks.cancel_scope.cancel()


async def test_what_is_watched_is_told_again_and_again() -> None:
    async with observing(conference(), events=False) as case:
        await anyio.sleep(3.5 * INTERVAL)

    assert [snapshot for _, snapshot in case.of(BOARD)] == [conference()] * 4


async def test_others_are_not_told_of() -> None:
    async with observing(conference(), watching=[], events=False) as case:
        await anyio.sleep(1)

    assert case.news == []


@pytest.mark.parametrize("events", [True, False])
async def test_thousands_cost_lists_and_no_more_than_their_share(events: bool) -> None:
    watches = list(fleet(3000))
    async with observing(*map(conference, watches), events=events) as case:
        await anyio.sleep(120)

    assert {watch for _, watch, _ in case.news} == set(watches)
    at_first = 2 * 32  # a list, and another when the event socket stands
    assert (case.platform.asked - at_first) / 120 <= SHARE, "requests a second"


async def test_one_that_is_another_customers_hides_none_of_ours_and_is_seldom_asked_for() -> None:
    foreign = WatchId(WatchKind.CONFERENCE, "9ed12456-eb4b-11ee-bba8-1bfb2838807f")
    async with observing(conference(), watching=[foreign, BOARD], events=False) as case:
        case.platform.withheld.add(foreign)
        await anyio.sleep(10.5 * INTERVAL)
        case.join()
        await anyio.sleep(INTERVAL)

    assert case.last(BOARD) == conference(BOARD, "somebody")
    assert [known for _, known in case.of(foreign)] == [Unseen.UNKNOWN]


async def test_an_event_is_followed_at_once_and_twice_the_same_costs_one_question() -> None:
    async with observing(conference()) as case:
        await anyio.sleep(3)
        asked, began = case.platform.asked, asyncio.get_running_loop().time()
        case.join()
        case.announcer.announce(BOARD)
        case.announcer.announce(BOARD)
        await anyio.sleep(1)
        (told,) = [
            at - began
            for at, snapshot in case.of(BOARD)
            if isinstance(snapshot, Snapshot) and snapshot.occupied
        ]

    assert told < 0.5
    assert case.platform.asked - asked == 1


async def test_an_event_says_nothing_by_itself() -> None:
    async with observing(conference()) as case:
        await anyio.sleep(3)
        case.announcer.announce(BOARD)
        await anyio.sleep(1)

    assert case.last() == conference()


async def test_a_crowd_of_events_costs_a_list() -> None:
    watches = list(fleet(200))
    async with observing(*map(conference, watches)) as case:
        await anyio.sleep(5)
        asked = case.platform.asked
        for watch in watches:
            case.join(watch)
            case.announcer.announce(watch)
        await anyio.sleep(1)

    assert all(case.of(watch)[-1][1] == conference(watch, "somebody") for watch in watches)
    assert case.platform.asked - asked == 3


async def test_what_is_announced_while_a_long_list_comes_does_not_wait_for_it() -> None:
    """And what the list says of it, which is older, does not count."""
    watches = list(fleet(2000))
    async with observing(*map(conference, watches)) as case:
        await anyio.sleep(3)
        case.platform.seconds = 0.1
        case.announcer.drop()  # what it missed is asked for by a list, once it stands again
        while case.platform.asked % 21 != 5:  # noqa: ASYNC110  in the midst of one
            await anyio.sleep(0.05)
        joined, began = watches[7], asyncio.get_running_loop().time()
        case.join(joined)
        case.announcer.announce(joined)
        await anyio.sleep(2.5)

    told = [at - began for at in case.occupied(joined)]
    assert told
    assert told[0] < 0.5
    assert case.last(joined) == conference(joined, "somebody")


async def test_a_conference_that_never_rests_does_not_take_the_budget() -> None:
    async with observing(conference()) as case:
        await anyio.sleep(3)
        asked = case.platform.asked
        for _ in range(1000):
            case.announcer.announce(BOARD)
            await anyio.sleep(0.01)

    assert (case.platform.asked - asked) / 10 < 6


async def test_while_events_come_lists_are_rare_and_without_them_they_are_not() -> None:
    async with observing(conference()) as case:
        await anyio.sleep(10)
        before = case.platform.asked
        await anyio.sleep(10 * INFORMED_INTERVAL)
        informed = case.platform.asked - before
        case.announcer.refusal = ConnectionRefused(Setback.TRANSIENT, "HTTP 503")
        case.announcer.drop()
        await anyio.sleep(INFORMED_INTERVAL)
        before = case.platform.asked
        await anyio.sleep(10 * INFORMED_INTERVAL)
        deaf = case.platform.asked - before

    assert informed == 20, "ten lists, two requests each"
    assert deaf >= 2 * 10 * INFORMED_INTERVAL / INTERVAL - 2


async def test_a_join_that_nobody_announced_is_seen_by_the_next_list() -> None:
    async with observing(conference(), events=False) as case:
        await anyio.sleep(1)
        case.join()
        await anyio.sleep(INTERVAL)

    assert case.last() == conference(BOARD, "somebody")


async def test_what_happened_while_the_socket_was_away_is_asked_for_when_it_is_back() -> None:
    async with observing(conference()) as case:
        await anyio.sleep(10)
        case.announcer.drop()
        await anyio.sleep(0.1)
        case.join()
        began = asyncio.get_running_loop().time()
        await anyio.sleep(20)
        told = next(
            at - began
            for at, snapshot in case.of(BOARD)
            if isinstance(snapshot, Snapshot) and snapshot.occupied
        )

    assert len(case.announcer.sockets) == 2
    assert case.announcer.sockets[1].topics
    assert told < 4


async def test_an_event_socket_that_is_refused_is_not_hammered() -> None:
    async with observing(conference()) as case:
        case.announcer.refusal = ConnectionRefused(Setback.TRANSIENT, "HTTP 503")
        await anyio.sleep(600)

    assert 10 < len(case.announcer.attempts) < 80
    assert case.last() == conference()


async def test_one_that_opens_and_dies_is_not_hammered_either() -> None:
    async with observing(conference()) as case:
        for _ in range(6000):
            await anyio.sleep(0.1)
            case.announcer.drop()

    assert len(case.announcer.attempts) < 80


async def test_it_subscribes_to_each_conference_and_to_all_where_they_are_many() -> None:
    few, many = list(fleet(3)), list(fleet(MOST_TOPICS + 1))
    async with observing(*map(conference, many), watching=[*few, CALL]) as case:
        await anyio.sleep(5)
        (socket,) = case.announcer.sockets
        first = set(socket.topics)
        for watch in many:
            case.observer.watch(watch)
        await anyio.sleep(1)
        after = set(socket.topics)

    call = f"customer_id:{CUSTOMER}:call:{CALL.id}"
    assert first == {call, *(f"customer_id:{CUSTOMER}:conference:{watch.id}" for watch in few)}
    assert after - first == {f"customer_id:{CUSTOMER}:conference"}


async def test_in_an_outage_nothing_is_known_which_is_said_once_and_it_is_asked_rarely() -> None:
    async with observing(conference()) as case:
        await anyio.sleep(3)
        told, asked = len(case.news), case.platform.asked
        case.platform.failure = Unanswered(Setback.TRANSIENT, "HTTP 502")
        await anyio.sleep(600)
        during, cost = case.news[told:], case.platform.asked - asked
        case.platform.failure = None
        case.join()
        await anyio.sleep(30)

    assert [known for _, _, known in during] == [Unseen.UNKNOWN]
    assert 0 < cost < 200
    assert case.last() == conference(BOARD, "somebody")


async def test_one_question_that_fails_takes_nothing_from_what_is_known() -> None:
    async with observing(conference(), events=False) as case:
        await anyio.sleep(INTERVAL - 0.5)
        case.platform.failure = Unanswered(Setback.TRANSIENT, "HTTP 502")
        await anyio.sleep(1)
        case.platform.failure = None
        await anyio.sleep(10)

    assert {known for _, known in case.of(BOARD)} == {conference()}


async def test_what_was_hinted_at_and_cannot_be_asked_for_is_not_known_any_more() -> None:
    other = next(iter(fleet(1)))
    async with observing(conference(), conference(other)) as case:
        await anyio.sleep(3)
        case.platform.failure = Unanswered(Setback.TRANSIENT, "HTTP 502")
        case.announcer.announce(BOARD)
        await anyio.sleep(0.5)

    assert case.last(BOARD) is Unseen.UNKNOWN
    assert case.last(other) == conference(other)


async def test_a_long_wait_that_the_platform_asks_for_leaves_nothing_known() -> None:
    async with observing(conference(), events=False) as case:
        await anyio.sleep(1)
        case.platform.failure = Unanswered(Setback.THROTTLED, "HTTP 429", retry_after=60)
        await anyio.sleep(INTERVAL)

    assert case.last() is Unseen.UNKNOWN


async def test_it_waits_as_long_as_the_platform_asks() -> None:
    async with observing(conference()) as case:
        await anyio.sleep(1)
        case.platform.failure = Unanswered(Setback.THROTTLED, "HTTP 429", retry_after=300)
        await anyio.sleep(INFORMED_INTERVAL)
        asked = case.platform.asked
        await anyio.sleep(250)

    assert case.platform.asked == asked


async def test_calls_and_what_no_list_has_are_asked_for_by_themselves() -> None:
    queue, deleted = list(fleet(2))
    known = [
        Snapshot(CALL, customer=CUSTOMER, status="progressing"),
        conference(queue, kind="queue"),
        replace(conference(deleted), deleted_at=datetime(2026, 11, 22, tzinfo=UTC)),
    ]
    async with observing(*known, watching=[*(each.watch_id for each in known), BOARD]) as case:
        await anyio.sleep(1)

    assert [case.last(each.watch_id) for each in known] == known
    assert case.last(BOARD) is Unseen.ABSENT, "the platform knows nothing of it"


async def test_many_calls_take_turns_and_those_that_are_over_give_way() -> None:
    ids = [WatchId(WatchKind.CALL, each.id) for each in fleet(6 * SINGLES)]
    over, live = ids[: 3 * SINGLES], ids[3 * SINGLES :]
    known = [Snapshot(each, status="hangup") for each in over]
    known += [Snapshot(each, status="progressing") for each in live]
    async with observing(*known) as case:
        await anyio.sleep(30 * INTERVAL)

    assert {watch for _, watch, _ in case.news} == set(ids)
    assert max(len(case.of(watch)) for watch in over) <= 2
    assert min(len(case.of(watch)) for watch in live) >= 7


async def test_what_is_not_listed_any_more_is_asked_for_before_all_others() -> None:
    calls = [Snapshot(WatchId(WatchKind.CALL, each.id), status="progressing") for each in fleet(5 * SINGLES)]
    async with observing(conference(), *calls, events=False) as case:
        await anyio.sleep(10 * INTERVAL)
        case.platform.known[BOARD] = replace(conference(), deleted_at=datetime(2026, 11, 22, tzinfo=UTC))
        await anyio.sleep(INTERVAL)

    last = case.last()
    assert isinstance(last, Snapshot)
    assert last.over


async def test_what_is_left_is_told_of_no_more() -> None:
    async with observing(conference(), events=False) as case:
        await anyio.sleep(1)
        case.observer.leave(BOARD)
        await anyio.sleep(3 * INTERVAL)

    assert len(case.news) == 1


async def test_what_is_watched_from_now_on_is_asked_for_at_once() -> None:
    async with observing(conference(), watching=[]) as case:
        await anyio.sleep(INTERVAL + 1)
        case.observer.watch(BOARD)
        await anyio.sleep(0.5)

    assert case.last() == conference()


@pytest.mark.parametrize(
    ("event", "about"),
    [
        ({"id": BOARD.id, "type": "conference", "data": {"id": CALL.id}}, BOARD),
        ({"type": "conference_updated", "data": {"id": BOARD.id}}, BOARD),
        ({"type": "call_hangup", "data": {"id": CALL.id}}, CALL),
        ({"type": "recording_started", "data": {"id": BOARD.id}}, None),
        ({"type": "conference_updated", "data": None}, None),
        ({"type": "conference_updated"}, None),
        ({"id": "board"}, None),
        ({"id": None}, None),
        ([BOARD.id], None),
        ("hello", None),
    ],
)
async def test_an_event_is_read_bare_or_wrapped(event: object, about: WatchId | None) -> None:
    assert read_event(json.dumps(event)) == about


@pytest.mark.parametrize("text", ["", "nonsense", "[" * 100_000, b"\xff"])
async def test_what_is_no_event_is_about_nothing(text: str | bytes) -> None:
    assert read_event(text) is None


async def test_topics_are_those_of_the_customer() -> None:
    assert topics("c", [BOARD]) == [f"customer_id:c:conference:{BOARD.id}"]
    assert topics("c", [BOARD], all_of_them=True) == ["customer_id:c:conference"]

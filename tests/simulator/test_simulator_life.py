"""A conference as streams and subscribers meet it: waited for, joined, left, joined again, deleted."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from recorder.simulator import (
    CUSTOMER,
    TOKEN,
    AsteriskRestarted,
    Away,
    CallBecame,
    CallStatus,
    ConferenceType,
    Created,
    Crowded,
    Deleted,
    Delivery,
    Deployed,
    Dialled,
    Dropped,
    Ended,
    ErrorStyle,
    Forgotten,
    Happening,
    Joined,
    Left,
    PayloadStyle,
    Platform,
    Programme,
    RateLimit,
    Refuse,
    Renamed,
    Simulator,
    Tape,
    TimeStyle,
    Unannounced,
    live_through,
    simulate,
)
from tests.simulator.listening import ABNORMAL, BOARD, CALL, hear, listen

pytestmark = pytest.mark.anyio

ALL = f"customer_id:{CUSTOMER}:conference"
ONE = f"{ALL}:{BOARD.id}"
CALLS = f"customer_id:{CUSTOMER}:call"


async def subscribed(server: Simulator, *topics: str) -> ClientConnection:
    """An event socket with its subscriptions taken: the platform says nothing of that."""
    socket = await connect(f"{server.url}/ws?token={TOKEN}", close_timeout=0.1)
    await socket.send(json.dumps({"type": "subscribe", "topics": topics}))
    # The platform acknowledges nothing.
    while not any(  # noqa: ASYNC110
        set(topics) <= subscriber.topics for subscriber in server.platform.subscribers
    ):
        await anyio.sleep(0.001)
    return socket


async def silence(stream: ClientConnection) -> None:
    """Receive until nothing comes any more.

    Raises:
        ConnectionClosed: it has ended instead.
    """
    with suppress(TimeoutError):
        while True:
            await asyncio.wait_for(stream.recv(), 0.1)


async def ended(stream: ClientConnection) -> None:
    """Receive until the connection ends."""
    with anyio.fail_after(10), suppress(ConnectionClosed):
        while True:
            await stream.recv()


async def events(socket: ClientConnection, least: int = 0, seconds: float = 0.1) -> list[Any]:
    """So many, however long that takes, and what else comes within so many seconds after."""
    received: list[Any] = []
    with suppress(ConnectionClosed):
        with anyio.fail_after(10):
            while len(received) < least:
                received.append(json.loads(await socket.recv()))
        with anyio.move_on_after(seconds):
            async for message in socket:
                received.append(json.loads(message))  # noqa: PERF401  what came before the time is over counts
    return received


def described(event: dict[str, Any]) -> tuple[str, int, bool]:
    return event["status"], len(event.get("conferencecall_ids", ())), event["tm_delete"] is not None


async def test_a_conference_that_nobody_joins_is_accepted_and_hung_up(ramp: Tape) -> None:
    platform = Platform()
    platform.create(Programme(BOARD, ramp, patience=0.05))
    async with simulate(platform) as server:
        heard = await hear(server)

    assert (heard.messages, heard.code) == ([], ABNORMAL)
    assert platform.record(BOARD).connections[0].ended is Ended.NOBODY


async def test_who_is_there_within_the_platforms_patience_is_heard(ramp: Tape) -> None:
    platform = Platform()
    conference = platform.create(Programme(BOARD, ramp))
    async with simulate(platform) as server, listen(server) as stream:
        await asyncio.sleep(0.05)
        conference.join()
        assert len(await stream.recv()) == 320


async def test_a_stream_is_silent_while_nobody_is_there_and_goes_on_when_somebody_comes_back(
    ramp: Tape,
) -> None:
    platform = Platform()
    conference = platform.create(Programme(BOARD, ramp))
    conference.join()
    async with simulate(platform) as server, listen(server) as stream:
        await stream.recv()
        conference.leave()
        await silence(stream)
        conference.join()
        await stream.recv()
    first, second = platform.record(BOARD).connections[0].runs[:2]

    assert second.position - first.end > 600, "its time went on meanwhile"


async def test_a_conference_that_has_ended_leaves_its_streams_open_and_silent(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp))
    async with simulate(platform) as server, listen(server) as stream:
        await stream.recv()
        platform.conference(BOARD).delete()
        await silence(stream)
        assert server.listeners(BOARD) == 1
        with pytest.raises(ValueError, match="terminated: nobody can join"):
            platform.conference(BOARD).join()


async def test_after_a_restart_of_asterisk_only_new_streams_hear_who_joins(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp))
    async with simulate(platform) as server, listen(server) as old:
        await old.recv()
        platform.conference(BOARD).restart_asterisk()
        platform.conference(BOARD).join()
        async with listen(server) as new:
            assert await new.recv()
        await silence(old)


async def test_the_bridge_of_another_type_ends_with_the_last_but_one(ramp: Tape) -> None:
    platform = Platform()
    conference = platform.create(Programme(BOARD, ramp), kind=ConferenceType.CONNECT)
    conference.join()
    conference.join()
    conference.leave()

    assert conference.bridge is not None
    assert not conference.bridge.audible


async def test_a_call_that_hangs_up_closes_its_streams_and_takes_no_more(ramp: Tape) -> None:
    platform = Platform(Programme(CALL, ramp))
    async with simulate(platform) as server:
        async with listen(server, watch=CALL) as stream:
            await stream.recv()
            platform.call(CALL).become(CallStatus.HANGUP)
            await ended(stream)
        assert (await hear(server, watch=CALL)).messages == []

    assert [each.ended for each in platform.record(CALL).connections] == [Ended.HUNG_UP] * 2


async def test_events_are_bare_objects_and_come_twice_on_the_short_topic(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp))
    async with simulate(platform) as server:
        twice, once = await subscribed(server, ALL), await subscribed(server, ONE)
        platform.conference(BOARD).rename("board")
        both = await events(twice, 2), await events(once, 1)
        await twice.close()
        await once.close()

    assert [len(each) for each in both] == [2, 1]
    assert both[1][0] == both[0][0] == both[0][1]
    assert both[1][0]["name"] == "board"
    assert both[1][0]["id"] == BOARD.id


async def test_older_servers_wrap_events_and_send_them_once(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp), delivery=Delivery(PayloadStyle.WRAPPED))
    async with simulate(platform) as server:
        socket = await subscribed(server, ALL)
        platform.conference(BOARD).rename("board")
        received = await events(socket, 1)
        await socket.close()

    assert [(each["type"], each["data"]["name"]) for each in received] == [("conference_updated", "board")]


async def test_a_call_is_announced_by_its_statuses_and_twice_on_the_short_topic(ramp: Tape) -> None:
    platform = Platform()
    async with simulate(platform) as server:
        twice = await subscribed(server, CALLS)
        once = await subscribed(server, f"{CALLS}:{CALL.id}")
        of_conferences = await subscribed(server, ALL)
        call = platform.dial(Programme(CALL, ramp))
        for status in (CallStatus.RINGING, CallStatus.PROGRESSING, CallStatus.HANGUP):
            call.become(status)
        both, other = [await events(twice, 8), await events(once, 4)], await events(of_conferences)
        for socket in (twice, once, of_conferences):
            await socket.close()

    statuses = ["dialing", "ringing", "progressing", "hangup"]
    assert [each["status"] for each in both[1]] == statuses
    assert [each["status"] for each in both[0]] == [status for status in statuses for _ in range(2)]
    assert {each["id"] for each in both[1]} == {CALL.id}
    assert both[1][-1]["tm_hangup"] is not None
    assert other == []


async def test_older_servers_wrap_what_becomes_of_a_call(ramp: Tape) -> None:
    platform = Platform(delivery=Delivery(PayloadStyle.WRAPPED))
    async with simulate(platform) as server:
        socket = await subscribed(server, CALLS)
        platform.dial(Programme(CALL, ramp)).become(CallStatus.CANCELING)
        received = await events(socket, 2)
        await socket.close()

    assert [(each["type"], each["data"]["status"]) for each in received] == [
        ("call_created", "dialing"),
        ("call_canceling", "canceling"),
    ]


def test_a_call_is_to_be_heard_while_it_is_progressing(ramp: Tape) -> None:
    call = Platform().dial(Programme(CALL, ramp))
    for status in (CallStatus.RINGING, CallStatus.PROGRESSING, CallStatus.TERMINATING, CallStatus.HANGUP):
        call.become(status)
    (stay,) = call.stays

    assert stay.left_at is not None
    assert not call.bridge.members


async def test_events_may_come_more_often_than_they_should(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp), delivery=Delivery(twice=1.0))
    async with simulate(platform) as server:
        socket = await subscribed(server, ONE)
        platform.conference(BOARD).rename("board")
        received = await events(socket, 2)
        await socket.close()

    assert [each["name"] for each in received] == ["board", "board"]


async def test_a_deletion_is_told_twice_and_that_of_an_empty_one_once(ramp: Tape) -> None:
    async def told(platform: Platform, least: int) -> list[tuple[str, int, bool]]:
        async with simulate(platform) as server:
            socket = await subscribed(server, ONE)
            platform.conference(BOARD).delete()
            received = await events(socket, least)
            await socket.close()
        return [described(each) for each in received]

    empty = Platform()
    empty.create(Programme(BOARD, ramp))

    assert await told(Platform(Programme(BOARD, ramp)), 5) == [
        ("terminating", 2, False),
        ("terminating", 2, True),
        ("terminating", 1, True),
        ("terminating", 0, True),
        ("terminated", 0, True),
    ]
    assert await told(empty, 2) == [("terminating", 0, False), ("terminating", 0, True)]


async def test_events_may_be_lost_and_change_places(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp), delivery=Delivery(loss=0.3, delay=0.1, seed=3))
    async with simulate(platform) as server:
        socket = await subscribed(server, ONE)
        for number in range(20):
            platform.conference(BOARD).rename(f"{number:02}")
        received = [each["name"] for each in await events(socket, seconds=0.5)]
        await socket.close()

    assert 5 < len(received) < 20
    assert received != sorted(received)


@pytest.mark.parametrize(
    ("message", "survives"),
    [
        ("nonsense", True),
        ("[]", True),
        (json.dumps({"type": "subscribe", "topics": ["customer_id:someone:conference"]}), False),
        (json.dumps({"type": "subscribe", "topics": ["everything"]}), False),
        (b"binary", False),
    ],
)
async def test_a_topic_of_others_ends_the_connection_without_a_word(
    message: str | bytes, survives: bool
) -> None:
    async with simulate(Platform()) as server:
        socket = await subscribed(server, ALL)
        await socket.send(message)
        if survives:
            assert await events(socket) == []
            assert server.informed == 1
        else:
            with anyio.fail_after(10):
                await socket.wait_closed()
            assert socket.close_code == ABNORMAL
        await socket.close()


async def test_who_unsubscribes_is_told_no_more(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp))
    async with simulate(platform) as server:
        socket = await subscribed(server, ONE)
        await socket.send(json.dumps({"type": "unsubscribe", "topics": [ONE]}))
        while ONE in platform.subscribers[0].topics:  # noqa: ASYNC110  nor that
            await anyio.sleep(0.001)
        platform.conference(BOARD).rename("board")
        assert await events(socket) == []
        await socket.close()


async def test_a_day_happens_as_it_was_planned(ramp: Tape) -> None:
    platform = Platform(Programme(CALL, ramp))
    day: list[Happening] = [
        Created(0.0, Programme(BOARD, ramp), "board"),
        Joined(0.0, BOARD),
        Renamed(0.02, BOARD, "renamed"),
        Left(0.02, BOARD),
        Away(0.04, Refuse(503), seconds=0.04),
        Joined(0.06, BOARD),
        AsteriskRestarted(0.08, BOARD),
        CallBecame(0.08, CALL, CallStatus.HANGUP),
        Deleted(0.1, BOARD),
        Forgotten(0.12, CALL),
    ]
    async with simulate(platform) as server:
        socket = await subscribed(server, ONE)
        await live_through(day, server)
        received = await events(socket, 4)
        await socket.close()
    conference = platform.conference(BOARD)

    assert [each.get("name") for each in received] == ["board", "board", "renamed", "renamed"]
    assert socket.close_code == ABNORMAL, "dropped as the platform went away"
    assert platform.events_trouble is platform.api_trouble is None
    assert conference.status == "terminating", "nobody was there to leave"
    assert [stay.left_at is not None for stay in conference.stays] == [True, True]
    assert platform.resource(CALL) is None


async def test_an_id_that_comes_back_is_another_conference(ramp: Tape) -> None:
    platform = Platform()
    day: list[Happening] = [
        Created(0.0, Programme(BOARD, ramp), "first"),
        Joined(0.0, BOARD),
        Deleted(0.02, BOARD),
        Forgotten(0.02, BOARD),
        Created(0.04, Programme(BOARD, ramp), "second"),
        Dialled(0.04, Programme(CALL, ramp)),
    ]
    async with simulate(platform) as server:
        await live_through(day, server)
        async with listen(server) as stream:
            platform.conference(BOARD).join()
            await stream.recv()
    (first, unheard), (second, heard) = platform.lives(BOARD)

    assert [first.status, second.status] == ["terminated", "progressing"]
    assert [len(each.connections) for each in (unheard, heard)] == [0, 1]
    assert platform.call(CALL).status is CallStatus.DIALING


async def test_the_platform_may_be_deployed_with_servers_of_another_age(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp))
    async with simulate(platform) as server, listen(server) as stream:
        socket = await subscribed(server, ONE)
        await live_through([Deployed(0.02, ErrorStyle.BARE, TimeStyle.SPACED, PayloadStyle.WRAPPED)], server)
        await ended(stream)
        assert await events(socket) == []
        again = await subscribed(server, ONE)
        platform.conference(BOARD).rename("board")
        (event,) = await events(again, 1)
        await again.close()

    assert socket.close_code == ABNORMAL
    assert event["data"]["tm_delete"].startswith("9999")
    (record,) = platform.record(BOARD).connections
    assert record.ended is Ended.STOPPED
    assert record.ended_at is not None
    assert record.began_at < record.ended_at


async def test_streams_and_event_sockets_may_end_while_the_platform_goes_on(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp))
    async with simulate(platform) as server, listen(server) as stream:
        socket = await subscribed(server, ALL)
        await live_through([Dropped(0.0, CALL), Unannounced(0.0)], server)
        await socket.wait_closed()
        assert await stream.recv()
        await live_through([Dropped(0.0, BOARD)], server)
        await ended(stream)


async def test_others_may_use_up_the_limit_for_a_while(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp), limit=RateLimit(rate=100))

    async def knock() -> int:
        try:
            async with listen(server):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    async with simulate(platform) as server:
        await live_through([Crowded(0.0, seconds=0.2, left=1.0)], server)
        await asyncio.sleep(0.05)
        after = await knock()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live_through, [Crowded(0.0, seconds=60)], server)
            await asyncio.sleep(0.05)
            during = await knock()
            tasks.cancel_scope.cancel()

    assert (during, after) == (429, 101)


async def test_the_event_socket_refuses_as_the_api_does() -> None:
    platform = Platform()
    platform.events_trouble = Refuse(503)
    async with simulate(platform) as server:
        with pytest.raises(Exception, match="503"):
            await connect(f"{server.url}/ws?token={TOKEN}")
        with pytest.raises(Exception, match="401"):
            await connect(f"{server.url}/ws")

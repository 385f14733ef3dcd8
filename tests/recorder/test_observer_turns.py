"""What no list has is asked for in its turn, however it came to be unknown."""

import asyncio
from dataclasses import replace

import anyio
import pytest

from recorder.connection import Setback
from recorder.core.snapshot import Snapshot, Unseen
from recorder.observer import INTERVAL
from recorder.platform import Unanswered
from recorder.simulator.arguments import fleet
from recorder.turns import ABSENT_INTERVAL
from tests.recorder.test_observer import CALL, CUSTOMER, conference, observing

pytestmark = pytest.mark.anyio

SOME = list(fleet(8))

RINGING = Snapshot(CALL, customer=CUSTOMER, status="ringing")
PROGRESSING = replace(RINGING, status="progressing")
HUNG_UP = replace(RINGING, status="hangup")


async def test_a_call_that_was_not_there_yet_is_found_though_its_event_was_missed() -> None:
    async with observing(conference(), watching=[CALL]) as case:
        await anyio.sleep(3)
        case.platform.known[CALL] = PROGRESSING
        await anyio.sleep(6 * INTERVAL)

    assert case.last(CALL) == PROGRESSING


async def test_what_an_outage_made_unknown_is_asked_for_as_soon_as_it_is_over() -> None:
    async with observing(conference(), HUNG_UP) as case:
        await anyio.sleep(3)
        case.platform.failure = Unanswered(Setback.TRANSIENT, "HTTP 502")
        await anyio.sleep(60)
        case.platform.failure = None
        await anyio.sleep(6 * INTERVAL)

    assert case.last(CALL) == HUNG_UP


async def test_who_comes_some_time_after_many_others_does_not_wait_for_their_sake() -> None:
    async with observing(*map(conference, SOME)) as case:
        await anyio.sleep(INTERVAL / 2)
        for watch in SOME:
            case.announcer.announce(watch)
        await anyio.sleep(2.0)
        case.join(SOME[0])
        began = asyncio.get_running_loop().time()
        case.announcer.announce(SOME[0])
        await anyio.sleep(1.0)

    assert case.occupied(SOME[0])
    assert case.occupied(SOME[0])[0] - began < 0.5


async def test_one_of_which_nothing_is_said_takes_nothing_from_the_others() -> None:
    watches = [CALL, *SOME]
    async with observing(*map(conference, SOME), watching=watches) as case:
        case.platform.unsaid.add(CALL)
        await anyio.sleep(10 * INTERVAL)
        case.join(SOME[0])
        case.announcer.announce(CALL)
        case.announcer.announce(SOME[0])
        await anyio.sleep(1.0)
        asked = len(case.of(CALL))

    assert {known for _, known in case.of(CALL)} == {Unseen.UNKNOWN}
    assert asked < 10 * INTERVAL / ABSENT_INTERVAL + 3
    assert all(case.of(watch) for watch in SOME)
    assert Unseen.UNKNOWN not in {known for watch in SOME for _, known in case.of(watch)}
    assert case.occupied(SOME[0])

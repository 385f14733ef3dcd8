"""What no list has and nobody watches is found by what is announced, whatever comes between."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from recorder.connection import Setback
from recorder.core.snapshot import Snapshot
from recorder.observer import INFORMED_INTERVAL, SHARE, SINGLES
from recorder.platform import Unanswered
from recorder.simulator.arguments import fleet
from storage.names import WatchId
from tests.recorder.test_observer import Case, conference, observing

pytestmark = pytest.mark.anyio

LISTED = list(fleet(60))[:15]
QUEUES = list(fleet(60))[15:]
NO_ANSWER = Unanswered(Setback.TRANSIENT, "HTTP 503")


class Searching:
    """A finder that takes whatever it is told of.

    Attributes:
        told: what was shown to it by itself, in order.
        lists: when it was told of all, by the loop's clock.
    """

    searching = True

    def __init__(self) -> None:
        self.told: list[WatchId] = []
        self.lists: list[float] = []

    def listed(self, conferences: Sequence[Snapshot]) -> None:  # noqa: ARG002  it is who is not listed that counts
        self.lists.append(asyncio.get_running_loop().time())

    def shown(self, watch_id: WatchId, conference: Snapshot | None) -> None:
        assert conference
        self.told.append(watch_id)


@asynccontextmanager
async def searching(
    queues: int, watching: Sequence[WatchId] = LISTED
) -> AsyncIterator[tuple[Case, Searching]]:
    """As it is after a while: an event socket stands, and those that are listed are watched."""
    known = [*map(conference, LISTED), *(conference(each, kind="queue") for each in QUEUES[:queues])]
    async with observing(*known, watching=list(watching)) as case:
        case.observer.finder = finder = Searching()
        await anyio.sleep(3 * INFORMED_INTERVAL + 0.5)
        assert finder.lists
        yield case, finder


async def test_one_is_found_in_a_crowd_that_is_asked_for_by_a_list() -> None:
    async with searching(1) as (case, finder):
        for watch in (*LISTED, *QUEUES[:1]):
            case.announcer.announce(watch)
        await anyio.sleep(1)

    assert finder.told == QUEUES[:1]


async def test_one_is_found_though_a_list_was_due_when_it_was_announced() -> None:
    async with searching(1) as (case, finder):
        due = finder.lists[-1] + INFORMED_INTERVAL
        await anyio.sleep(due - 0.05 - asyncio.get_running_loop().time())
        case.announcer.announce(QUEUES[0])
        await anyio.sleep(1)

        assert finder.lists[-1] == pytest.approx(due)
        assert finder.told == QUEUES[:1]


async def test_one_is_found_that_is_the_first_that_a_new_event_socket_tells_of() -> None:
    async with searching(1) as (case, finder):
        case.announcer.drop()
        while len(case.announcer.sockets) < 2:  # noqa: ASYNC110  nobody tells
            await anyio.sleep(0.01)
        case.announcer.announce(QUEUES[0])
        await anyio.sleep(1)

    assert finder.told == QUEUES[:1]


async def test_all_of_a_batch_are_found_though_one_question_fails() -> None:
    async with searching(5) as (case, finder):
        case.platform.seconds = 0.1
        for watch in QUEUES[:5]:
            case.announcer.announce(watch)
        while not finder.told:  # noqa: ASYNC110  nobody tells
            await anyio.sleep(0.01)
        case.platform.failure = NO_ANSWER
        await anyio.sleep(0.5)
        case.platform.failure = None
        await anyio.sleep(10)

    assert finder.told == QUEUES[:5], "each once"


async def test_one_is_found_that_was_announced_in_an_outage() -> None:
    async with searching(1) as (case, finder):
        case.platform.failure = NO_ANSWER
        await anyio.sleep(30)
        case.announcer.announce(QUEUES[0])
        await anyio.sleep(30)
        case.platform.failure = None
        await anyio.sleep(30)

    assert finder.told == QUEUES[:1]


async def test_one_of_which_there_is_never_an_answer_takes_nothing_from_the_others() -> None:
    async with searching(3) as (case, finder):
        case.platform.failures[QUEUES[0]] = NO_ANSWER
        for watch in QUEUES[:3]:
            case.announcer.announce(watch)
        await anyio.sleep(30)
        told = len(case.news)
        await anyio.sleep(30)

    assert finder.told == QUEUES[1:3]
    assert {known for _, _, known in case.news} == set(map(conference, LISTED)), "all of it is known"
    assert len(case.news) > told


async def test_a_crowd_that_no_list_has_is_found_a_few_at_a_time_and_others_do_not_wait_for_it() -> None:
    async with searching(len(QUEUES)) as (case, finder):
        asked, lists, began = case.platform.asked, len(finder.lists), asyncio.get_running_loop().time()
        for watch in QUEUES:
            case.announcer.announce(watch)
        await anyio.sleep(1)
        at_first = len(finder.told)
        case.join(LISTED[0])
        case.announcer.announce(LISTED[0])
        while len(finder.told) <= len(QUEUES):  # noqa: ASYNC110  nobody tells
            await anyio.sleep(0.1)
        took = asyncio.get_running_loop().time() - began

    assert at_first == SINGLES
    assert sorted(finder.told) == sorted([*QUEUES, LISTED[0]]), "each once"
    assert took < len(QUEUES) / SHARE + 3
    assert case.occupied(LISTED[0])[0] - began < 1 + SINGLES / SHARE
    assert len(finder.lists) - lists <= 1 + took / INFORMED_INTERVAL + 1
    assert case.platform.asked - asked == len(finder.told) + 2 * (len(finder.lists) - lists)


async def test_an_event_about_a_watch_that_no_list_has_is_followed_however_many_there_are() -> None:
    """Not in its turn, which comes late."""
    async with searching(len(QUEUES), watching=[*LISTED, *QUEUES]) as (case, finder):
        last = next(watch for watch in QUEUES if case.of(watch)[-1][0] > finder.lists[-1] - 1)
        began = asyncio.get_running_loop().time()
        case.join(last)
        for watch in (*LISTED, last):
            case.announcer.announce(watch)
        await anyio.sleep(1)

    assert case.occupied(last)
    assert case.occupied(last)[0] - began < 1

"""What every `Platform` promises, held against the adapter on a socket and against its stand-in in memory."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
import pytest

from recorder import simulator
from recorder.api import RestPlatform
from recorder.clock import Clock
from recorder.config import VoipbinSettings
from recorder.connection import Setback
from recorder.core.snapshot import Snapshot
from recorder.credential import Credential, CredentialKind
from recorder.platform import Platform, Unanswered
from recorder.rate import Rate
from recorder.simulator.arguments import fleet
from storage.names import WatchId, WatchKind
from tests.fakes import MemoryPlatform

pytestmark = pytest.mark.anyio

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")
TAPE = simulator.Tape(np.ones(8000, np.int16))


class Ground(Protocol):
    """A platform, and the hands that change what it knows."""

    @property
    def platform(self) -> Platform: ...
    def create(self, watch: WatchId, name: str = "", kind: str = "conference") -> None: ...
    def join(self, watch: WatchId) -> None: ...
    def delete(self, watch: WatchId) -> None: ...
    def forget(self, watch: WatchId) -> None: ...
    def fail(self, status: int | None, retry_after: int | None = None) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self.platform = MemoryPlatform()

    def create(self, watch: WatchId, name: str = "", kind: str = "conference") -> None:
        call = watch.kind is WatchKind.CALL
        self.platform.known[watch] = Snapshot(
            watch,
            customer=simulator.CUSTOMER,
            name=name,
            type="" if call else kind,
            status="progressing",
            created_at=datetime.now(UTC),
        )

    def join(self, watch: WatchId) -> None:
        before = self.platform.known[watch]
        there = before.participants or ()
        self.platform.known[watch] = replace(before, participants=(*there, str(len(there))))

    def delete(self, watch: WatchId) -> None:
        self.platform.known[watch] = replace(
            self.platform.known[watch], status="terminating", deleted_at=datetime.now(UTC), participants=()
        )

    def forget(self, watch: WatchId) -> None:
        del self.platform.known[watch]

    def fail(self, status: int | None, retry_after: int | None = None) -> None:
        setbacks = {
            401: Setback.REFUSED,
            403: Setback.REFUSED,
            429: Setback.THROTTLED,
            503: Setback.THROTTLED,
        }
        setback = setbacks.get(status or 0, Setback.TRANSIENT)
        self.platform.failure = Unanswered(setback, f"HTTP {status}", retry_after=retry_after)
        if status is None:
            self.platform.failure = None


class OnTheWire:
    def __init__(self, platform: RestPlatform, simulated: simulator.Platform) -> None:
        self.platform = platform
        self.simulated = simulated

    def create(self, watch: WatchId, name: str = "", kind: str = "conference") -> None:
        if watch.kind is WatchKind.CALL:
            self.simulated.add(simulator.Programme(watch, TAPE))
        else:
            self.simulated.create(simulator.Programme(watch, TAPE), name, simulator.ConferenceType(kind))

    def join(self, watch: WatchId) -> None:
        self.simulated.conference(watch).join()

    def delete(self, watch: WatchId) -> None:
        self.simulated.conference(watch).delete()

    def forget(self, watch: WatchId) -> None:
        self.simulated.remove(watch)

    def fail(self, status: int | None, retry_after: int | None = None) -> None:
        trouble = simulator.Refuse(status, retry_after=retry_after) if status else None
        self.simulated.api_trouble = trouble


@pytest.fixture(params=["memory", "today", "before February 2026"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    if request.param == "memory":
        yield InMemory()
        return
    old = request.param != "today"
    simulated = simulator.Platform(
        times=simulator.TimeStyle.SPACED if old else simulator.TimeStyle.RFC3339,
        limit=simulator.RateLimit(rate=100_000, burst=100_000),
    )
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(simulator.simulate(simulated))
        platform = RestPlatform(
            VoipbinSettings(url=server.url, allow_insecure=True),
            Credential(CredentialKind.TOKEN, simulator.TOKEN),
            rate=Rate(1000),
            clock=Clock(),
        )
        stack.push_async_callback(platform.close)
        yield OnTheWire(platform, simulated)


async def test_a_list_has_all_that_is_not_deleted_newest_first_with_who_is_in_it(ground: Ground) -> None:
    watches = list(fleet(5))
    for number, watch in enumerate(watches):
        ground.create(watch, f"room {number}")
    ground.join(watches[1])
    ground.join(watches[1])
    ground.delete(watches[2])

    listed = await ground.platform.conferences()

    assert [each.watch_id for each in listed] == [watches[number] for number in (4, 3, 1, 0)]
    assert [each.name for each in listed] == ["room 4", "room 3", "room 1", "room 0"]
    assert [each.occupied for each in listed] == [False, False, True, False]
    assert {each.customer for each in listed} == {simulator.CUSTOMER}
    assert not any(each.over for each in listed)


async def test_a_list_goes_on_over_pages(ground: Ground) -> None:
    watches = list(fleet(201))
    for watch in watches:
        ground.create(watch)

    listed = await ground.platform.conferences()

    assert [each.watch_id for each in listed] == watches[::-1]


async def test_a_list_of_nothing_is_empty(ground: Ground) -> None:
    assert list(await ground.platform.conferences()) == []


@pytest.mark.parametrize("kind", ["connect", "queue"])
async def test_what_is_not_listed_can_be_asked_for(ground: Ground, kind: str) -> None:
    ground.create(BOARD, kind=kind)
    ground.create(CALL)

    conference, call = await ground.platform.get(BOARD), await ground.platform.get(CALL)

    assert list(await ground.platform.conferences()) == []
    assert conference is not None
    assert (conference.watch_id, conference.type) == (BOARD, kind)
    assert call is not None
    assert (call.watch_id, call.status, call.occupied) == (CALL, "progressing", True)


async def test_a_deleted_conference_can_be_asked_for_and_is_over(ground: Ground) -> None:
    ground.create(BOARD)
    ground.delete(BOARD)

    snapshot = await ground.platform.get(BOARD)

    assert snapshot is not None
    assert snapshot.over
    assert snapshot.deleted_at is not None
    assert not snapshot.occupied
    assert abs(datetime.now(UTC) - snapshot.deleted_at).total_seconds() < 60


async def test_what_the_platform_does_not_know_is_none(ground: Ground) -> None:
    ground.create(BOARD)
    ground.forget(BOARD)

    assert await ground.platform.get(BOARD) is None
    assert await ground.platform.get(CALL) is None


@pytest.mark.parametrize(
    ("status", "setback"),
    [
        (401, Setback.REFUSED),
        (403, Setback.REFUSED),
        (429, Setback.THROTTLED),
        (500, Setback.TRANSIENT),
        (502, Setback.TRANSIENT),
        (503, Setback.THROTTLED),
        (530, Setback.TRANSIENT),
    ],
)
async def test_an_outage_is_no_answer_and_no_end(ground: Ground, status: int, setback: Setback) -> None:
    ground.create(BOARD)
    ground.fail(status)
    for question in (ground.platform.conferences, lambda: ground.platform.get(BOARD)):
        with pytest.raises(Unanswered, match=f"HTTP {status}") as caught:
            await question()
        assert caught.value.setback is setback
    ground.fail(None)

    assert await ground.platform.get(BOARD)


async def test_it_is_said_how_long_to_wait(ground: Ground) -> None:
    ground.fail(429, retry_after=7)

    with pytest.raises(Unanswered) as caught:
        await ground.platform.conferences()

    assert caught.value.retry_after == 7

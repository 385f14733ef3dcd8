"""The observer at work for a daemon: what the platform fails at is told to those whom it concerns."""

import asyncio

import anyio
import pytest

from recorder.attendance import Attendance
from recorder.clock import Clock
from recorder.connection import Setback
from recorder.core.snapshot import Snapshot
from recorder.observation import Observation
from recorder.platform import Unanswered
from storage.names import WatchId, WatchKind
from tests.fakes import MemoryPlatform
from tests.recorder.announcing import ScriptedAnnouncer

pytestmark = pytest.mark.anyio

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")


class Troubled(MemoryPlatform):
    """A platform that fails the questions about calls."""

    async def get(self, watch_id: WatchId) -> Snapshot | None:
        if watch_id == CALL:
            raise Unanswered(Setback.TRANSIENT, "HTTP 503, request req_call", request_id="req_call")
        return await super().get(watch_id)


async def observed(platform: MemoryPlatform) -> tuple[Attendance, Attendance]:
    """The conference and the call, after a while."""
    loop = asyncio.get_running_loop()
    observation = Observation(platform, ScriptedAnnouncer(), clock=Clock(loop.time), chance=lambda: 0.5)
    both = observation.attend(BOARD), observation.attend(CALL)
    with anyio.move_on_after(3):
        await observation.run()
    return both


def request_ids(attendance: Attendance) -> set[str]:
    facts = attendance.sightings.facts()
    return {failure.request_id for failure in facts.failures} if facts else set()


async def test_what_fails_for_all_is_told_to_all_and_what_fails_for_one_to_that_one() -> None:
    snapshot = Snapshot(BOARD, type="conference", status="progressing")
    away = MemoryPlatform(snapshot)
    away.failure = Unanswered(Setback.THROTTLED, "HTTP 429, request req_all", request_id="req_all")

    assert [request_ids(each) for each in await observed(away)] == [{"req_all"}, {"req_all"}]
    assert [request_ids(each) for each in await observed(Troubled(snapshot))] == [set(), {"req_call"}]

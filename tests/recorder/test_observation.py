"""The observer at work for a daemon: what the platform fails at is told to those whom it concerns."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import anyio
import pytest
from structlog.testing import capture_logs

from recorder.attendance import Attendance
from recorder.clock import Clock
from recorder.connection import Setback
from recorder.core.life import Course
from recorder.core.snapshot import Snapshot, read_snapshot
from recorder.observation import Observation
from recorder.platform import Unanswered, nothing
from storage.names import WatchId, WatchKind
from tests.fakes import MemoryPlatform
from tests.recorder.announcing import ScriptedAnnouncer

pytestmark = pytest.mark.anyio

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")


async def observed(
    platform: MemoryPlatform, announcer: ScriptedAnnouncer | None = None, seconds: float = 3
) -> tuple[Attendance, Attendance]:
    """The conference and the call, after a while."""
    loop = asyncio.get_running_loop()
    announcer = announcer or ScriptedAnnouncer()
    observation = Observation(platform, announcer, clock=Clock(loop.time), chance=lambda: 0.5)
    both = observation.attend(BOARD), observation.attend(CALL)
    with anyio.move_on_after(seconds):
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
    troubled = MemoryPlatform(snapshot)
    troubled.failures[CALL] = Unanswered(
        Setback.TRANSIENT, "HTTP 503, request req_call", request_id="req_call"
    )
    assert [request_ids(each) for each in await observed(troubled)] == [set(), {"req_call"}]


class Interrupted(MemoryPlatform):
    """A platform that announces something about the conference while each of its lists comes."""

    def __init__(self, *known: Snapshot) -> None:
        super().__init__(*known)
        self.announcer = ScriptedAnnouncer()

    async def conferences(self, between: Callable[[], Awaitable[None]] = nothing) -> Sequence[Snapshot]:
        self.announcer.announce(BOARD)
        await asyncio.sleep(0.01)
        return await super().conferences(between)


async def test_what_fails_for_one_while_a_list_comes_is_told_to_that_one_only() -> None:
    platform = Interrupted(
        Snapshot(BOARD, customer="c", type="conference", status="progressing"),
        Snapshot(CALL, status="progressing"),
    )
    platform.failures[BOARD] = Unanswered(
        Setback.TRANSIENT, "HTTP 503, request req_board", request_id="req_board"
    )

    assert [request_ids(each) for each in await observed(platform, platform.announcer)] == [
        {"req_board"},
        set(),
    ]


async def test_an_answer_that_cannot_be_read_has_both_listened_to_and_is_said_once() -> None:
    board = read_snapshot(WatchKind.CONFERENCE, {"id": BOARD.id, "conferencecall_ids": [{"id": "x"}]})
    call = read_snapshot(WatchKind.CALL, {"id": CALL.id, "status": "talking"})
    assert board
    assert call
    with capture_logs() as log:
        both = await observed(MemoryPlatform(board, call), seconds=60)

    assert [each.course for each in both] == [Course.LISTEN, Course.LISTEN]
    (line,) = [line for line in log if line["log_level"] == "warning"]
    assert "whether anybody is there" in line["event"]


async def test_of_what_is_over_it_does_not_matter_how_it_is_said_who_was_there() -> None:
    over = Snapshot(BOARD, type="conference", status="terminated", participants=None)
    with capture_logs() as log:
        board, _ = await observed(MemoryPlatform(over))

    assert board.course is Course.END
    assert [line for line in log if line["log_level"] == "warning"] == []

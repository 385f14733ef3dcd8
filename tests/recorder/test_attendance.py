"""One watch that is observed, on virtual time: what is known of it decides when it is listened to."""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from recorder.connection import ConnectionRefused, Setback
from recorder.core.life import MOST_PATIENCE
from recorder.core.snapshot import Known, Snapshot, Unseen
from recorder.spool import Spool
from recorder.watchlist import Watch
from storage.manifest import ClosedBy, GapReason, OpenedAfterReason
from storage.names import WatchId, WatchKind
from storage.presence import PlatformFacts
from tests.recorder.scripted import Counter, Script, pcm, talk
from tests.recorder.test_conference import (
    WATCH,
    cut_at_once,
    manifests,
    nothing,
    playing,
    record,
    recorded,
    refuse,
)
from tests.virtual import BEGIN, Inline

pytestmark = pytest.mark.anyio

EMPTY = Snapshot(WATCH.watch_id, type="conference", status="progressing")
OCCUPIED = replace(EMPTY, participants=("a",))
OVER = replace(EMPTY, status="terminated", ended_at=datetime(2026, 11, 22, 15, 5, tzinfo=UTC))
DELETED = replace(EMPTY, status="terminating", deleted_at=datetime(2026, 11, 22, 15, 5, tzinfo=UTC))
CALL = replace(WATCH, watch_id=WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226"), name=None)
IN_CALL = Snapshot(CALL.watch_id, status="progressing")
ENDING_CALL = replace(IN_CALL, status="terminating")
BEGAN = 1000.0
"""When virtual time begins."""


def hung_up(at: float) -> Snapshot:
    """A call that ended so many seconds after the beginning."""
    return replace(IN_CALL, status="hangup", ended_at=BEGIN + timedelta(seconds=at))


def then_silence(source: Counter, seconds: float) -> Script:
    async def script() -> AsyncIterator[bytes]:
        async for message in talk(source, seconds):
            yield message
        await anyio.sleep_forever()

    return script


async def test_nobody_is_asked_for_before_somebody_has_joined_and_then_at_once(spool: Spool) -> None:
    source = Counter()

    platform = await record(spool, [playing(source, 100)], 700, news=[(0, EMPTY), (600, OCCUPIED)])

    first = manifests(spool)[0]
    assert platform.attempts[0] - BEGAN - 600 < 0.2
    assert recorded(spool) == pcm(0, source.sent)
    assert first.opened_after is not None
    assert first.opened_after.reason is OpenedAfterReason.START
    assert first.opened_after.by_reason[OpenedAfterReason.START] == pytest.approx(600, abs=0.5)


async def test_an_end_closes_stream_and_segment_within_seconds_and_is_no_gap(spool: Spool) -> None:
    source = Counter()

    platform = await record(spool, [then_silence(source, 20)], 600, news=[(0, OCCUPIED), (22, OVER)])

    (segment,) = manifests(spool)
    assert len(platform.attempts) == 1
    assert recorded(spool) == pcm(0, source.sent)
    assert (segment.closed_by, segment.ledger) == (ClosedBy.IDLE, ())


async def test_what_passes_after_we_have_hung_up_on_an_end_is_no_gap(spool: Spool) -> None:
    source = Counter()
    news = [(0, OCCUPIED), (15, OVER)]

    await record(spool, [then_silence(source, 20)], 600, news=news, disk=Inline(seconds=0.3))

    assert recorded(spool) == pcm(0, source.sent)
    assert [entry for segment in manifests(spool) for entry in segment.ledger] == []


async def test_who_comes_back_after_an_end_is_recorded_and_the_time_between_is_no_loss(spool: Spool) -> None:
    source = Counter()
    steps: list[ConnectionRefused | Script] = [then_silence(source, 20), playing(source, 20)]

    await record(spool, steps, 520, news=[(0, OCCUPIED), (22, OVER), (500, OCCUPIED)])

    segments = manifests(spool)
    after = next(each.opened_after for each in segments[1:] if each.opened_after)
    assert recorded(spool) == pcm(0, source.sent)
    assert after.reason is OpenedAfterReason.IDLE
    assert after.by_reason.get(OpenedAfterReason.DISCONNECTED, 0.0) < 1


@dataclass(frozen=True)
class Ending:
    """A stream breaks off after 20 s and no other can be had. What is known when, and what the ledger says.

    Attributes:
        missed: seconds in the ledger for which there was no connection.
    """

    news: Sequence[tuple[float, Known]]
    missed: float
    watch: Watch = WATCH


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(Ending([(0, OCCUPIED)], 10), id="people stay: to the grid, and then no connection"),
        pytest.param(Ending([(0, OCCUPIED), (27, DELETED)], 7), id="deleted while the stream is down"),
        pytest.param(Ending([(0, OCCUPIED), (45, DELETED)], 25), id="deleted when the grid has passed"),
        pytest.param(
            Ending([(0, OCCUPIED), (27, Unseen.ABSENT)], 7), id="forgotten while the stream is down"
        ),
        pytest.param(Ending([(0, OCCUPIED), (27, EMPTY)], 7), id="the last left while the stream is down"),
        pytest.param(Ending([(0, OCCUPIED), (19, EMPTY)], 0), id="dropped after the last had left"),
        pytest.param(Ending([(0, OCCUPIED), (19, DELETED)], 0), id="dropped after it was deleted"),
        pytest.param(Ending([(0, IN_CALL), (24, hung_up(19.5))], 0, CALL), id="a call that was hung up"),
        pytest.param(Ending([(0, IN_CALL), (24, ENDING_CALL)], 0, CALL), id="a call that is ending"),
        pytest.param(Ending([(0, IN_CALL), (29, hung_up(26))], 6, CALL), id="a call dropped before its end"),
    ],
)
async def test_a_drop_while_people_are_there_is_a_gap_and_an_end_is_none(
    spool: Spool, ending: Ending
) -> None:
    source = Counter()
    steps: list[ConnectionRefused | Script] = [playing(source, 20), refuse(Setback.TRANSIENT)]

    await record(spool, steps, 200, news=ending.news, watch=ending.watch)

    segments = manifests(spool)
    entries = [entry for segment in segments for entry in segment.ledger]
    assert recorded(spool) == pcm(0, source.sent)
    assert {entry.reason for entry in entries} <= {GapReason.DISCONNECTED}
    assert sum(entry.samples for entry in entries) / 8000 == pytest.approx(ending.missed, abs=0.1)
    assert segments[-1].closed_by is (ClosedBy.IDLE if ending.news[1:] else ClosedBy.GRID)


async def test_what_was_missed_before_an_end_is_not_told_twice(spool: Spool) -> None:
    source = Counter()
    down = [refuse(Setback.TRANSIENT, retry_after=100)]
    steps: list[ConnectionRefused | Script] = [playing(source, 20), *down, playing(source, 20)]

    await record(spool, steps, 520, news=[(0, OCCUPIED), (27, DELETED), (500, OCCUPIED)])

    after = next(each.opened_after for each in manifests(spool)[1:] if each.opened_after)
    assert after.by_reason[OpenedAfterReason.IDLE] == pytest.approx(473, abs=1)
    assert after.by_reason.get(OpenedAfterReason.DISCONNECTED, 0.0) < 1


async def test_nobody_who_is_still_heard_is_hung_up_on(spool: Spool) -> None:
    source = Counter()

    await record(spool, [playing(source, 100)], 100, news=[(0, OCCUPIED), (20, OVER), (30, Unseen.ABSENT)])

    assert recorded(spool) == pcm(0, source.sent)
    assert source.sent > 95 * 8000


async def test_a_stream_that_hears_nobody_is_opened_anew_and_not_for_ever_as_often(spool: Spool) -> None:
    source = Counter()
    steps: list[ConnectionRefused | Script] = [nothing, nothing, playing(source, 100)]

    platform = await record(spool, steps, 150, news=[(0, OCCUPIED)])
    waits = [later - earlier for earlier, later in itertools.pairwise(platform.attempts)]

    assert waits == pytest.approx([20, 40], abs=2)
    assert recorded(spool) == pcm(0, source.sent)

    hopeless = await record(spool, [nothing], 12 * MOST_PATIENCE, news=[(0, OCCUPIED)])
    assert len(hopeless.attempts) < 18


async def test_what_is_silent_is_hung_up_the_moment_that_it_is_over_and_not_looked_at_before(
    spool: Spool,
) -> None:
    platform = await record(spool, [nothing], 1100, news=[(0, OCCUPIED), (1, EMPTY), (1001, DELETED)])

    (connection,) = platform.connections
    assert connection.closed_at == pytest.approx(BEGAN + 1001, abs=0.01)
    assert connection.asked < 10


async def test_a_stream_stands_while_everybody_has_left_and_hears_who_comes_back(spool: Spool) -> None:
    source = Counter()

    async def left_and_back() -> AsyncIterator[bytes]:
        async for message in talk(source, 20):
            yield message
        await anyio.sleep(300)
        async for message in talk(source, 60):
            yield message

    news = [(0.0, OCCUPIED), (21.0, EMPTY), (320.0, OCCUPIED)]
    platform = await record(spool, [left_and_back], 370, news=news)

    assert len(platform.attempts) == 1
    assert recorded(spool) == pcm(0, source.sent)
    assert ClosedBy.IDLE in {segment.closed_by for segment in manifests(spool)}


async def test_a_drop_while_people_are_there_is_a_gap(spool: Spool) -> None:
    source = Counter()

    await record(spool, [playing(source, 20), playing(source, 100)], 60, news=[(0, OCCUPIED)])

    assert {entry.reason.value for s in manifests(spool) for entry in s.ledger} == {"disconnected"}
    assert recorded(spool) == pcm(0, source.sent)


async def test_when_nobody_can_be_asked_any_more_it_is_listened_as_ever(spool: Spool) -> None:
    source = Counter()
    steps: list[ConnectionRefused | Script] = [cut_at_once, cut_at_once, playing(source, 100)]

    platform = await record(spool, steps, 200, news=[(0, EMPTY), (100, Unseen.UNKNOWN)])

    assert platform.attempts[0] - BEGAN - 100 < 0.2
    assert recorded(spool) == pcm(0, source.sent)


async def test_a_pause_between_attempts_ends_when_somebody_joins(spool: Spool) -> None:
    source = Counter()
    refused = [cut_at_once] * 12
    news: list[tuple[float, Known]] = [(0.0, Unseen.UNKNOWN), (113.0, OCCUPIED)]

    platform = await record(spool, [*refused, playing(source, 100)], 200, news=news)

    late = min(at - BEGAN - 113 for at in platform.attempts if at >= BEGAN + 113)
    assert late < 3.5, "at once, or after the attempt that was under way"


def platform_facts(spool: Spool) -> list[PlatformFacts]:
    found = [segment.platform for segment in manifests(spool)]
    return [facts for facts in found if facts]


async def test_the_manifests_say_who_was_there_from_the_first_to_the_last_of_them(spool: Spool) -> None:
    source = Counter()
    named = replace(OCCUPIED, name="Board")
    news = [(0.0, named), (10.0, replace(named, participants=("a", "b"))), (100.0, named), (142.0, OVER)]

    await record(spool, [then_silence(source, 140)], 200, news=news)

    segments, facts = manifests(spool), platform_facts(spool)
    joined = [(each.at, each.joined) for one in facts for each in one.participants if each.joined]
    left = [(each.at, each.left) for one in facts for each in one.participants if each.left]
    assert len(segments) == len(facts) > 2, "in each of them"
    assert {one.name for one in facts} == {"Board"}
    assert [(one.participants_at_start, one.participants_at_end) for one in facts] == [(1, 2), (2, 2), (2, 0)]
    assert [ids for _, ids in joined] == [("b",)]
    assert [ids for _, ids in left] == [("b",), ("a",)]
    assert (joined[0][0] - segments[0].started_at).total_seconds() == pytest.approx(10, abs=0.5)
    assert (facts[0].status_at_start, facts[-1].status_at_end) == ("progressing", "terminated")


async def test_the_manifest_has_the_platforms_request_ids_of_what_it_refused_before(spool: Spool) -> None:
    source = Counter()
    refused = ConnectionRefused(Setback.THROTTLED, "HTTP 429, request req_abc", request_id="req_abc")

    await record(spool, [refused, playing(source, 100)], 100, news=[(0, OCCUPIED)])

    first, second = platform_facts(spool)[:2]
    assert [(each.request_id, each.setback) for each in first.failures] == [("req_abc", "throttled")]
    assert second.failures == (), "they stand once"


async def test_where_nobody_is_asked_the_manifest_says_nothing_of_a_platform(spool: Spool) -> None:
    refused = ConnectionRefused(Setback.THROTTLED, "HTTP 429, request req_abc", request_id="req_abc")

    await record(spool, [refused, playing(Counter(), 100)], 100)

    for segment in spool.sealed():
        assert b"platform" not in segment.manifest.read_bytes()

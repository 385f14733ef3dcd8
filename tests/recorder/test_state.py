"""Which state what is known of a watch comes to, and that all of them are reached and told."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from recorder.connection import ConnectionRefused, Setback
from recorder.core.snapshot import Known, Snapshot, Unseen
from recorder.diagnosis import MANY_CUT
from recorder.journal import Journal
from recorder.spool import Spool
from recorder.state import Condition, Facts, State, condition
from tests.recorder.scripted import Counter, Script, talk
from tests.recorder.test_conference import (
    WATCH,
    FullDisk,
    cut_at_once,
    nothing,
    playing,
    record,
    refuse,
)
from tests.virtual import virtual_clock

pytestmark = pytest.mark.anyio

AT = datetime(2026, 11, 22, 15, 5, tzinfo=UTC)
EMPTY = Snapshot(WATCH.watch_id, type="conference", status="progressing")
ONE = replace(EMPTY, participants=("a",))
PAIR = replace(EMPTY, participants=("a", "b"))
DELETED = replace(EMPTY, status="terminating", deleted_at=AT)
TERMINATED = replace(EMPTY, status="terminated", ended_at=AT, deleted_at=AT)


async def course(
    spool: Spool,
    steps: Sequence[ConnectionRefused | Script],
    seconds: float,
    *,
    news: Sequence[tuple[float, Known]] = (),
    journal: Journal | None = None,
) -> tuple[list[tuple[int, State, str]], list[str]]:
    """What a watch was at and since when, looked at every second; and the states that the log told."""
    journal = journal or Journal(WATCH, virtual_clock())
    began, seen = anyio.current_time(), [(0, journal.condition.state, "")]

    async def look() -> None:
        while True:
            await anyio.sleep(1)
            now = journal.look()
            if now.state is not seen[-1][1]:
                seen.append((round(journal.since - began), now.state, now.why))

    with capture_logs() as said:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            await record(spool, steps, seconds, journal=journal, news=news)
            tasks.cancel_scope.cancel()
    told = [line["state"] for line in said if line["event"] == "state"]
    assert set(told) >= {state.value for _, state, _ in seen[1:]}, "what is seen is told"
    return seen, told


async def test_a_conference_is_waited_for_recorded_idle_and_waited_for_again(spool: Spool) -> None:
    async def talk_and_stay() -> AsyncIterator[bytes]:
        async for message in talk(Counter(), 30):
            yield message
        await anyio.sleep(60)

    seen, told = await course(spool, [cut_at_once, talk_and_stay, refuse(Setback.NOT_LIVE)], 200)

    states = [state for _, state, _ in seen]
    assert states[:4] == [State.CONNECTING, State.WAITING, State.RECORDING, State.IDLE]
    assert states[-1] is State.WAITING
    assert "nobody has joined" in seen[1][2]
    assert seen[3][0] - seen[2][0] == pytest.approx(40, abs=1), "idle after ten seconds without audio"
    assert told == ["waiting", "recording", "idle", "degraded", "waiting"], "one line a change"


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (TERMINATED, "terminated"),
        (DELETED, "deleted"),
        (Unseen.ABSENT, "the platform knows none of that id any more"),
    ],
)
async def test_what_is_over_is_ended_and_comes_back_if_its_id_does(
    spool: Spool, end: Known, how: str
) -> None:
    source = Counter()

    async def talk_and_stay() -> AsyncIterator[bytes]:
        async for message in talk(source, 20):
            yield message
        await anyio.sleep_forever()

    journal = Journal(WATCH, virtual_clock())
    news: list[tuple[float, Known]] = [(0, PAIR), (21, end), (100, EMPTY), (200, PAIR)]
    seen, told = await course(spool, [talk_and_stay, playing(source, 100)], 280, news=news, journal=journal)

    assert [state.value for _, state, _ in seen] == [
        "connecting",
        "recording",
        "ended",
        "waiting",
        "recording",
    ]
    assert seen[2][2] == how
    assert seen[2][0] == pytest.approx(22, abs=1)
    assert seen[3][0] == pytest.approx(100, abs=1)
    assert seen[3][2] == "nobody is in it"
    assert told.count("degraded") == 0, "an end is no trouble"
    assert set(journal.tally.reconnects) == {"not_live"}, "nor an attempt in vain; waiting is one"


async def test_one_that_was_over_and_goes_on_is_connected_to_at_once(spool: Spool) -> None:
    refused = [refuse(Setback.TRANSIENT)]

    _, told = await course(spool, refused, 60, news=[(0, TERMINATED), (30, PAIR)])

    assert told == ["ended", "connecting", "degraded"]


async def test_a_stream_that_ends_when_everybody_has_left_is_no_trouble(spool: Spool) -> None:
    async def talk_and_stay() -> AsyncIterator[bytes]:
        async for message in talk(Counter(), 20):
            yield message
        await anyio.sleep(60)

    _, told = await course(spool, [talk_and_stay], 120, news=[(0, PAIR), (21, EMPTY)])

    assert told == ["recording", "idle", "waiting"]


async def test_a_tail_that_cannot_be_sealed_is_no_good_end() -> None:
    facts = Facts(ended="deleted", unsealed="No space left on device")

    assert condition(facts, 0, 10).state is State.DEGRADED
    assert condition(replace(facts, unsealed=""), 0, 10) == Condition(State.ENDED, "deleted")


async def test_people_whose_stream_is_cut_at_once_are_missed(spool: Spool) -> None:
    journal = Journal(WATCH, virtual_clock())

    seen, told = await course(spool, [cut_at_once], 60, news=[(0, PAIR)], journal=journal)

    assert seen[-1][1] is State.DEGRADED
    assert "though people are there" in seen[-1][2]
    assert State.WAITING.value not in told
    assert journal.cut_short > MANY_CUT


@pytest.mark.parametrize(("who", "state"), [(PAIR, State.DEGRADED), (ONE, State.IDLE)])
async def test_people_who_are_not_heard_are_a_trouble_unless_there_is_only_one(
    spool: Spool, who: Snapshot, state: State
) -> None:
    journal = Journal(WATCH, virtual_clock())
    seen, _ = await course(spool, [nothing], 95, news=[(0, who)], journal=journal)

    assert seen[-1][1] is state
    assert "in it, and 2 streams in a row have brought nothing" in journal.condition.why
    assert not [each for each in seen if each[1] is State.WAITING]
    assert journal.tally.reconnects["silent"] == 2


async def test_a_refused_credential_blocks_and_says_what_to_do(spool: Spool) -> None:
    seen, _ = await course(spool, [refuse(Setback.REFUSED)], 100)

    assert [state for _, state, _ in seen] == [State.CONNECTING, State.BLOCKED]
    assert "correct the credential" in seen[-1][2]


async def test_a_stream_that_broke_off_is_degraded_until_there_is_audio_again(spool: Spool) -> None:
    source = Counter()
    down = [refuse(Setback.TRANSIENT)] * 3

    seen, _ = await course(spool, [playing(source, 20), *down, playing(source, 1000)], 60)

    states = [state for _, state, _ in seen]
    assert states == [State.CONNECTING, State.RECORDING, State.DEGRADED, State.RECORDING]
    assert seen[2][2].startswith("no connection: ")


@pytest.mark.parametrize("missed", [True, False])
async def test_to_be_asked_to_wait_is_no_harm_unless_audio_is_missed(spool: Spool, *, missed: bool) -> None:
    first = playing(Counter(), 20) if missed else cut_at_once

    seen, _ = await course(spool, [first, refuse(Setback.THROTTLED, retry_after=20)], 40)

    assert seen[-1][1] is (State.DEGRADED if missed else State.WAITING)


async def test_to_be_asked_to_wait_while_people_are_there_is_harm_though_none_was_heard(spool: Spool) -> None:
    occupied = Snapshot(WATCH.watch_id, type="conference", status="progressing", participants=("a",))
    throttled = refuse(Setback.THROTTLED, retry_after=20)

    seen, _ = await course(spool, [throttled], 20, news=[(0, occupied)])

    assert seen[-1][1] is State.DEGRADED


async def test_a_disk_that_takes_nothing_is_no_recording(tmp_path: Path) -> None:
    spool = FullDisk(tmp_path)

    async def make_room() -> None:
        await anyio.sleep(30)
        spool.full = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(make_room)
        seen, _ = await course(spool, [playing(Counter(), 1000)], 50)
    spool.release()

    # Until the disk was first asked, there is nothing that it did not take.
    assert [s for _, s, _ in seen if s is not State.CONNECTING][-2:] == [State.DEGRADED, State.RECORDING]
    assert "No space left" in next(why for _, state, why in seen if state is State.DEGRADED)


async def test_a_stream_without_audio_in_its_messages_is_no_quiet_one(spool: Spool) -> None:
    async def rubbish() -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(0.02)
            yield b""

    seen, _ = await course(spool, [rubbish], 60)

    assert seen[-1][1] is State.DEGRADED
    assert "hold no audio" in seen[-1][2]


async def test_a_stream_of_which_nothing_can_be_made_is_no_recording(spool: Spool) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(0.02)
            yield b"\1"  # a sample or half of one: nobody can tell

    seen, _ = await course(spool, [trickle], 100)

    assert seen[-1][1] is State.DEGRADED
    assert "no audio can be made of them" in seen[-1][2]
    assert list(spool.sealed()) == []


@pytest.mark.parametrize(("talks", "pauses", "is_one"), [(12, 6, True), (1, 8, False)])
async def test_a_stream_with_pauses_is_a_recording_and_one_that_is_mostly_pause_is_not(
    spool: Spool, talks: int, pauses: int, *, is_one: bool
) -> None:
    async def pausing() -> AsyncIterator[bytes]:
        while True:
            async for message in talk(Counter(), talks):
                yield message
            await anyio.sleep(pauses)

    seen, _ = await course(spool, [pausing], 200)

    assert (State.DEGRADED not in [state for _, state, _ in seen]) is is_one


async def test_a_stream_that_brings_nothing_is_connecting_and_then_idle(spool: Spool) -> None:
    seen, _ = await course(spool, [nothing], 60)

    assert [state for _, state, _ in seen] == [State.CONNECTING, State.IDLE]
    assert seen[1][0] == pytest.approx(10, abs=1)


async def test_a_watch_that_failed_is_degraded_and_says_by_what() -> None:
    journal = Journal(WATCH, virtual_clock())

    journal.failed(ZeroDivisionError(), 5.0)

    assert journal.condition.state is State.DEGRADED
    assert "ZeroDivisionError" in journal.condition.why


@given(
    st.builds(
        Facts,
        setback=st.none() | st.sampled_from(Setback),
        reason=st.just("words"),
        missed=st.booleans(),
        connected_at=st.none() | st.floats(0, 100),
        heard_at=st.none() | st.floats(0, 100),
        unreadable_at=st.floats(0, 100),
        disk=st.sampled_from(["", "full"]),
        unsealed=st.sampled_from(["", "full"]),
        failure=st.sampled_from(["", "KeyError"]),
        ended=st.sampled_from(["", "deleted"]),
        people=st.integers(0, 3),
        unheard=st.sampled_from(["", "2 are in it"]),
    )
)
def test_a_green_light_is_never_untrue(facts: Facts) -> None:
    now = condition(facts, 100, 10)

    if now.state is State.RECORDING:
        assert facts.connected_at is not None
        assert facts.heard_at is not None
        assert facts.heard_at > 90
        assert (facts.disk, facts.unsealed, facts.failure) == ("", "", "")
    if now.state is State.ENDED:
        assert (facts.connected_at, facts.unsealed, facts.failure) == (None, "", "")
    if now.state in (State.DEGRADED, State.BLOCKED, State.WAITING, State.ENDED):
        assert now.why, "what is not as it should be has a reason"


async def test_what_was_counted_is_what_was_sent(spool: Spool) -> None:
    journal, source = Journal(WATCH, virtual_clock()), Counter()

    await record(
        spool, [playing(source, 20), refuse(Setback.TRANSIENT), playing(source, 100)], 60, journal=journal
    )

    assert journal.tally.recorded == source.sent
    assert sum(journal.tally.silence.values()) + source.sent == pytest.approx(60 * 8000, abs=1600)
    assert journal.tally.reconnects == {"lost": 1, "transient": 1}
    assert journal.tally.sealed >= 1

"""Each word of the script, as a client sees it and as the record has it."""

import struct
import time

import numpy as np
import pytest
from anyio import move_on_after
from numpy.typing import NDArray

from recorder.core.media import Codec, Encapsulation
from recorder.simulator import (
    ODD,
    OVERSIZED,
    UNREADABLE,
    AcceptThenClose,
    CloseFrame,
    Drop,
    Duplicate,
    End,
    Ended,
    Fragment,
    Generation,
    Junk,
    Lose,
    Missed,
    NeverAudio,
    NotLive,
    Numbering,
    Platform,
    Programme,
    Refuse,
    Reorder,
    ResetConnection,
    Script,
    Split,
    Stall,
    Step,
    Tape,
    g711,
    simulate,
)
from tests.simulator.listening import ABNORMAL, BOARD, Heard, collect, hear, listen

pytestmark = pytest.mark.anyio


def once(tape: Tape, *script: Step) -> Platform:
    """A conference of one second, played once and as fast as it is taken."""
    return Platform(Programme(BOARD, tape, pace=None, end=End.CLOSE, script=script))


def asterisk(tape: Tape, *script: Step) -> Platform:
    """The same from a server that passes Asterisk's own RTP through, about to run out of numbers."""
    programme = Programme(
        BOARD,
        tape,
        Codec.ULAW,
        pace=None,
        end=End.CLOSE,
        script=script,
        generation=Generation.PASSED_THROUGH,
        numbering=Numbering(sequence=0xFFFE, timestamp=0xFFFFFF00, ssrc=0xCAFE),
    )
    return Platform(programme)


def cut(tape: Tape, start: int, end: int) -> list[int]:
    return [int(sample) for sample in tape.samples[start:end]]


async def test_a_drop_ends_the_connection_without_a_close_frame(ramp: Tape) -> None:
    platform = once(ramp, Drop(1600))

    async with simulate(platform) as server:
        first, second = await hear(server), await hear(server)

    assert (first.code, second.code) == (ABNORMAL, ABNORMAL)
    assert first.samples().tolist() == cut(ramp, 0, 1600)
    assert second.samples().tolist() == cut(ramp, 1600, 8000)
    assert [c.ended for c in platform.record(BOARD).connections] == [Ended.SCRIPT, Ended.AUDIO]


async def test_a_conference_goes_on_while_nobody_listens(ramp: Tape) -> None:
    programme = Programme(BOARD, ramp, pace=20.0, end=End.CLOSE, script=[Drop(1600), NotLive(after=0.01)])
    platform = Platform(programme)

    async with simulate(platform) as server:
        heard = [await hear(server) for _ in range(3)]

    record = platform.record(BOARD)
    [(lost_at, lost)] = record.unheard(0, len(ramp))
    assert lost_at == 1600
    assert lost >= 0.01 * 20 * 8000
    assert heard[1].messages == []
    assert heard[2].samples().tolist() == cut(ramp, 1600 + lost, 8000)
    for connection, kept in zip(record.connections, heard, strict=True):
        assert np.array_equal(connection.samples(), kept.samples())


async def test_a_reset_takes_nothing_back(ramp: Tape) -> None:
    platform = once(ramp, ResetConnection(4800))

    async with simulate(platform) as server:
        heard = await hear(server)

    assert heard.code == ABNORMAL
    assert heard.samples().tolist() == cut(ramp, 0, 4800)


async def test_a_proxy_may_close_with_a_frame(ramp: Tape) -> None:
    async with simulate(once(ramp, CloseFrame(1600, 1012))) as server:
        heard = await hear(server)

    assert heard.code == 1012
    assert heard.samples().tolist() == cut(ramp, 0, 1600)


async def test_a_torn_frame_is_no_message_and_not_on_the_record(ramp: Tape) -> None:
    platform = once(ramp, Drop(1600, torn=100))

    async with simulate(platform) as server:
        heard = await hear(server)

    assert heard.samples().tolist() == cut(ramp, 0, 1600)
    assert np.array_equal(platform.record(BOARD).connections[0].samples(), heard.samples())


async def test_what_a_stall_withholds_is_lost(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, pace=20.0, end=End.CLOSE, script=[Stall(1600, seconds=0.4)]))

    async with simulate(platform) as server:
        began = time.monotonic()
        heard = await hear(server)

    record = platform.record(BOARD).connections[0]
    assert heard.samples().tolist() == cut(ramp, 0, 1600) + cut(ramp, 4800, 8000)
    assert [(run.position, run.count) for run in record.runs] == [(0, 1600), (4800, 3200)]
    assert record.missed == [Missed(1600, 3200, "stalled")]
    assert record.runs[1].sent_at - began >= 4800 / 8000 / 20


async def test_what_a_burst_holds_back_comes_at_once(ramp: Tape) -> None:
    programme = Programme(BOARD, ramp, pace=2.0, script=[Stall(160, seconds=0.5, burst=True)])
    arrivals = []

    async with simulate(Platform(programme)) as server, listen(server) as connection:
        heard = Heard()
        for _ in range(26):
            await collect(connection, heard, len(heard.messages) + 1)
            arrivals.append(time.monotonic())

    assert heard.samples().tolist() == cut(ramp, 0, 26 * 160)
    assert arrivals[1] - arrivals[0] > 0.15
    assert arrivals[25] - arrivals[1] < 0.15  # 240 ms at the conference's own pace


async def test_a_deaf_server_answers_pings_when_it_hears_again(ramp: Tape) -> None:
    programme = Programme(BOARD, ramp, script=[Stall(0, seconds=0.2, burst=True, deaf=True)])

    async with simulate(Platform(programme)) as server, listen(server) as connection:
        latency = await (await connection.ping())

    assert latency > 0.02


async def test_asterisks_own_numbers_are_those_of_rfc_3550(ramp: Tape) -> None:
    async with simulate(asterisk(ramp)) as server:
        heard = await hear(server, "rtp")

    headers = [
        struct.unpack(">BBHII", message[:12]) for message in heard.messages if isinstance(message, bytes)
    ]
    assert headers[:4] == [
        (0x80, 0x80, 0xFFFE, 0xFFFFFF00, 0xCAFE),
        (0x80, 0x00, 0xFFFF, 0xFFFFFFA0, 0xCAFE),
        (0x80, 0x00, 0x0000, 0x00000040, 0xCAFE),
        (0x80, 0x00, 0x0001, 0x000000E0, 0xCAFE),
    ]


async def test_a_law_has_its_own_payload_type(ramp: Tape) -> None:
    programme = Programme(BOARD, ramp, Codec.ALAW, generation=Generation.PASSED_THROUGH)

    async with simulate(Platform(programme)) as server:
        [message] = (await hear(server, "rtp", most=1)).messages

    assert isinstance(message, bytes)
    assert message[1] & 0x7F == 8
    assert message[12:] == g711.encode(ramp.samples[:160], Codec.ALAW)


def in_order(heard: Heard) -> NDArray[np.int16]:
    """What a receiver of Asterisk's own RTP must make of it: every number once, in order."""
    packets = {
        (int.from_bytes(message[2:4]) - 0xFFFE) & 0xFFFF: message[12:]
        for message in heard.messages
        if isinstance(message, bytes)
    }
    return g711.decode(b"".join(packets[number] for number in sorted(packets)), Codec.ULAW)


@pytest.mark.parametrize(
    ("step", "numbers"),
    [
        (Lose(480, messages=2), [0, 1, 2, 5, 6, 7]),
        (Duplicate(480), [0, 1, 2, 3, 3, 4, 5, 6]),
        (Duplicate(480, times=2), [0, 1, 2, 3, 3, 3, 4]),
        (Reorder(480), [0, 1, 2, 4, 3, 5, 6]),
        (Reorder(480, by=3), [0, 1, 2, 4, 5, 6, 3, 7]),
    ],
)
async def test_disorder_before_the_gateway_shows_in_asterisks_numbers(
    ramp: Tape, step: Step, numbers: list[int]
) -> None:
    platform = asterisk(ramp, step)

    async with simulate(platform) as server:
        heard = await hear(server, "rtp")

    seen = [(int.from_bytes(m[2:4]) - 0xFFFE) & 0xFFFF for m in heard.messages if isinstance(m, bytes)]
    assert seen[: len(numbers)] == numbers
    assert np.array_equal(platform.record(BOARD).connections[0].samples(), in_order(heard))


@pytest.mark.parametrize("step", [Lose(480, messages=2), Duplicate(480), Reorder(480, by=3)])
async def test_disorder_before_the_gateway_does_not_show_in_its_own_numbers(ramp: Tape, step: Step) -> None:
    platform = once(ramp, step)

    async with simulate(platform) as server:
        heard = await hear(server, "rtp")

    sequence = [int.from_bytes(m[2:4]) for m in heard.messages if isinstance(m, bytes)]
    assert sequence == list(range(1, len(sequence) + 1))
    assert np.array_equal(platform.record(BOARD).connections[0].samples(), heard.samples(header=12))


async def test_messages_the_script_loses_are_on_the_record(ramp: Tape) -> None:
    platform = once(ramp, Lose(480, messages=2))

    async with simulate(platform) as server:
        await hear(server)

    assert platform.record(BOARD).connections[0].missed == [Missed(480, 320, "lost")]


@pytest.mark.parametrize("encapsulation", list(Encapsulation))
async def test_junk_arrives_as_it_is_and_is_no_audio(ramp: Tape, encapsulation: Encapsulation) -> None:
    junk = [*UNREADABLE[encapsulation], ODD[encapsulation], OVERSIZED]
    platform = once(ramp, *(Junk(160, message) for message in junk))

    async with simulate(platform) as server:
        heard = await hear(server, encapsulation)

    record = platform.record(BOARD).connections[0]
    assert heard.messages[1 : 1 + len(junk)] == junk
    assert (record.messages, record.junk) == (50, len(junk))
    assert record.samples().tolist() == cut(ramp, 0, 8000)


@pytest.mark.parametrize(
    "step", [Fragment(480), Fragment(480, pieces=7), Split(480, first=1, seconds=0.01), Split(480, first=200)]
)
async def test_a_message_in_pieces_is_still_one_message(ramp: Tape, step: Step) -> None:
    platform = once(ramp, step)

    async with simulate(platform) as server:
        heard = await hear(server)

    assert {len(message) for message in heard.messages} == {320}
    assert heard.samples().tolist() == cut(ramp, 0, 8000)


async def test_a_conference_nobody_has_joined_closes_after_a_while(ramp: Tape) -> None:
    platform = once(ramp, NotLive(times=2, after=0.03))

    async with simulate(platform) as server:
        began = time.monotonic()
        heard = await hear(server)
        took = time.monotonic() - began

    assert heard == Heard([], ABNORMAL)
    assert took >= 0.03
    assert platform.pending(BOARD) != ()


async def test_a_call_that_has_hung_up_closes_at_once(ramp: Tape) -> None:
    async with simulate(once(ramp, AcceptThenClose())) as server:
        first, second = await hear(server), await hear(server)

    assert first == Heard([], ABNORMAL)
    assert len(second.messages) == 50


async def test_a_stream_asterisk_never_dials_stays_open_and_silent(ramp: Tape) -> None:
    async with simulate(once(ramp, NeverAudio())) as server, listen(server) as connection:
        await (await connection.ping())
        with move_on_after(0.02) as patience:
            await connection.recv()

        assert patience.cancelled_caught
        assert server.listeners(BOARD) == 1


def test_a_script_happens_in_its_order() -> None:
    script = Script([Refuse(503, times=2), Drop(1000), NotLive(), Stall(500, 1.0)])

    assert script.reach(9999) is None
    assert [script.knock(), script.knock(), script.knock()] == [Refuse(503, times=2)] * 2 + [None]
    assert script.reach(999) is None
    assert script.reach(1120) == Drop(1000)
    assert script.reach(1120) is None
    assert script.knock() == NotLive()
    assert list(script.pending) == [Stall(500, 1.0)]
    assert script.reach(1120) == Stall(500, 1.0)
    assert list(script.pending) == []

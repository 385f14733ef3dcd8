"""Streams without a fault: time, frames, endings, what a client may do, and the life of the server."""

import asyncio
import ssl
import time

import numpy as np
import pytest
import trustme
from websockets.asyncio.client import connect

from recorder.core.media import Codec
from recorder.simulator import (
    TOKEN,
    End,
    Ended,
    Generation,
    Platform,
    Programme,
    Tape,
    played,
    simulate,
    speeches,
)
from recorder.simulator.programme import Airing
from storage.names import WatchId, WatchKind
from tests.simulator.listening import ABNORMAL, BOARD, CALL, Heard, collect, hear, listen

pytestmark = pytest.mark.anyio


async def settled(platform: Platform, connections: int = 1) -> None:
    """Until the server has noticed that so many connections of the board have ended."""
    record = platform.record(BOARD)
    while sum(c.ended is not None for c in record.connections) < connections:  # noqa: ASYNC110 - a record tells nobody
        await asyncio.sleep(0.001)


async def test_real_time_is_kept_without_drift(ramp: Tape) -> None:
    async with simulate(Platform(Programme(BOARD, ramp))) as server, listen(server) as connection:
        heard, arrivals = Heard(), []
        for _ in range(20):
            await collect(connection, heard, len(heard.messages) + 1)
            arrivals.append(time.monotonic())

    lateness = np.array(arrivals) - np.arange(20) * 0.02
    assert abs(min(lateness[:10]) - min(lateness[10:])) < 0.01


async def test_who_joins_late_joins_at_the_next_sample(ramp: Tape) -> None:
    airing = Airing(Programme(BOARD, ramp, pace=2.0))

    assert airing.due(0) is None
    assert airing.join(1000.0) == 0
    assert airing.join(1000.0 + 0.5) == 8000
    assert airing.join(1000.0 + 0.50001) == 8001
    assert airing.due(8000) == 1000.5


async def test_a_fast_clock_is_fast(ramp: Tape) -> None:
    airing = Airing(Programme(BOARD, ramp, drift_ppm=100.0))
    airing.join(0.0)

    assert airing.due(8_000_800) == pytest.approx(1000.0, abs=1e-9)


async def test_a_conference_without_pace_waits_for_its_listeners(ramp: Tape) -> None:
    airing = Airing(Programme(BOARD, ramp, pace=None))
    airing.sent(320)

    assert airing.join(1000.0) == 320
    assert airing.due(480) is None


async def test_the_tape_is_looped_on_one_timeline(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, pace=50.0, frame=333))

    async with simulate(platform) as server:
        heard = await hear(server, most=60)
        await settled(platform)

    count = 60 * 333
    [run] = platform.record(BOARD).connections[0].runs
    assert run.position == 0
    assert run.count >= count
    assert np.array_equal(heard.samples(), played(ramp, Codec.PCM16LE, 0, count))


async def test_frames_may_be_irregular_and_the_last_one_short(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, pace=None, end=End.CLOSE, frame=(160, 80, 1, 4000)))

    async with simulate(platform) as server:
        heard = await hear(server)

    assert [len(message) // 2 for message in heard.messages] == [160, 80, 1, 4000, 160, 80, 1, 3518]
    assert np.array_equal(heard.samples(), ramp.samples)


async def test_a_conference_that_has_ended_stays_open_and_silent(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, pace=None, end=End.SILENCE))

    async with simulate(platform) as server:
        first = await hear(server, most=50)
        async with listen(server) as connection:
            await (await connection.ping())

            assert server.listeners() == 1

    assert np.array_equal(first.samples(), ramp.samples)
    assert platform.record(BOARD).connections[1].messages == 0


async def test_an_unknown_encapsulation_upgrades_and_never_delivers(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, pace=None))

    async with simulate(platform) as server, listen(server, "slin") as connection:
        await (await connection.ping())

        assert server.listeners() == 1

    assert platform.record(BOARD).connections[0].messages == 0


async def test_older_servers_closed_an_unknown_encapsulation(ramp: Tape) -> None:
    programme = Programme(BOARD, ramp, Codec.ULAW, generation=Generation.PASSED_THROUGH)

    async with simulate(Platform(programme)) as server:
        heard = await hear(server, "slin")

    assert heard == Heard([], ABNORMAL)


async def test_set_up_takes_its_time_and_reads_nothing_meanwhile(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, setup=0.2))

    began = time.monotonic()
    async with simulate(platform) as server, listen(server) as connection:
        latency = await (await connection.ping())
        first = await connection.recv()
        took = time.monotonic() - began

    assert took >= 0.2
    assert latency > 0.02
    assert first == ramp.samples[:160].tobytes()


async def test_two_listeners_hear_the_same_conference(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, end=End.CLOSE))

    async with simulate(platform) as server, listen(server) as early:
        await early.recv()
        late = await hear(server)

    first, second = platform.record(BOARD).connections
    assert second.runs[0].position > 0
    assert np.array_equal(late.samples(), second.samples())
    assert first.runs[0].position == 0


async def test_everything_a_client_sends_is_counted(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp))

    async with simulate(platform) as server:
        async with listen(server) as connection:
            await connection.send(b"heard by all")
            await connection.send("ignored")
            await (await connection.ping())
            await connection.close(1001)
        await settled(platform)

    record = platform.record(BOARD).connections[0]
    assert connection.close_code == 1001
    assert (record.received_messages, record.received_bytes, record.pings) == (2, 19, 1)
    assert (record.close_code, record.ended) == (1001, Ended.CLIENT)


async def test_a_recorder_that_only_listens_has_sent_nothing(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, pace=None, end=End.CLOSE))

    async with simulate(platform) as server:
        await hear(server)

    assert platform.record(BOARD).received_messages == 0


async def test_older_servers_closed_on_text(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, Codec.ULAW, generation=Generation.PASSED_THROUGH))

    async with simulate(platform) as server, listen(server) as connection:
        await connection.send("hello")
        await collect(connection, Heard())

    assert connection.close_code == ABNORMAL
    assert platform.record(BOARD).connections[0].ended is Ended.TEXT


async def test_a_client_that_reads_late_gets_everything(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, pace=None, frame=16_000, script=[]))

    async with simulate(platform) as server, listen(server) as connection:
        connection.transport.pause_reading()
        sent = -1
        while sent != platform.record(BOARD).connections[0].messages:  # until every buffer is full
            sent = platform.record(BOARD).connections[0].messages
            await asyncio.sleep(0.01)
        connection.transport.resume_reading()
        heard = Heard()
        await collect(connection, heard, sent)

    assert sent > 10
    assert np.array_equal(heard.samples(), played(ramp, Codec.PCM16LE, 0, sent * 16_000))


async def test_a_deployment_drops_everybody(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp), Programme(CALL, ramp))

    async with simulate(platform) as server, listen(server) as board, listen(server, watch=CALL) as call:
        await board.recv()
        await call.recv()
        server.drop_everybody(CALL)
        await call.wait_closed()

        assert (server.listeners(BOARD), server.listeners(CALL)) == (1, 0)

        server.drop_everybody()
        await board.wait_closed()

    assert (board.close_code, call.close_code) == (ABNORMAL, ABNORMAL)
    assert platform.record(BOARD).connections[0].ended is Ended.STOPPED


async def test_a_platform_outlives_its_server(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, pace=20.0))

    async with simulate(platform) as server:
        connection = await listen(server)
        await connection.recv()
    await connection.wait_closed()
    port = int(server.url.split(":")[2].split("/")[0])
    async with simulate(platform, port=port) as again:
        heard = await hear(again, most=5)
        await settled(platform, 2)

    record = platform.record(BOARD)
    assert again.url == server.url
    assert record.connections[0].ended is Ended.STOPPED
    assert record.connections[1].runs[0].position > record.connections[0].runs[0].end
    assert np.array_equal(heard.samples(), record.connections[1].samples()[: 5 * 160])


async def test_a_server_stops_although_a_client_does_not_read(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, pace=None, frame=30_000))

    async with simulate(platform) as server:
        connection = await listen(server)
        connection.transport.pause_reading()
        await asyncio.sleep(0.05)
        began = time.monotonic()

    assert time.monotonic() - began < 10, "not for ever"
    connection.transport.abort()


async def test_watches_come_and_go(ramp: Tape) -> None:
    platform = Platform()
    platform.add(Programme(BOARD, ramp, pace=None, end=End.CLOSE))

    assert list(platform.watches) == [BOARD]

    platform.remove(BOARD)

    assert list(platform.watches) == []
    assert platform.airing(BOARD) is None


async def test_streams_are_served_over_tls(ramp: Tape) -> None:
    authority = trustme.CA()
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(client_side)
    platform = Platform(Programme(BOARD, ramp, pace=None, end=End.CLOSE))

    async with simulate(platform, ssl=server_side) as server:
        url = server.stream_url(BOARD, "sln", token=TOKEN)
        heard = Heard()
        async with connect(url, ssl=client_side) as connection:
            await collect(connection, heard)

    assert url.startswith("wss://127.0.0.1:")
    assert np.array_equal(heard.samples(), ramp.samples)


async def test_a_hundred_streams_are_exact() -> None:
    tapes = [Tape.speech(name) for name in speeches()]
    watches = [WatchId(WatchKind.CONFERENCE, f"00000000-0000-0000-0000-{n:012}") for n in range(1, 101)]
    platform = Platform(
        *(Programme(watch, tapes[n % len(tapes)], Codec.ULAW) for n, watch in enumerate(watches))
    )

    async with simulate(platform) as server, asyncio.TaskGroup() as tasks:
        listening = [tasks.create_task(hear(server, watch=watch, most=10)) for watch in watches]

    for watch, task in zip(watches, listening, strict=True):
        airing = platform.airing(watch)
        assert airing is not None
        assert b"".join(map(bytes, task.result().messages)) == airing.payload(0, 1600)  # type: ignore[arg-type]


@pytest.mark.parametrize("frame", [0, -1, (), (160, 0), 32_768])
def test_a_frame_that_cannot_be_is_refused(ramp: Tape, frame: int | tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a frame has 1 to 32767 samples"):
        Programme(BOARD, ramp, frame=frame)


def test_asterisks_own_rtp_never_held_pcm(ramp: Tape) -> None:
    with pytest.raises(ValueError, match=r"G\.711"):
        Programme(BOARD, ramp, Codec.PCM16LE, generation=Generation.PASSED_THROUGH)

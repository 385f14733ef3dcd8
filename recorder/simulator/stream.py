"""One listener, from the upgrade to the end: set up, played to, listened to."""

import asyncio
import time
from contextlib import suppress

from anyio import create_task_group
from websockets.exceptions import ConnectionClosed

from recorder.simulator import script, wire
from recorder.simulator.faults import perform
from recorder.simulator.line import Line
from recorder.simulator.player import Player
from recorder.simulator.programme import End
from recorder.simulator.record import ConnectionRecord, Ended
from recorder.simulator.resources import Bridge, Call
from recorder.simulator.wire import Generation, Numbering

_TICK = 0.02
"""Seconds between two looks whether somebody is there."""


async def attend(line: Line) -> None:
    """Serve one upgraded connection until either side ends it; its record is complete then."""
    airing, encapsulation = line.admission.airing, line.admission.encapsulation
    record = ConnectionRecord(airing.programme.tape, airing.programme.codec, encapsulation)
    record.began_at = time.monotonic()
    number = len(airing.record.connections)
    airing.record.connections.append(record)
    line.record = record
    async with create_task_group() as tasks:
        tasks.start_soon(_serve, line, record, number)
        await _listen(line, record)
        tasks.cancel_scope.cancel()
    line.blame(Ended.CLIENT)
    record.ended_at = time.monotonic()
    record.pings = line.pings
    record.close_code = line.close_code


async def _listen(line: Line, record: ConnectionRecord) -> None:
    """Count what the client sends. Its close frame is answered with the same code by the library."""
    generation = line.admission.airing.programme.generation
    with suppress(ConnectionClosed):
        async for message in line:
            record.received_messages += 1
            record.received_bytes += len(message)
            if isinstance(message, str) and generation is Generation.PASSED_THROUGH:
                line.hang_up(Ended.TEXT)


async def _serve(line: Line, record: ConnectionRecord, number: int) -> None:
    """Set up, play, and hang up where the platform would."""
    match line.welcome:
        case script.NotLive(after=seconds):
            await _set_up(line, seconds)
            line.hang_up(Ended.SCRIPT)
        case script.AcceptThenClose():
            line.hang_up(Ended.SCRIPT)
        case script.NeverAudio():
            return
        case None:
            await _set_up(line, line.admission.airing.programme.setup)
            bridge = await _find_bridge(line)
            if bridge is not None:
                await _begin(line, record, number, bridge)


async def _set_up(line: Line, seconds: float) -> None:
    """Until Asterisk has dialled back the platform reads nothing: pings wait, too."""
    if seconds:
        line.transport.pause_reading()
        await asyncio.sleep(seconds)
        line.transport.resume_reading()


async def _find_bridge(line: Line) -> Bridge | None:
    """What the stream is put into; where there is nothing it is hung up, as the platform does."""
    resource, patience = line.admission.resource, line.admission.airing.programme.patience
    if isinstance(resource, Call) and resource.bridge.hung_up:
        line.hang_up(Ended.HUNG_UP)
        return None
    deadline = time.monotonic() + patience
    # Somebody who joins tells no stream of it: the platform looks, too.
    while resource.bridge is None and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_TICK)
    if resource.bridge is None:
        line.hang_up(Ended.NOBODY)
    return resource.bridge


async def _begin(line: Line, record: ConnectionRecord, number: int, bridge: Bridge) -> None:
    airing = line.admission.airing
    programme = airing.programme
    numbering = programme.numbering or Numbering.drawn_from(f"{programme.watch} {number}")
    path = wire.open_wire(record.encapsulation, programme.codec, programme.generation, numbering)
    if path is not None:
        await _play(Player(line, airing, record, path), bridge)
    elif programme.generation is Generation.PASSED_THROUGH:
        line.hang_up(Ended.ENCAPSULATION)


async def _play(player: Player, bridge: Bridge) -> None:
    airing = player.airing
    position = airing.join(time.monotonic())
    while position < airing.programme.length:
        await player.wait_for(position)
        if not player.line.open:
            return
        if bridge.hung_up:
            player.line.hang_up(Ended.HUNG_UP)
            return
        if not bridge.audible:
            await asyncio.sleep(_TICK)
            position = max(position, airing.join(time.monotonic()))
            continue
        step = airing.script.reach(position)
        if step is None:
            position = player.send(position)
        else:
            after = await perform(player, step, position)
            if after is None:
                return
            position = after
        await player.drain()
    if airing.programme.end is End.CLOSE:
        player.line.hang_up(Ended.AUDIO)

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
from recorder.simulator.wire import Generation, Numbering


async def attend(line: Line) -> None:
    """Serve one upgraded connection until either side ends it; its record is complete then."""
    airing, encapsulation = line.admission.airing, line.admission.encapsulation
    record = ConnectionRecord(airing.programme.tape, airing.programme.codec, encapsulation)
    number = len(airing.record.connections)
    airing.record.connections.append(record)
    line.record = record
    async with create_task_group() as tasks:
        tasks.start_soon(_serve, line, record, number)
        await _listen(line, record)
        tasks.cancel_scope.cancel()
    line.blame(Ended.CLIENT)
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
            await _begin(line, record, number)


async def _set_up(line: Line, seconds: float) -> None:
    """Until Asterisk has dialled back the platform reads nothing: pings wait, too."""
    if seconds:
        line.transport.pause_reading()
        await asyncio.sleep(seconds)
        line.transport.resume_reading()


async def _begin(line: Line, record: ConnectionRecord, number: int) -> None:
    airing = line.admission.airing
    programme = airing.programme
    numbering = programme.numbering or Numbering.drawn_from(f"{programme.watch} {number}")
    path = wire.open_wire(record.encapsulation, programme.codec, programme.generation, numbering)
    if path is not None:
        await _play(Player(line, airing, record, path))
    elif programme.generation is Generation.PASSED_THROUGH:
        line.hang_up(Ended.ENCAPSULATION)


async def _play(player: Player) -> None:
    airing = player.airing
    position = airing.join(time.monotonic())
    while position < airing.programme.length:
        await player.wait_for(position)
        if not player.line.open:
            return
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

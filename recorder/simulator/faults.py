"""How each step of the audio happens. The words for them are in `script`."""

import asyncio

from recorder.core.media import SAMPLE_RATE
from recorder.simulator import script, wire
from recorder.simulator.player import Player
from recorder.simulator.record import Ended


async def perform(player: Player, step: script.AudioStep, position: int) -> int | None:
    """Let a step happen before the sample at `position`; returns where to go on, None if it is over."""
    match step:
        case script.Drop() | script.ResetConnection() | script.CloseFrame():
            await _break(player, step, position)
            return None
        case script.Stall():
            return await _stall(player, step, position)
        case script.Junk(message=message):
            _interject(player, message)
            return position
        case _:
            return await _send_oddly(player, step, position)


async def _break(
    player: Player, step: script.Drop | script.ResetConnection | script.CloseFrame, position: int
) -> None:
    match step:
        case script.Drop(torn=torn):
            _tear(player, position, torn)
            player.line.hang_up(Ended.SCRIPT)
        case script.ResetConnection(torn=torn):
            _tear(player, position, torn)
            await player.line.reset(Ended.SCRIPT)
        case script.CloseFrame(code=code):
            player.line.blame(Ended.SCRIPT)
            await player.line.close(code)


def _tear(player: Player, position: int, torn: int) -> None:
    """Send so many bytes of the next frame, and none of the others."""
    if torn:
        packet, _ = player.packet(position)
        player.write(player.unrecorded_frame(packet)[:torn])


async def _stall(player: Player, step: script.Stall, position: int) -> int:
    end = position + round(step.seconds * SAMPLE_RATE)
    if step.deaf:
        player.line.transport.pause_reading()
    await player.wait_for(end)
    if step.deaf:
        player.line.transport.resume_reading()
    return position if step.burst else player.lose(position, end, "stalled")


def _interject(player: Player, message: bytes | str) -> None:
    player.record.junk += 1
    if isinstance(message, str):
        player.write(wire.frame(message.encode(), wire.TEXT))
    else:
        player.write(wire.frame(message))


async def _send_oddly(
    player: Player,
    step: script.Lose | script.Reorder | script.Duplicate | script.Fragment | script.Split,
    position: int,
) -> int:
    """The steps that make something else of the messages that are due next."""
    match step:
        case script.Lose(messages=messages):
            end = position
            for _ in range(messages):
                _, end = player.packet(end)
            end = player.lose(position, end, "lost")
        case script.Reorder(by=by):
            end = await _reorder(player, position, by)
        case script.Duplicate(times=times):
            packet, end = player.packet(position)
            for _ in range(1 + times):
                player.write(player.frame(packet, position, end))
        case script.Fragment(pieces=pieces):
            end = _fragment(player, position, pieces)
        case script.Split():
            end = await _split(player, step, position)
    return end


async def _reorder(player: Player, position: int, by: int) -> int:
    packet, after = player.packet(position)
    end = after
    for _ in range(by):
        await player.wait_for(end)
        if end < player.airing.programme.length and player.line.open:
            end = player.send(end)
    if player.line.open:
        player.write(player.frame(packet, position, after))
    return end


def _fragment(player: Player, position: int, pieces: int) -> int:
    packet, end = player.packet(position)
    message = player.message(packet, position, end)
    size = -(-len(message) // pieces)
    for start in range(0, len(message), size):
        opcode = wire.CONTINUATION if start else wire.BINARY
        last = start + size >= len(message)
        player.write(wire.frame(message[start : start + size], opcode, final=last))
    return end


async def _split(player: Player, step: script.Split, position: int) -> int:
    packet, end = player.packet(position)
    data = player.frame(packet, position, end)
    player.write(data[: step.first])
    await asyncio.sleep(step.seconds)
    if player.line.open:
        player.write(data[step.first :])
    return end

"""The process dies, at any instant and in the middle of anything, or is told to stop."""

import signal
from collections.abc import Iterable
from dataclasses import dataclass, replace

import anyio

from recorder.core.media import SAMPLE_RATE
from tests.campaign.ground import STOP, Ground, Stage, stage
from tests.campaign.rows import Allowance, Findings, Row, row, together
from tests.daemon.process import Daemon, running
from tests.starving import Starving

KILL_BOUND = 1.0
"""Seconds of audio that had come and that a death may take, of each stream."""


async def kill(daemon: Daemon, starving: Starving) -> None:
    """End it with SIGKILL."""
    starving.look_at(daemon.process.pid)
    daemon.process.kill()
    await daemon.process.wait()


@dataclass(frozen=True)
class Life:
    """Seconds until SIGKILL: from the start of the process, or once all of its streams bring audio."""

    seconds: float
    audible: bool


async def _live(stage: Stage, lives: Iterable[Life]) -> None:
    """Start the daemon again and again, and once more at the end, to be stopped in good order."""
    for life in lives:
        async with running(stage.site) as daemon:
            if life.audible:
                await daemon.said_of("audio began", len(stage.watches), within=120)
            await anyio.sleep(life.seconds)
            await kill(daemon, stage.starving)
    await stage.last_life()


async def killed_at_random(ground: Ground) -> list[Row]:
    """Any instant: while it starts, connects, listens to what the codec is, records, seals and uploads."""
    at_once, times = 3, ground.times(12, 201)
    found: list[Findings] = []
    starved: list[Starving] = []

    async def one(number: int) -> None:
        chance = ground.chance(f"kill {number}")
        async with stage(ground, f"kill-{number}", streams=4) as on:
            # A quarter of them before anything is heard: a start takes about a second.
            await _live(
                on,
                [
                    Life(chance.uniform(0, 1.5), audible=False)
                    if each % 4 == 3
                    else Life(chance.uniform(0, 6), audible=True)
                    for each in range(times // at_once)
                ],
            )
            found.append(await on.findings())
            starved.append(on.starving)

    async with anyio.create_task_group() as tasks:
        for number in range(at_once):
            tasks.start_soon(one, number)
    starving = Starving.most(starved)
    allowed = Allowance.of_deaths(times // at_once, KILL_BOUND).easier(starving.samples)
    return [row("kill -9 at a random instant, and restart", times, together(found), allowed)]


async def killed_in_recovery(ground: Ground) -> list[Row]:
    """Once there is something to recover, it is killed while it does that, twice in a row."""
    chance, times = ground.chance("recovery"), ground.times(4, 30)
    lives: list[Life] = []
    for _ in range(times // 2):
        lives.append(Life(chance.uniform(1.5, 4), audible=True))
        lives += [Life(chance.uniform(0.3, 1.2), audible=False) for _ in range(2)]
    async with stage(ground, "recovery") as on:
        await _live(on, lives)
        found = await on.findings()
    allowed = Allowance.of_deaths(len(lives), KILL_BOUND).easier(on.starving.samples)
    return [row("kill -9 during recovery", times, found, allowed)]


async def killed_while_sealing(ground: Ground) -> list[Row]:
    """Just after a segment has ended: it is closed, hashed, named, put, read back or discarded."""
    chance, times = ground.chance("sealing"), ground.times(3, 20)
    async with stage(ground, "sealing", streams=8) as on:
        for _ in range(times):
            async with running(on.site) as daemon:
                sealed = chance.randrange(1, 2 * len(on.watches))
                await daemon.said_of("segment sealed", sealed, within=120)
                await anyio.sleep(chance.uniform(0, 0.1))
                await kill(daemon, on.starving)
        await on.last_life()
        found = await on.findings()
    allowed = Allowance.of_deaths(times, KILL_BOUND).easier(on.starving.samples)
    return [row("kill -9 while segments are sealed and uploaded", times, found, allowed)]


async def told_to_stop(ground: Ground) -> list[Row]:
    """SIGTERM and start again: nothing that had come is lost, and what passes until it is back is said."""
    chance, times = ground.chance("stop"), ground.times(3, 15)
    failed: list[str] = []
    async with stage(ground, "stop") as on:
        for _ in range(times):
            async with running(on.site) as daemon:
                await on.heard(daemon)
                await anyio.sleep(chance.uniform(0, 4))
                if status := await daemon.stop(within=STOP):
                    failed.append(f"exit status {status}")
        await on.last_life()
        found = await on.findings()
    allowed = replace(Allowance.of_deaths(times, 0), dropped=0).easier(on.starving.samples)
    return [row("SIGTERM, and restart", times, found + Findings(complaints=tuple(failed)), allowed)]


async def frozen(daemon: Daemon, seconds: float) -> None:
    """Hold the process for some seconds; it is not told."""
    daemon.process.send_signal(signal.SIGSTOP)
    await anyio.sleep(seconds)
    daemon.process.send_signal(signal.SIGCONT)


def milliseconds(samples: int) -> float:
    """Of so many samples."""
    return samples * 1000 / SAMPLE_RATE

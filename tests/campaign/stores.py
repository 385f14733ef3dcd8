"""The store is away, hangs, dawdles, fails or refuses. Recording never notices; all of it arrives after."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import anyio.to_thread

from tests.campaign.ground import STOP, Ground, Stage, stage, until
from tests.campaign.outages import Door, Mood, door
from tests.campaign.rows import Allowance, Row, row
from tests.daemon.process import Daemon, running


async def refused(ground: Ground) -> list[Row]:
    """Its process is killed, with requests under way, and started again under the same address."""
    times = ground.times(2, 10)
    chance = ground.chance("refused")
    async with (
        ground.own_store("refused") as store,
        stage(ground, "refused", streams=4, store=store) as on,
    ):
        async with running(on.site) as daemon:
            await on.heard(daemon)
            for _ in range(times):
                await daemon.said_of("segment sealed", len(daemon.said("segment sealed")) + 1)
                await anyio.sleep(chance.uniform(0, 0.2))
                await anyio.to_thread.run_sync(store.kill)
                await anyio.sleep(chance.uniform(3, 7))
                await anyio.to_thread.run_sync(store.start)
                await anyio.sleep(1)
            await daemon.stop(within=STOP)
        found = await on.findings()
    return [row("store killed and started again", times, found, Allowance().easier(on.starving.samples))]


async def away(ground: Ground) -> list[Row]:
    """A long outage with twenty streams, in real time."""
    minutes = ground.times(1, 10)
    recording = {"segment": "5s" if ground.quick else "30s"}
    async with (
        ground.own_store("away") as store,
        stage(ground, "away", streams=20, store=store, recording=recording) as on,
    ):
        async with running(on.site) as daemon:
            await on.heard(daemon)
            await anyio.sleep(2)
            await anyio.to_thread.run_sync(store.kill)
            await anyio.sleep(60 * minutes)
            waiting = len(list(on.spool.glob("*.wav")))
            await anyio.to_thread.run_sync(store.start)
            if not ground.quick:  # which takes up to a minute to be found out; a stop asks again at once
                await until(lambda: len(list(on.spool.glob("*.wav"))) < len(on.watches), within=300)
            await daemon.stop(within=STOP)
        found = await on.findings()
    allowed, note = Allowance().easier(on.starving.samples), f"{waiting} segments waited"
    return [row(f"store away for {minutes} min, 20 streams", 1, found, allowed, note)]


async def _behind_a_door(
    ground: Ground,
    name: str,
    fault: str,
    injure: Callable[[Door, Stage, Daemon], Awaitable[None]],
    *,
    streams: int = 4,
) -> list[Row]:
    async with (
        door(ground.store.endpoint_url) as standing,
        stage(ground, name, streams=streams, endpoint_url=standing.url) as on,
    ):
        async with running(on.site) as daemon:
            await on.heard(daemon)
            await injure(standing, on, daemon)
            await daemon.stop(within=STOP)
        found = await on.findings()
    times = sum(count for mood, count in standing.met.items() if mood is not Mood.FAIR) + standing.refused
    allowed = Allowance().easier(on.starving.samples)
    return [row(fault, times, found, allowed, f"{times} requests met it")]


def _for_a_while(
    mood: Mood, seconds: float, *, until_it_is_found_out: bool
) -> Callable[[Door, Stage, Daemon], Awaitable[None]]:
    async def injure(standing: Door, _on: Stage, daemon: Daemon) -> None:
        standing.mood = mood
        await anyio.sleep(seconds)
        standing.mood = Mood.FAIR
        standing.let_go()
        if until_it_is_found_out:  # which takes up to a minute; a stop asks again at once
            await daemon.said_of("segment uploaded", len(daemon.said("segment uploaded")) + 1, within=120)

    return injure


async def hanging(ground: Ground) -> list[Row]:
    """It takes requests and answers none. At last the machine in the middle is started again."""
    injure = _for_a_while(Mood.HANGING, ground.times(12, 150), until_it_is_found_out=not ground.quick)
    return await _behind_a_door(ground, "hanging", "store hangs", injure)


async def slow(ground: Ground) -> list[Row]:
    """It takes as little a second as the streams bring."""
    injure = _for_a_while(Mood.SLOW, ground.times(15, 60), until_it_is_found_out=not ground.quick)
    return await _behind_a_door(ground, "slow", "store slow: 40 kB/s a request", injure)


async def failing(ground: Ground) -> list[Row]:
    """It answers 503 to everything."""
    injure = _for_a_while(Mood.FAILING, ground.times(12, 60), until_it_is_found_out=not ground.quick)
    return await _behind_a_door(ground, "failing", "store answers 503", injure)


async def cutting(ground: Ground) -> list[Row]:
    """Each request is reset in the middle of its body."""
    injure = _for_a_while(Mood.CUTTING, ground.times(12, 60), until_it_is_found_out=not ground.quick)
    return await _behind_a_door(ground, "cutting", "store cut in mid-body", injure)


async def one_object_refused(ground: Ground) -> list[Row]:
    """One watch's objects are answered with 403 until a person acts; the others' go their way meanwhile."""
    complaints: list[str] = []

    async def injure(standing: Door, on: Stage, daemon: Daemon) -> None:
        standing.barred = on.watches[0].id
        others = 2 * (len(on.watches) - 1)
        await daemon.said_of("segment uploaded", others, within=60)
        await anyio.sleep(ground.times(5, 60))
        uploaded = [line["key"] for line in daemon.said("segment uploaded")]
        complaints.extend(f"{key} was uploaded past the door" for key in uploaded if standing.barred in key)
        standing.barred = None

    rows = await _behind_a_door(ground, "barred", "objects of one watch always refused", injure)
    return [row_if(each, complaints) for each in rows]


def row_if(each: Row, complaints: list[str]) -> Row:
    """The same with more to be said against it."""
    return replace(each, complaints=(*each.complaints, *complaints))

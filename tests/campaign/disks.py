"""The disk is full, or loses its power. On an ext4 of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from tests.campaign.deaths import KILL_BOUND, kill
from tests.campaign.ground import STOP, Ground, stage
from tests.campaign.loop import LoopDisk, NoDisk, little_room, loop_disk
from tests.campaign.rows import Allowance, Findings, Row, not_run, row, together
from tests.daemon.process import running

SYNC_INTERVAL = 2
"""Seconds. Five by default; a shorter one shows the same sooner."""


@asynccontextmanager
async def disk_at(folder: Path, mebibytes: int) -> AsyncIterator[LoopDisk]:
    """A `loop_disk`, without holding up the event loop.

    Raises:
        NoDisk: there is none to be had here.
    """
    context = loop_disk(folder, mebibytes)
    disk = await anyio.to_thread.run_sync(context.__enter__)
    try:
        yield disk
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(context.__exit__, None, None, None)


async def power_cut(ground: Ground) -> list[Row]:
    """What is not on the disk is gone, the process is gone, and all is started again."""
    fault, times = "power cut", ground.times(2, 12)
    chance = ground.chance("power")
    try:
        async with (
            disk_at(ground.folder / "power-disk", 64) as disk,
            stage(
                ground,
                "power",
                spool=disk.folder / "spool",
                recording={"sync_interval": f"{SYNC_INTERVAL}s", **little_room()},
            ) as on,
        ):
            for _ in range(times):
                async with running(on.site) as daemon:
                    await on.heard(daemon)
                    await anyio.sleep(chance.uniform(2, 8))
                    await anyio.to_thread.run_sync(disk.cut)
                    await kill(daemon, on.starving)
                await anyio.to_thread.run_sync(disk.unmount)
                await anyio.to_thread.run_sync(disk.mount)
            await on.last_life()
            found = await on.findings()
    except NoDisk as error:
        return [not_run(fault, str(error))]
    allowed = Allowance.of_deaths(times, SYNC_INTERVAL + KILL_BOUND).easier(on.starving.samples)
    return [row(fault, times, found, allowed, f"sync_interval is {SYNC_INTERVAL} s")]


async def full(ground: Ground) -> list[Row]:
    """There is no room any more, and then there is again: what was not recorded is said to be `disk`."""
    fault, times = "disk full, and room again", ground.times(1, 5)
    if not little_room():
        return [not_run(fault, "the recorder does not watch the room on its disk yet")]
    found: list[Findings] = []
    try:
        async with (
            disk_at(ground.folder / "full-disk", 24) as disk,
            stage(ground, "full", spool=disk.folder / "spool", recording=little_room()) as on,
        ):
            async with running(on.site) as daemon:
                await on.heard(daemon)
                for _ in range(times):
                    await anyio.sleep(3)
                    filler = await anyio.to_thread.run_sync(disk.fill)
                    await anyio.sleep(8)
                    await anyio.to_thread.run_sync(filler.unlink)
                    await anyio.sleep(8)
                await daemon.stop(within=STOP)
            found.append(await on.findings())
    except NoDisk as error:
        return [not_run(fault, str(error))]
    all_found = together(found)
    lost = max((one.lost for one in all_found.judgements), default=0)
    allowed = Allowance(dropped=lost)  # as long as the ledger says so, which `astray` is about
    return [row(fault, times, all_found, allowed.easier(on.starving.samples))]

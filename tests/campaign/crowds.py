"""Five hundred streams, and the process or its disk stands still for 3 s: not one sample is lost."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from recorder.core.media import Encapsulation
from storage.backends import open_store
from storage.names import WatchId, WatchKind
from tests.bench.daemon import conference
from tests.bench.load import Load, running_load
from tests.bench.samples import Comparison
from tests.campaign.bucket import left, listed, reported_in
from tests.campaign.deaths import frozen
from tests.campaign.disks import disk_at
from tests.campaign.ground import DRAIN, RECORDER, STOP, Ground
from tests.campaign.judge import Judgement
from tests.campaign.loop import LoopDisk, NoDisk, little_room
from tests.campaign.rows import Allowance, Findings, Row, not_run, row
from tests.daemon.process import Daemon, Site, running
from tests.starving import Starving

STREAMS = 500
STILL = 3.0
"""Seconds."""
SEGMENT = "5m"


async def frozen_process(ground: Ground) -> list[Row]:
    """SIGSTOP, and SIGCONT three seconds later."""

    async def freeze(daemon: Daemon) -> None:
        await frozen(daemon, STILL)

    fault = f"process frozen for {STILL:.0f} s, {STREAMS} streams"
    return [await _crowd(ground, "frozen", fault, freeze, None)]


async def stalled_disk(ground: Ground) -> list[Row]:
    """The disk takes nothing for three seconds."""
    fault = f"disk stalls for {STILL:.0f} s, {STREAMS} streams"
    try:
        async with disk_at(ground.folder / "stalled-disk", 512) as disk:

            async def stall(_: Daemon) -> None:
                await anyio.to_thread.run_sync(_still, disk)

            return [await _crowd(ground, "stalled", fault, stall, disk.folder / "spool")]
    except NoDisk as error:
        return [not_run(fault, str(error))]


def _still(disk: LoopDisk) -> None:
    disk.freeze()
    try:
        time.sleep(STILL)
    finally:
        disk.thaw()


async def _crowd(
    ground: Ground,
    name: str,
    fault: str,
    injure: Callable[[Daemon], Awaitable[None]],
    spool: Path | None,
) -> Row:
    """Bring up many streams of the load generator, injure, and compare all of it with the bucket."""
    times = ground.times(1, 5)
    folder = ground.folder / name
    await anyio.Path(folder).mkdir()
    with running_load(Encapsulation.RTP, None) as load:
        site = Site(
            folder,
            load.url,
            f"s3://{ground.store.bucket}/{name}",
            environment=ground.store.environment,
            voipbin={"connect_rate": 100},
            recording={
                "recorder": RECORDER,
                "segment": SEGMENT,
                "drain_timeout": DRAIN,
                **({"spool": str(spool), **little_room()} if spool else {}),
            },
            storage={"endpoint_url": ground.store.endpoint_url},
        )
        watches = [WatchId(WatchKind.CONFERENCE, conference(number)) for number in range(1, STREAMS + 1)]
        site.write((watch, Encapsulation.RTP) for watch in watches)
        async with running(site) as daemon:
            await daemon.said_of("codec detected", STREAMS, within=180)
            for _ in range(times):
                await anyio.sleep(3)
                await injure(daemon)
            await anyio.sleep(4)
            starving = Starving(platform=(await anyio.to_thread.run_sync(load.report)).late)
            status = await daemon.stop(within=STOP)
        found = await anyio.to_thread.run_sync(_compare, site, load, ground.store.endpoint_url, spool)
    complaints = () if status == 0 else (f"exit status {status}",)
    note = f"{len(daemon.said('stream lost'))} streams were cut"
    one = Allowance().easier(starving.samples)
    allowed = replace(one, astray=STREAMS * one.astray, disagreement=STREAMS * one.disagreement)
    weighed = row(fault, times, found + Findings(complaints=complaints), allowed, note)
    return replace(weighed, streams=STREAMS)


def _compare(site: Site, load: Load, endpoint_url: str, spool: Path | None) -> Findings:
    spans = load.spans()
    store = open_store(site.store_url, endpoint_url=endpoint_url)
    try:
        comparison = Comparison(store)
        comparison.take(spans)
        lost, reported = comparison.lost(), reported_in(store)
    finally:
        store.close()
    sent = sum(last - first for each in spans.values() for first, last in each) * 160
    # All streams as one: not one sample of any may be lost, or called lost.
    whole = Judgement(
        sent=sent, lost=lost, reported=reported, dropped=(lost,), carried=(sent,), wrong=0, astray=reported
    )
    return Findings((whole,)) + listed(site) + left(spool or site.spool)

"""What faults stand on: a store, a seed, and stages: each a platform and the operator's files of a daemon."""

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import anyio
import anyio.to_thread

from recorder.core.media import Encapsulation
from recorder.simulator import Platform, Programme, RateLimit, simulate
from recorder.simulator.record import ConnectionRecord
from recorder.simulator.script import Step
from recorder.simulator.seaweedfs import SeaweedFS
from storage.names import WatchId, WatchKind
from tests.campaign.bucket import look
from tests.campaign.rows import Findings
from tests.campaign.tape import MarkedTape
from tests.daemon.process import Daemon, Site, running
from tests.starving import Starving

RECORDER = "campaign"
DRAIN = "5m"
"""For a stop to upload all: what is left in the spool then is a finding."""
STOP = 330
"""Seconds for that. A busy machine may take longer than the deadline of the drain."""
GRID = "5s"
"""The shortest segments there are: sealing and uploading are then always under way somewhere."""


async def until(true: Callable[[], bool], *, within: float) -> None:
    """Wait for something that tells nobody when it comes true.

    Raises:
        TimeoutError: it does not in that many seconds.
    """
    with anyio.fail_after(within):
        while not true():  # noqa: ASYNC110 - as said
            await anyio.sleep(0.2)


@dataclass(frozen=True)
class Ground:
    """What all faults of a campaign share.

    Attributes:
        folder: for whatever they write.
        store: a real one. A fault that does something to its store starts its own, with the same credentials.
        seed: of all that is random.
        quick: whether minutes matter more than how often a fault is injected.
    """

    folder: Path
    store: SeaweedFS
    tape: MarkedTape
    seed: int
    quick: bool

    def times(self, quick: int, full: int) -> int:
        """How often, for a quick campaign and a full one."""
        return quick if self.quick else full

    def chance(self, name: str) -> random.Random:
        """Random instants that are always the same for a seed."""
        return random.Random(f"{self.seed} {name}")

    @asynccontextmanager
    async def own_store(self, name: str) -> AsyncIterator[SeaweedFS]:
        """A store of one's own, to be killed and started again."""
        shared = self.store
        store = SeaweedFS(
            self.folder / f"{name}-store", access_key=shared.access_key, secret_key=shared.secret_key
        )
        await anyio.to_thread.run_sync(store.start)
        try:
            yield store
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(store.kill)


class Handshakes(RateLimit):
    """A limit that refuses nobody, and remembers when each came."""

    def __init__(self) -> None:
        super().__init__()
        self.instants: list[float] = []

    def take(self, now: float) -> int | None:
        """One more is allowed."""
        self.instants.append(now)
        return None


@dataclass
class Stage:
    """One daemon's world.

    Attributes:
        spool: where it is, for it may be on a disk of its own.
        endpoint_url: of the store itself, when the daemon goes another way.
        handshakes: those that named one of its conferences.
        starving: how much a busy machine had to do with it.
    """

    ground: Ground
    site: Site
    spool: Path
    endpoint_url: str
    platform: Platform
    handshakes: Handshakes
    watches: Sequence[WatchId]
    starving: Starving
    _serving: AsyncExitStack = field(default_factory=AsyncExitStack)

    def connections(self) -> list[ConnectionRecord]:
        """Of all watches."""
        return [each for watch in self.watches for each in self.platform.record(watch).connections]

    async def away(self, seconds: float) -> None:
        """Drop all streams, be away, and come back on the same port. The conferences go on meanwhile."""
        await self._serving.aclose()
        await anyio.sleep(seconds)
        await self.serve(urlsplit(self.site.platform_url).port or 0)

    async def serve(self, port: int = 0) -> str:
        """Let the platform listen; return its URL."""
        server = await self._serving.enter_async_context(simulate(self.platform, port=port))
        return server.url

    async def stop_serving(self) -> None:
        """End all streams, for good."""
        await self._serving.aclose()

    async def heard(self, daemon: Daemon, *, within: float = 120) -> None:
        """Wait until all streams bring audio, of which the codec is known."""
        await daemon.said_of("codec detected", len(self.watches), within=within)

    async def findings(self, *, by_time: bool = True) -> Findings:
        """Judge it, once its daemon has stopped and its spool must be empty; see `bucket.look`."""
        records = {watch: self.platform.record(watch) for watch in self.watches}
        judging = partial(look, thorough=not self.ground.quick, by_time=by_time)
        return await anyio.to_thread.run_sync(
            judging, self.site, self.endpoint_url, self.spool, records, self.ground.tape
        )

    async def played(self, *, within: float) -> None:
        """Wait until all that the scripts have has happened."""
        await until(lambda: not any(map(self.platform.pending, self.watches)), within=within)

    async def last_life(self, seconds: float = 2.0) -> None:
        """Live once more without a fault, so that what went before is in the bucket and has an end."""
        async with running(self.site) as daemon:
            await self.heard(daemon)
            await anyio.sleep(seconds)
            status = await daemon.stop(within=STOP)
            if status:
                raise AssertionError(f"exit status {status}: {daemon.log}")


@asynccontextmanager
async def stage(
    ground: Ground,
    name: str,
    *,
    streams: int = 3,
    script: Callable[[int], Sequence[Step]] = lambda _: (),
    pace: float = 1.0,
    encapsulation: Encapsulation = Encapsulation.RTP,
    store: SeaweedFS | None = None,
    endpoint_url: str | None = None,
    spool: Path | None = None,
    recording: Mapping[str, object] | None = None,
    voipbin: Mapping[str, object] | None = None,
) -> AsyncIterator[Stage]:
    """A platform with so many conferences, and a daemon's two files; the daemon is to be started in it.

    Args:
        name: of its folder and of its part of the bucket.
        script: what goes wrong on each conference, by its number.
        store: whose bucket it fills; that of the campaign by default.
        endpoint_url: what the daemon takes for that store.
        spool: where it is; by default in the folder.
    """
    folder = ground.folder / name
    await anyio.Path(folder).mkdir()
    store = store or ground.store
    watches = [
        WatchId(WatchKind.CONFERENCE, str(uuid5(NAMESPACE_URL, f"{name} {number}")))
        for number in range(streams)
    ]
    handshakes = Handshakes()
    programmes = (
        Programme(watch, ground.tape, pace=pace, script=script(number))
        for number, watch in enumerate(watches)
    )
    site = Site(
        folder,
        "",
        f"s3://{store.bucket}/{name}",
        environment=store.environment,
        voipbin=voipbin or {},
        recording={
            "recorder": RECORDER,
            "segment": GRID,
            "drain_timeout": DRAIN,
            **({"spool": str(spool)} if spool else {}),
            **(recording or {}),
        },
        storage={"endpoint_url": endpoint_url or store.endpoint_url},
    )
    on = Stage(
        ground,
        site,
        spool or site.spool,
        store.endpoint_url,
        Platform(*programmes, limit=handshakes),
        handshakes,
        watches,
        Starving(),
    )
    site.platform_url = await on.serve()
    site.write((watch, encapsulation) for watch in watches)
    async with on.starving.watched():
        try:
            yield on
        finally:
            await on.stop_serving()

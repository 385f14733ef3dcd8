"""The watchdog is fed while the daemon gets on, and not while any part of it is stuck. On virtual time."""

import asyncio
import errno
import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import pytest

from recorder.clock import Clock
from recorder.conference import Conference
from recorder.config import WhenFull, load_settings
from recorder.connection import Batch, ConnectionRefused, Connector, Setback
from recorder.core.recording import Recording, RecordingSettings
from recorder.core.segmenter import Identity
from recorder.journal import Journal
from recorder.lifecycle import Lifecycle
from recorder.notify import Notifier
from recorder.offload import Arguments, Disk, Offload, Result
from recorder.overview import Overview
from recorder.rate import Rate
from recorder.reporting import Reporting
from recorder.reserve import Reserve, ReserveWatch
from recorder.segment import OpenSegment
from recorder.spool import Spool
from recorder.supervisor import Supervisor
from recorder.survey import Surveyor
from recorder.uploader import Uploader
from recorder.watchlist import Watch, WatchList
from recorder.writer import SegmentWriter
from storage.errors import StoreUnavailable
from storage.manifest import SegmentFacts, WatchFacts
from tests.fakes import MemoryStore, Network
from tests.recorder.configurations import TOKEN, write_configuration
from tests.recorder.scripted import Counter, Script, ScriptedConnection, ScriptedPlatform, talk
from tests.recorder.test_conference import WATCH, cut_at_once, nothing, refuse
from tests.recorder.test_notify import Manager
from tests.virtual import Inline, virtual_clock

pytestmark = pytest.mark.anyio

INTERVAL = 30
"""Seconds within which systemd wants to hear."""


class Site:
    """The parts of a daemon with ports of a test's choice, for one watch.

    Attributes:
        fed: seconds after the start at which the watchdog was fed.
        statuses: what was told to people.
    """

    def __init__(self, folder: Path, spool: Spool, connector: Connector) -> None:
        self.folder = folder
        self.spool = spool
        self.connector = connector
        self.store = MemoryStore()
        self.disk: Disk = Inline()
        self.network: Offload = Network(lambda _: 0.1)
        self.listing: Offload = Inline()
        self.reserve = Reserve()
        self.fed: list[float] = []
        self.statuses: list[str] = []

    async def run(self, seconds: float) -> None:
        clock, manager = virtual_clock(), Manager(str(self.folder / "manager"))
        notifier = Notifier(manager.environ(WATCHDOG_USEC=str(INTERVAL * 10**6)))
        lifecycle = Lifecycle(notifier)
        settings = load_settings(write_configuration(self.folder), {"VOIPBIN_TOKEN": TOKEN})
        uploader = Uploader(
            self.spool,
            self.store,
            clock=clock,
            disk=self.listing,
            network=self.network,
            chance=random.Random(1).random,
        )
        room = ReserveWatch(
            lambda: 1 << 40, self.reserve, WhenFull.STOP, uploader, clock=clock, disk=Inline()
        )
        overview = Overview(settings, lifecycle, clock, uploader, self.reserve, room)
        reporting = Reporting(
            overview,
            Surveyor(self.spool.folder),
            lifecycle,
            notifier,
            socket=self.folder / "s",
            http=None,
            clock=clock,
            disk=Inline(),
            aside=Inline(),
        )

        async def record(watch: Watch, journal: Journal) -> None:
            await self._conference(clock, watch, journal, uploader).run()

        await lifecycle.ready()
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, manager, clock)
                tasks.start_soon(uploader.run)
                tasks.start_soon(reporting.run)
                overview.supervisor = Supervisor(tasks, record, lambda watch: Journal(watch, clock))
                await overview.supervisor.apply(WatchList((WATCH,)))
        notifier.close()
        manager.socket.close()

    def _conference(self, clock: Clock, watch: Watch, journal: Journal, uploader: Uploader) -> Conference:
        facts = WatchFacts(kind=watch.watch_id.kind, id=watch.watch_id.id)
        return Conference(
            watch,
            self.connector,
            Recording(
                Identity(facts, "rec-a", "0", watch.encapsulation),
                RecordingSettings(watch.codec, 60.0, 60.0, 10.0),
                itertools.count(),
                clock.monotonic(),
            ),
            SegmentWriter(self.spool, self.reserve),
            clock=clock,
            rate=Rate(15),
            disk=self.disk,
            sealing=Inline(),
            on_sealed=lambda manifest: uploader.add(self.spool.segment(manifest)),
            chance=random.Random(1).random,
            journal=journal,
        )

    async def _listen(self, manager: Manager, clock: Clock) -> None:
        began = clock.monotonic()
        while True:
            for said in manager.heard():
                if said == "WATCHDOG=1":
                    self.fed.append(clock.monotonic() - began)
                elif said.startswith("STATUS="):
                    self.statuses.append(said.removeprefix("STATUS="))
            await anyio.sleep(1)

    def starved_since(self, end: float) -> float | None:
        """When systemd would have begun to miss something, None if it never did."""
        for last, following in itertools.pairwise([*self.fed, end]):
            if following - last > INTERVAL:
                return last
        return None


def playing() -> Script:
    return lambda: talk(Counter(), 100_000)


class Hung:
    """A `Disk` that does its work until `after` seconds have passed, and then nothing until it is mended."""

    def __init__(self, after: float) -> None:
        self._until = asyncio.get_running_loop().time() + after
        self._inline = Inline()
        self._held: list[Callable[[], None]] = []

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        return await self.begin(call, *arguments)

    def begin(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> asyncio.Future[Result]:
        loop = asyncio.get_running_loop()
        if loop.time() < self._until:
            return self._inline.begin(call, *arguments)
        answer: asyncio.Future[Result] = loop.create_future()
        self._held.append(lambda: answer.set_result(call(*arguments)))
        return answer

    def mend(self) -> None:
        self._until = float("inf")
        for perform in self._held:
            perform()

    def close(self) -> None:
        pass


class HungNetwork:
    """An `Offload` that does not even end when it is cancelled."""

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(450)
        return call(*arguments)


class DeafPlatform(ScriptedPlatform):
    """Its connections take what comes, and after a while give it to nobody."""

    async def connect(self, watch: Watch) -> ScriptedConnection:
        connection = await super().connect(watch)
        deaf_from = asyncio.get_running_loop().time() + 100

        class Deaf(ScriptedConnection):
            async def receive(self, within: float | None = None) -> Batch | None:
                if asyncio.get_running_loop().time() > deaf_from:
                    await anyio.sleep(250)
                return await super().receive(within)

        connection.__class__ = Deaf
        return connection


class SilentGate(ScriptedPlatform):
    """Never answers whether there is a stream."""

    async def connect(self, watch: Watch) -> ScriptedConnection:  # noqa: ARG002
        await anyio.sleep(3000)
        raise AssertionError


async def test_a_stream_that_is_not_read_any_more_is_noticed(tmp_path: Path, spool: Spool) -> None:
    site = Site(tmp_path, spool, DeafPlatform([playing()]))

    await site.run(300)

    assert site.starved_since(300) == pytest.approx(160, abs=10)
    assert "stuck: conference" in site.statuses[-1]


async def test_an_attempt_to_connect_without_an_end_is_noticed(tmp_path: Path, spool: Spool) -> None:
    site = Site(tmp_path, spool, SilentGate([playing()]))

    await site.run(200)

    assert site.starved_since(200) == pytest.approx(60, abs=10)


async def test_a_disk_that_never_answers_is_noticed(tmp_path: Path, spool: Spool) -> None:
    site = Site(tmp_path, spool, ScriptedPlatform([playing()]))
    site.disk = disk = Hung(100)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(site.run, 300)
        await anyio.sleep(305)
        disk.mend()  # what is being written is waited for, even at the end

    assert site.starved_since(300) == pytest.approx(220, abs=10)
    assert "a write to the disk has no end" in site.statuses[-1]


@pytest.mark.parametrize("part", ["an attempt", "the list of the spool"])
async def test_an_uploader_that_is_stuck_is_noticed(tmp_path: Path, spool: Spool, part: str) -> None:
    site = Site(tmp_path, spool, ScriptedPlatform([playing()]))
    if part == "an attempt":
        site.network = HungNetwork()
    else:
        site.listing = Hung(0)

    await site.run(420)

    starved = site.starved_since(420)
    assert starved is not None
    assert starved < 390
    assert "uploads should have got on" in site.statuses[-1]


@pytest.mark.parametrize(
    "steps", [[nothing], [cut_at_once], [refuse(Setback.REFUSED)], [refuse(Setback.TRANSIENT)]]
)
async def test_what_waits_for_others_is_not_stuck(
    tmp_path: Path, spool: Spool, steps: Sequence[ConnectionRefused | Script]
) -> None:
    site = Site(tmp_path, spool, ScriptedPlatform(steps))

    await site.run(1800)

    assert site.starved_since(1800) is None


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_store_that_is_away_is_no_reason_to_be_restarted(
    tmp_path: Path, spool: Spool, *, hangs: bool
) -> None:
    site = Site(tmp_path, spool, ScriptedPlatform([playing()]))
    if hangs:
        site.network = Network(lambda _: float("inf"))
    else:
        site.store.failure = StoreUnavailable("away")

    await site.run(900)

    assert site.starved_since(900) is None
    assert "the store takes nothing" in site.statuses[-1]
    assert int(site.statuses[-1].partition("spool ")[2].split()[0]) >= 13


async def test_a_full_disk_is_no_reason_to_be_restarted(tmp_path: Path) -> None:
    class FullDisk(Spool):
        def open(self, facts: SegmentFacts) -> OpenSegment:  # noqa: ARG002
            raise OSError(errno.ENOSPC, "No space left on device")

    spool = FullDisk(tmp_path / "full")
    site = Site(tmp_path, spool, ScriptedPlatform([playing()]))

    await site.run(400)
    spool.release()

    assert site.starved_since(400) is None
    assert "1 degraded" in site.statuses[-1]


async def test_people_are_told_in_one_line(tmp_path: Path, spool: Spool) -> None:
    site = Site(tmp_path, spool, ScriptedPlatform([playing()]))
    site.store.failure = StoreUnavailable("away")

    await site.run(100)

    assert site.statuses[0] == "0 recording, 0 waiting, 0 blocked, 1 connecting; spool 0 segments"
    assert site.statuses[-1].startswith("1 recording, 0 waiting, 0 blocked; spool 2 segments, oldest ")

"""One simulated world: the daemon as it is composed for real, its lives and deaths, on a clock that jumps.

What it leaves behind is an `Outcome`, for the oracle to judge.
"""

import asyncio
import gc
import hashlib
import itertools
import random
import warnings
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import anyio
import structlog
from anyio.abc import TaskGroup

from recorder.app import Daemon
from recorder.clock import Clock
from recorder.config import RecordingSettings, Settings, StorageSettings, VoipbinSettings
from recorder.credential import Credential, CredentialKind
from recorder.ports import Ports
from recorder.roster import Roster
from recorder.watchlist import Watch, WatchList
from tests.simulation.bucket import Bucket
from tests.simulation.machine import Killed, Life, SimulatedDisk, SimulatedNetwork
from tests.simulation.observatory import Observatory
from tests.simulation.plan import Death, End, Plan
from tests.simulation.platform import Platform, Truth
from tests.simulation.presence import Knowledge, draw_knowledge
from tests.simulation.tape import Tape
from tests.virtual import BEGIN, VirtualLoop

RECORDER: Final = "rec-sim"
AFTERMATH: Final = 7200.0
"""Seconds that the daemon has to bring what is left into a store that is well."""
NEVER_FIRED: Final = 1800.0
"""Seconds after which a process that was to die in an operation on the disk dies anyway."""
_NUMBERS: Final = 10**6
"""How many segments a life may name."""


@dataclass(frozen=True, slots=True)
class Lived:
    """One life of the daemon: from when to when, and the first number of its segments."""

    began: float
    ended: float
    death: Death
    first_number: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a world has come to.

    Attributes:
        said: log lines of the daemon while it lived.
        trace: a digest of all that happened, in its order.
    """

    plan: Plan
    knowledge: Knowledge
    truths: Mapping[Watch, Truth]
    bucket: Bucket
    spool: Path
    lives: tuple[Lived, ...]
    said: tuple[Mapping[str, Any], ...]
    trace: str

    def utc_offset(self, at: float) -> timedelta:
        """What the wall clock had been set forward by at that moment."""
        return wall_offset(self.plan, at)


def wall_offset(plan: Plan, at: float) -> timedelta:
    """What the wall clock has been set forward by until `at`."""
    return sum((step for moment, step in plan.steps if moment <= at), timedelta())


def simulate(plan: Plan, folder: Path, progress: Callable[[float], object] = lambda _: None) -> Outcome:
    """Run a world from its beginning to its end; `progress` is called with the hours since it was last."""
    return anyio.run(
        _World(plan, folder, progress).run,
        backend="asyncio",
        backend_options={"loop_factory": _loop},
    )


def _loop() -> VirtualLoop:
    loop = VirtualLoop()
    loop.now = 0.0
    return loop


class _World:
    def __init__(self, plan: Plan, folder: Path, progress: Callable[[float], object]) -> None:
        self._plan = plan
        self._folder = folder
        self._progress = progress
        self._chance = random.Random(plan.seed ^ 0x5EED)
        self._truths = {
            programme.watch: Truth(programme, Tape(programme.seed, programme.codec))
            for programme in plan.programmes
        }
        self._bucket = Bucket(plan.store, self._fork())
        self._lives: list[Lived] = []
        self._said: list[Mapping[str, Any]] = []
        self._digest = hashlib.sha256()
        self._life: Life | None = None
        self._knowledge = draw_knowledge(plan)

    async def run(self) -> Outcome:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # nobody closes the files of the dead
            return await self._run()

    async def _run(self) -> Outcome:
        for end in self._plan.ends:
            await self._live(end)
            await asyncio.sleep(end.down)
        if self._plan.aftermath:
            self._bucket.is_well = True
            now = asyncio.get_running_loop().time()
            await self._live(End(now + AFTERMATH, Death.STOPPED, 0, 0.0), watches=False)
        for key, data in self._bucket.objects.items():
            self._note(key, hashlib.sha256(data).hexdigest())
        return Outcome(
            self._plan,
            self._knowledge,
            self._truths,
            self._bucket,
            self._folder,
            tuple(self._lives),
            tuple(self._said),
            self._digest.hexdigest(),
        )

    async def _live(self, end: End, *, watches: bool = True) -> None:
        """One life, from its start to its end, and the silence after it."""
        loop = asyncio.get_running_loop()
        began, first_number = loop.time(), self._chance.randrange(10**9) * _NUMBERS
        life = self._life = Life()
        platform = Platform(self._truths, len(self._lives), self._fork())
        others = asyncio.all_tasks()
        before = structlog.get_config()
        structlog.configure(processors=[self._hear])
        try:
            task = loop.create_task(self._process(life, platform, end, first_number, watches=watches))
            await self._await_end(life, task, end)
            await _bury(life, others)
        finally:
            structlog.configure(**before)
            platform.part()
            self._life = None
        if task.done() and not task.cancelled() and not life.over.is_set():
            task.result()  # a daemon that ends by an error must be seen
        self._lives.append(Lived(began, loop.time(), end.kind, first_number))
        self._note("life", began, loop.time(), life.operations)
        self._progress((loop.time() - began) / 3600)
        gc.collect()  # closes the files of the dead, as the kernel does

    async def _process(
        self, life: Life, platform: Platform, end: End, first_number: int, *, watches: bool
    ) -> None:
        """What the process does: it starts, lives as long as the plan says, and stops."""
        loop = asyncio.get_running_loop()
        plan = self._plan

        async def lead(roster: Roster, _: TaskGroup) -> None:
            while (now := loop.time()) < end.at or end.kind is not Death.STOPPED:
                listed = [p for p in plan.programmes if not any(s.covers(now) for s in p.unwatched)]
                await roster.apply(WatchList(tuple(p.watch for p in listed if watches)))
                changes = {
                    moment for p in plan.programmes for s in p.unwatched for moment in (s.begin, s.end)
                }
                if end.kind is Death.STOPPED:
                    changes.add(end.at)
                await asyncio.sleep(min((c for c in changes if c > now), default=now + 1e6) - now + 1e-3)

        try:
            with life.working():
                daemon = Daemon(self._settings(), self._ports(life, platform, first_number))
        except Killed:
            return
        try:
            await daemon.live(lead)
        finally:
            daemon.close()

    async def _await_end(self, life: Life, task: asyncio.Task[None], end: End) -> None:
        """Return when the life has ended: by itself, or by what the plan has for it."""
        loop = asyncio.get_running_loop()
        over = loop.create_task(life.over.wait())
        if end.kind is not Death.STOPPED:
            if loop.time() < end.at:
                await asyncio.wait(
                    {task, over}, timeout=end.at - loop.time(), return_when=asyncio.FIRST_COMPLETED
                )
            if end.kind is Death.KILLED_IN and not task.done():
                life.die_after(end.operations)
                await asyncio.wait({task, over}, timeout=NEVER_FIRED, return_when=asyncio.FIRST_COMPLETED)
            life.die()
        await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()

    def _ports(self, life: Life, platform: Platform, first_number: int) -> Ports:
        plan, loop = self._plan, asyncio.get_running_loop()
        clock = Clock(
            loop.time, lambda: BEGIN + timedelta(seconds=loop.time()) + wall_offset(plan, loop.time())
        )
        observatory = Observatory(self._knowledge, self._fork()) if plan.observed else None
        disk = SimulatedDisk(life, plan.slow_disk, plan.full_disk, self._fork())
        return Ports(
            clock=clock,
            connector=platform,
            store=self._bucket,
            disk=disk,
            sealing=disk,
            syncing=disk,
            network=SimulatedNetwork(life, self._bucket, self._fork()),
            numbers=itertools.count(first_number),
            chance=self._fork().random,
            observatory=(lambda _: (observatory, observatory)) if observatory else None,
        )

    def _settings(self) -> Settings:
        plan = self._plan
        return Settings(
            path=self._folder / "recorder.toml",
            watchlist=self._folder / "watchlist.toml",
            watches=WatchList(),
            credential=Credential(CredentialKind.TOKEN, "made up"),
            voipbin=VoipbinSettings(url="wss://voipbin.example/v1.0"),
            storage=StorageSettings(url="s3://bucket/prefix"),
            recording=RecordingSettings(
                spool=self._folder,
                recorder=RECORDER,
                format=plan.audio_format,
                segment=plan.segment,
                gap_limit=plan.gap_limit,
                idle_after=plan.idle_after,
                sync_interval=60.0,
                drain_timeout=30.0,
            ),
        )

    def _hear(
        self, _logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """A step of structlog's chain: keep what a process says while it lives."""
        if self._life and not self._life.over.is_set():
            line = {"level": method, "at": round(asyncio.get_running_loop().time(), 6), **event}
            line.pop("exc_info", None)
            self._said.append(line)
            self._note(*(f"{key}={value}" for key, value in sorted(line.items())))
        raise structlog.DropEvent

    def _note(self, *facts: object) -> None:
        text = " ".join(map(str, facts)).replace(str(self._folder), "SPOOL")
        self._digest.update(text.encode() + b"\n")

    def _fork(self) -> random.Random:
        return random.Random(self._chance.getrandbits(64))


async def _bury(life: Life, others: set[asyncio.Task[Any]]) -> None:
    """End all tasks of a life that is over. It can do nothing any more, whatever it would like to do."""
    life.die()
    while tasks := asyncio.all_tasks() - others:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=0)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # nobody will ask for it

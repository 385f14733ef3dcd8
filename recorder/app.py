"""The composition root: the one file that names concrete classes together, and the life of the process.

start    recover the spool, then watch
run      until SIGTERM or SIGINT, see `steering`
stop     every stream is closed, every segment sealed; the spool is drained until the deadline
"""

import os
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from recorder import __version__, limits, logs, steering
from recorder.aftermath import say_recovered
from recorder.attendance import Attendance
from recorder.claim import SpoolInUse
from recorder.conference import Conference
from recorder.config import Settings
from recorder.core.life import Patience
from recorder.core.recording import Recording, RecordingSettings
from recorder.core.segmenter import Identity
from recorder.hooks.hooks import Hooks
from recorder.journal import Journal
from recorder.lifecycle import Lifecycle
from recorder.notify import Notifier
from recorder.observation import Observation
from recorder.offload import DiskThreads, Offload
from recorder.overview import Overview
from recorder.ports import Ports, open_ports
from recorder.rate import Rate
from recorder.registrar import Registrar
from recorder.reporting import Reporting
from recorder.reserve import Reserve, ReserveWatch
from recorder.roster import Roster
from recorder.spool import Spool
from recorder.steering import Steering
from recorder.supervisor import Supervisor
from recorder.survey import Surveyor
from recorder.trial import try_store
from recorder.uploader import Uploader
from recorder.watchlist import Watch
from recorder.writer import SegmentWriter
from storage.errors import StoreError
from storage.manifest import SegmentManifest, WatchFacts

_REPEAT_INTERVAL: Final = 60.0
"""Seconds between two log lines that say the same."""

_log = structlog.stdlib.get_logger(__name__)


def run(settings: Settings) -> int:
    """Run the daemon until it is told to stop; return the exit status of the process."""
    for warning in settings.warnings:
        _log.warning("configuration", **{logs.REASON: str(warning)})
    limits.raise_open_files()
    try:
        daemon = Daemon(settings, open_ports(settings), Notifier(os.environ))
    except (OSError, SpoolInUse, StoreError, ValueError) as error:
        _log.critical("cannot start", **{logs.ERROR: str(error)})
        return 1
    try:
        anyio.run(daemon.run, backend_options={"use_uvloop": True})
    finally:
        daemon.close()
    return 0


class Daemon:
    """All parts, put together.

    Raises:
        OSError: the spool cannot be used.
        SpoolInUse: another daemon uses it.
    """

    def __init__(self, settings: Settings, ports: Ports, notifier: Notifier | None = None) -> None:
        self._settings = settings
        self._ports = ports
        self._rate = Rate(settings.connect_rate)
        self._hooks = ports.hooks or Hooks((), ports.clock)
        self._observation = (
            Observation(
                *ports.observatory(self._rate),
                clock=ports.clock,
                patience=Patience(settings.voipbin.no_audio_after),
                chance=ports.chance,
            )
            if ports.observatory
            else None
        )
        self._spool = Spool(settings.recording.spool, settings.recording.format, ports.clock.utc)
        self._registrar = Registrar(ports.store, network=ports.network, chance=ports.chance)
        self._uploader = Uploader(
            self._spool,
            ports.store,
            clock=ports.clock,
            disk=ports.disk,
            network=ports.network,
            chance=ports.chance,
            on_uploaded=self._uploaded,
        )
        self._notifier = notifier or Notifier({})
        self._lifecycle = Lifecycle(self._notifier)
        self._reserve = Reserve(settings.recording.min_free)
        self._room = ReserveWatch(
            self._spool.free,
            self._reserve,
            settings.recording.when_full,
            self._uploader,
            clock=ports.clock,
            disk=ports.disk,
        )
        self._overview = Overview(
            settings, self._lifecycle, ports.clock, self._uploader, self._reserve, self._room
        )

        self._overview.hooks = self._hooks.outcomes

    def close(self) -> None:
        """Let go of the disk, the spool and the store's sockets."""
        for threads in (self._ports.disk, self._ports.sealing, self._ports.syncing):
            threads.close()
        self._spool.release()
        self._ports.store.close()
        self._notifier.close()

    async def run(self) -> None:
        """Live as signals and the file of the watch list say, and report it."""
        aside = DiskThreads(1)
        try:
            with steering.signals() as signals:
                led = Steering(self._settings, signals, self._ports.disk, self._lifecycle, self._adopt)
                async with anyio.create_task_group() as beside:
                    beside.start_soon(self._reporting(aside).run)
                    beside.start_soon(self._become_ready, led.led)
                    await self.live(led.lead, led.told_to_stop)
                    beside.cancel_scope.cancel()
        finally:
            aside.close()

    def _reporting(self, aside: Offload) -> Reporting:
        """What tells how we stand. `aside` is where what takes long is put together."""
        settings = self._settings
        return Reporting(
            self._overview,
            Surveyor(settings.recording.spool),
            self._lifecycle,
            self._notifier,
            socket=settings.status.path(settings.recording.spool),
            http=settings.metrics.listen,
            clock=self._ports.clock,
            disk=self._ports.disk,
            aside=aside,
        )

    async def _become_ready(self, led: anyio.Event) -> None:
        """Try the store, and be ready: recording goes on without it, for as long as the spool has room."""
        await led.wait()
        self._overview.store_problem = await try_store(
            self._ports.store,
            self._settings.recording.recorder,
            self._ports.network,
            locked=self._settings.storage.object_lock is not None,
        )
        await self._lifecycle.ready()
        _log.info("ready")

    def _adopt(self, settings: Settings) -> None:
        """Take over what can be of settings that have changed; see `adopting`."""
        self._settings = settings
        self._rate.change(settings.connect_rate)
        if self._observation:
            self._observation.change(Patience(settings.voipbin.no_audio_after))
        self._room.change(settings.recording.min_free, settings.recording.when_full)

    async def live(
        self,
        lead: Callable[[Roster, TaskGroup], Awaitable[None]],
        hurried: Callable[[], Awaitable[None]] = anyio.sleep_forever,
    ) -> None:
        """Live: from recovery to the end of the drain.

        `lead` says what is watched, and returns when it is over; what it starts in the task group ends then,
        too. When `hurried` returns, the drain ends at once: nothing is lost by it.
        """
        await self._recover()
        async with anyio.create_task_group() as uploading:
            uploading.start_soon(self._uploader.run)
            uploading.start_soon(self._sync_regularly)
            uploading.start_soon(self._room.run)
            uploading.start_soon(self._hooks.run)
            uploading.start_soon(self._registrar.run)
            async with anyio.create_task_group() as watching:
                supervisor = Supervisor(watching, self._record, self._open_journal, self._ports.chance)
                roster = self._open_roster(supervisor)
                self._overview.supervisor, self._overview.roster = supervisor, roster
                if self._observation:
                    self._observation.find_for(roster)
                    watching.start_soon(self._observation.run)
                    watching.start_soon(roster.run)
                await lead(roster, watching)
                watching.cancel_scope.cancel()
                deadline = anyio.current_time() + self._settings.recording.drain_timeout
            self._room.say_missed()
            uploading.start_soon(_then_cancel, hurried, uploading.cancel_scope)
            await self._drain(deadline)
            await self._registrar.finish(deadline)
            await self._hooks.finish()
            uploading.cancel_scope.cancel()
        await self._ports.disk(self._spool.stop)
        _log.info("stopped", waiting=self._uploader.waiting)

    async def _sync_regularly(self) -> None:
        """Bound what a power cut can take, for all open segments at once."""
        repeats = logs.Repeats(_REPEAT_INTERVAL)
        while True:
            await anyio.sleep(self._settings.recording.sync_interval)
            try:
                await self._ports.syncing(self._spool.sync)
            except OSError as error:
                held_back = repeats.admit("sync", self._ports.clock.monotonic())
                if held_back is not None:
                    _log.error(
                        "the disk did not take all that was written",
                        **{
                            "operation": "syncfs",
                            logs.FILE: str(self._spool.folder),
                            logs.ERROR: str(error),
                            logs.SUPPRESSED: held_back,
                            "remedy": "see the kernel log; what is open is written anew when it is sealed",
                        },
                    )

    def _open_roster(self, supervisor: Supervisor) -> Roster:
        recording = self._settings.recording
        return Roster(
            supervisor,
            clock=self._ports.clock,
            disk=self._ports.disk,
            folder=recording.spool,
            shard=recording.shard,
        )

    def _open_journal(self, watch: Watch) -> Journal:
        return Journal(watch, self._ports.clock, self._settings.recording.idle_after, self._hooks.blocked)

    async def _record(self, watch: Watch, journal: Journal) -> None:
        """Record one watch until cancelled, and have it observed."""
        if self._observation is None:
            await self._record_attended(watch, journal, None)
            return
        attendance = self._observation.attend(watch.watch_id)
        try:
            await self._record_attended(watch, journal, attendance)
        finally:
            self._observation.leave(watch.watch_id, attendance)

    async def _record_attended(self, watch: Watch, journal: Journal, attendance: Attendance | None) -> None:
        recording = self._settings.recording
        facts = WatchFacts(
            kind=watch.watch_id.kind, id=watch.watch_id.id, name=watch.name, legal_hold=watch.legal_hold
        )
        before = await self._ports.disk(self._spool.before, watch.watch_id)
        core = Recording(
            Identity(facts, recording.recorder, __version__, watch.encapsulation),
            RecordingSettings(watch.codec, recording.segment, recording.gap_limit, recording.idle_after),
            self._ports.numbers,
            self._ports.clock.monotonic(),
            before.past,
            sightings=attendance.sightings if attendance else None,
        )
        await Conference(
            watch,
            self._ports.connector,
            core,
            SegmentWriter(self._spool, self._reserve, before.manifest),
            clock=self._ports.clock,
            rate=self._rate,
            disk=self._ports.disk,
            sealing=self._ports.sealing,
            on_sealed=self._sealed,
            chance=self._ports.chance,
            journal=journal,
            attendance=attendance,
        ).run()

    def _sealed(self, manifest: SegmentManifest) -> None:
        self._uploader.add(self._spool.segment(manifest))
        self._hooks.sealed(manifest)

    def _uploaded(self, manifest: SegmentManifest) -> None:
        self._registrar.uploaded(manifest)
        self._hooks.uploaded(manifest)

    async def _recover(self) -> None:
        """Bring what the run before left behind into order, and say what was found."""
        recovery = await self._ports.disk(self._spool.recover)
        say_recovered(recovery)
        for manifest in recovery.recovered:
            self._hooks.sealed(manifest)

    async def _drain(self, deadline: float) -> None:
        """Upload what is sealed; what the deadline leaves is uploaded after the next start."""
        with anyio.CancelScope(deadline=deadline) as scope:
            await self._uploader.drain()
        if scope.cancelled_caught:
            _log.warning(
                "stopped before everything was uploaded; the spool keeps the rest for the next start",
                **{logs.COUNT: self._uploader.waiting, logs.FILE: str(self._spool.folder)},
            )


async def _then_cancel(wait: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
    await wait()
    scope.cancel()

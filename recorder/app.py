"""The composition root: the one file that names concrete classes together, and the life of the process.

start    recover the spool, then watch
run      until SIGTERM or SIGINT; SIGHUP or a change of its file loads the watch list again
stop     every stream is closed, every segment sealed; the spool is drained until the deadline
"""

import itertools
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import anyio
import structlog
import watchfiles

from recorder import __version__, limits, logs
from recorder.claim import SpoolInUse
from recorder.clock import Clock
from recorder.conference import Conference
from recorder.config import Settings
from recorder.core.recording import Recording, RecordingSettings
from recorder.core.segmenter import Identity
from recorder.offload import DiskThreads, NetworkThreads
from recorder.problems import ConfigurationError
from recorder.rate import Rate
from recorder.reserve import Reserve, ReserveWatch
from recorder.spool import Spool
from recorder.supervisor import Supervisor
from recorder.uploader import PARALLEL, Uploader
from recorder.watchlist import Watch, WatchList, load_watchlist
from recorder.websocket import WebSocketConnector
from recorder.writer import SegmentWriter
from storage.backends import open_store
from storage.errors import StoreError
from storage.manifest import WatchFacts

DISK_THREADS: Final = 8
"""Writes under way at once. More would only queue in the disk."""
SEALING_THREADS: Final = 2
"""Segments being hashed or encoded at once: one waits for the disk while the other has the processor."""
_REPEAT_INTERVAL: Final = 60.0
"""Seconds between two log lines that say the same."""
_WATCHER_ROUND: Final = 250
"""Milliseconds after which the watcher of the watch list looks whether it has been cancelled."""
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_log = structlog.stdlib.get_logger(__name__)


def run(settings: Settings) -> int:
    """Run the daemon until it is told to stop; return the exit status of the process."""
    for warning in settings.warnings:
        _log.warning("configuration", **{logs.REASON: str(warning)})
    limits.raise_open_files()
    try:
        daemon = _Daemon(settings)
    except (OSError, SpoolInUse, StoreError, ValueError) as error:
        _log.critical("cannot start", **{logs.ERROR: str(error)})
        return 1
    try:
        anyio.run(daemon.run, backend_options={"use_uvloop": True})
    finally:
        daemon.close()
    return 0


class _Daemon:
    """All parts, put together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = Clock()
        self._disk = DiskThreads(DISK_THREADS)
        self._reloading = anyio.Lock()  # the list that was read last must be the one that counts
        self._syncing = DiskThreads(1)
        self._sealing = DiskThreads(SEALING_THREADS, hop=1)
        self._rate = Rate(settings.connect_rate)
        # A random beginning keeps names unique for good, even if the clock is set back and the spool empty.
        self._numbers = itertools.count(secrets.randbelow(10**9) * 10**6)
        self._connector = WebSocketConnector(settings.voipbin, settings.credential, self._clock)
        storage = settings.storage
        self._store = open_store(storage.url, endpoint_url=storage.endpoint_url, region=storage.region)
        self._spool = Spool(settings.recording.spool, settings.recording.format, self._clock.utc)
        self._uploader = Uploader(
            self._spool,
            self._store,
            clock=self._clock,
            disk=self._disk,
            network=NetworkThreads(PARALLEL),
        )
        self._reserve = Reserve(settings.recording.min_free)
        self._room = ReserveWatch(
            self._spool.free,
            self._reserve,
            settings.recording.when_full,
            self._uploader,
            clock=self._clock,
            disk=self._disk,
        )

    def close(self) -> None:
        """Let go of the disk, the spool and the store's sockets."""
        for threads in (self._disk, self._sealing, self._syncing):
            threads.close()
        self._spool.release()
        self._store.close()

    async def run(self) -> None:
        """Live: from recovery to the end of the drain."""
        with anyio.open_signal_receiver(*STOP_SIGNALS, signal.SIGHUP) as signals:
            await self._recover()
            async with anyio.create_task_group() as uploading:
                uploading.start_soon(self._uploader.run)
                uploading.start_soon(self._sync_regularly)
                uploading.start_soon(self._room.run)
                async with anyio.create_task_group() as watching:
                    supervisor = Supervisor(watching, self._record)
                    watching.start_soon(self._follow_watchlist, supervisor)
                    async with self._reloading:
                        await self._apply(supervisor, self._settings.watches)
                    await self._obey(signals, supervisor)
                    watching.cancel_scope.cancel()
                    deadline = anyio.current_time() + self._settings.recording.drain_timeout
                uploading.start_soon(self._cut_short, signals, uploading.cancel_scope)
                await self._drain(deadline)
                uploading.cancel_scope.cancel()
        await self._disk(self._spool.stop)
        _log.info("stopped", waiting=self._uploader.waiting)

    async def _sync_regularly(self) -> None:
        """Bound what a power cut can take, for all open segments at once."""
        repeats = logs.Repeats(_REPEAT_INTERVAL)
        while True:
            await anyio.sleep(self._settings.recording.sync_interval)
            try:
                await self._syncing(self._spool.sync)
            except OSError as error:
                held_back = repeats.admit("sync", self._clock.monotonic())
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

    async def _record(self, watch: Watch) -> None:
        """Record one watch until cancelled."""
        recording = self._settings.recording
        facts = WatchFacts(kind=watch.watch_id.kind, id=watch.watch_id.id, name=watch.name)
        before = await self._disk(self._spool.before, watch.watch_id)
        core = Recording(
            Identity(facts, recording.recorder, __version__, watch.encapsulation),
            RecordingSettings(watch.codec, recording.segment, recording.gap_limit, recording.idle_after),
            self._numbers,
            self._clock.monotonic(),
            before.past,
        )
        await Conference(
            watch,
            self._connector,
            core,
            SegmentWriter(self._spool, self._reserve, before.manifest),
            clock=self._clock,
            rate=self._rate,
            disk=self._disk,
            sealing=self._sealing,
            on_sealed=lambda manifest: self._uploader.add(self._spool.segment(manifest)),
        ).run()

    async def _recover(self) -> None:
        """Bring what the run before left behind into order, and say what was found."""
        recovery = await self._disk(self._spool.recover)
        for manifest in recovery.recovered:
            _log.warning(
                "segment recovered: the recorder died while it was open",
                **{logs.SEGMENT: manifest.name.stem, logs.SAMPLES: manifest.samples},
            )
        for error in recovery.postponed:
            _log.error(
                "a segment cannot be recovered now; the next start tries again", **{logs.ERROR: str(error)}
            )
        for path in recovery.quarantined:
            _log.error(
                "file set aside: it is no segment, or too little of one; a person must look at it",
                **{logs.FILE: str(path)},
            )

    async def _apply(self, supervisor: Supervisor, watches: WatchList) -> None:
        diff = await supervisor.apply(watches)
        shard = self._settings.recording.shard
        _log.info(
            "watching",
            **{
                logs.COUNT: len(watches),
                "listed": watches.listed,
                "added": len(diff.added),
                "removed": len(diff.removed),
            }
            | ({"shard": str(shard)} if shard else {}),
        )

    async def _reload(self, supervisor: Supervisor, *, if_changed: bool = False) -> None:
        """Follow the file of the watch list. One with mistakes changes nothing."""
        settings = self._settings
        async with self._reloading:
            try:
                watches = await self._disk(
                    load_watchlist, settings.watchlist, settings.watch_defaults, settings.recording.shard
                )
            except ConfigurationError as error:
                await self._disk(_say_mistakes, error)
                return
            if if_changed and watches == supervisor.watches:
                return
            if shortage := limits.too_few_files(len(watches)):
                _log.warning("configuration", **{logs.REASON: f"{settings.watchlist}: {shortage}"})
            await self._apply(supervisor, watches)

    async def _follow_watchlist(self, supervisor: Supervisor) -> None:
        path = self._settings.watchlist
        # The folder is watched, not the file: an atomic replacement gives the name to another file.
        try:
            caught_up = False
            async for changes in watchfiles.awatch(
                path.parent,
                watch_filter=lambda _, changed: Path(changed).name == path.name,
                recursive=False,
                rust_timeout=_WATCHER_ROUND,
                yield_on_timeout=True,
            ):
                # The first round may bring no change: one that came before the watcher would be missed.
                if changes or not caught_up:
                    await self._reload(supervisor, if_changed=not changes)
                    caught_up = True
        except (OSError, RuntimeError) as error:
            # No watcher to be had (inotify's limit), or the folder is gone: recording must not end over it.
            _log.exception(
                "the watch list is not followed any more; SIGHUP still reads it", **{logs.ERROR: str(error)}
            )

    async def _obey(self, signals: AsyncIterator[signal.Signals], supervisor: Supervisor) -> None:
        """Return when told to stop."""
        async for number in signals:
            if number in STOP_SIGNALS:
                _log.info("stopping", **{logs.REASON: number.name})
                return
            await self._reload(supervisor)

    async def _drain(self, deadline: float) -> None:
        """Upload what is sealed; what the deadline leaves is uploaded after the next start."""
        with anyio.CancelScope(deadline=deadline) as scope:
            await self._uploader.drain()
        if scope.cancelled_caught:
            _log.warning(
                "stopped before everything was uploaded; the spool keeps the rest for the next start",
                **{logs.COUNT: self._uploader.waiting, logs.FILE: str(self._spool.folder)},
            )

    async def _cut_short(self, signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
        """A second signal ends the drain at once. Nothing is lost by it."""
        async for number in signals:
            if number in STOP_SIGNALS:
                scope.cancel()


def _say_mistakes(error: ConfigurationError) -> None:
    """One line each; thousands of them would hold up the streams, were they written on the event loop."""
    for problem in error.problems:
        _log.error("the watch list is not followed: it has a mistake", **{logs.ERROR: str(problem)})

"""What is to be recorded and for how long, as signals and the file of the watch list say.

SIGTERM and SIGINT end it; SIGHUP, or a change of its file, loads the watch list again. Knows the supervisor,
and no part that records.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import anyio
import structlog
import watchfiles
from anyio.abc import TaskGroup

from recorder import limits, logs
from recorder.config import Settings
from recorder.offload import Offload
from recorder.problems import ConfigurationError
from recorder.supervisor import Supervisor
from recorder.watchlist import WatchList, load_watchlist

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_WATCHER_ROUND: Final = 250
"""Milliseconds after which the watcher of the watch list looks whether it has been cancelled."""

_log = structlog.stdlib.get_logger(__name__)

Signals = AsyncIterator[signal.Signals]


def signals() -> AbstractContextManager[Signals]:
    """The signals that steer the daemon, from now on; until then they do what they do to any process."""
    return anyio.open_signal_receiver(*STOP_SIGNALS, signal.SIGHUP)


class Steering:
    """Keeps a supervisor to the watch list of `settings`, until a signal says that it is over."""

    def __init__(self, settings: Settings, signals: Signals, disk: Offload) -> None:
        self._settings = settings
        self._signals = signals
        self._disk = disk
        self._reloading = anyio.Lock()  # the list that was read last must be the one that counts

    async def lead(self, supervisor: Supervisor, tasks: TaskGroup) -> None:
        """Have watched what the list says; return when told to stop. `tasks` end with the recording."""
        tasks.start_soon(self._follow_watchlist, supervisor)
        async with self._reloading:
            await self._apply(supervisor, self._settings.watches)
        await self._obey(supervisor)

    async def told_to_stop(self) -> None:
        """Return when a signal says to stop: after `lead`, once more."""
        async for number in self._signals:
            if number in STOP_SIGNALS:
                return

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

    async def _obey(self, supervisor: Supervisor) -> None:
        """Return when told to stop."""
        async for number in self._signals:
            if number in STOP_SIGNALS:
                _log.info("stopping", **{logs.REASON: number.name})
                return
            await self._reload(supervisor)


def _say_mistakes(error: ConfigurationError) -> None:
    """One line each; thousands of them would hold up the streams, were they written on the event loop."""
    for problem in error.problems:
        _log.error("the watch list is not followed: it has a mistake", **{logs.ERROR: str(problem)})

"""What is to be recorded and for how long, as signals and the file of the watch list say.

SIGTERM and SIGINT end it. A change of its file loads the watch list again; so does SIGHUP, and before that it
has adopted what can be of a changed configuration. Knows the roster, and no part that records.
"""

import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

import anyio
import structlog
import watchfiles
from anyio.abc import TaskGroup

from recorder import limits, logs
from recorder.adopting import adoption
from recorder.config import Settings, load_settings
from recorder.lifecycle import Lifecycle
from recorder.offload import Offload
from recorder.problems import ConfigurationError
from recorder.roster import Roster
from recorder.watchlist import WatchList
from recorder.watchlist_file import load_watchlist

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_WATCHER_ROUND: Final = 250
"""Milliseconds after which the watcher of the watch list looks whether it has been cancelled."""
_LOOK_EVERY: Final = 8
"""Rounds after which the file is looked at though no change was told: behind a link, and in a folder that has
taken the place of another, none is."""

SETTLE: Final = 0.25
"""Seconds without a change after which a file that is written in place counts as whole."""
EMPTY_LOOKS: Final = 4
"""Times that long, if it is empty."""

_log = structlog.stdlib.get_logger(__name__)

Signals = AsyncIterator[signal.Signals]


def signals() -> AbstractContextManager[Signals]:
    """The signals that steer the daemon, from now on; until then they do what they do to any process."""
    return anyio.open_signal_receiver(*STOP_SIGNALS, signal.SIGHUP)


class Steering:
    """Keeps a roster to the watch list of `settings`, until a signal says that it is over.

    Attributes:
        led: set once the watch list is followed.

    Args:
        adopt: takes over settings that have changed.
    """

    def __init__(
        self,
        settings: Settings,
        signals: Signals,
        disk: Offload,
        lifecycle: Lifecycle,
        adopt: Callable[[Settings], None],
    ) -> None:
        self._settings = settings
        self._signals = signals
        self._disk = disk
        self._lifecycle = lifecycle
        self._adopt = adopt
        self.led = anyio.Event()
        self._reloading = anyio.Lock()  # the list that was read last must be the one that counts

    async def lead(self, roster: Roster, tasks: TaskGroup) -> None:
        """Have watched what the list says; return when told to stop. `tasks` end with the recording."""
        tasks.start_soon(self._follow_watchlist, roster)
        async with self._reloading:
            await self._apply(roster, self._settings.watches)
        self.led.set()
        await self._obey(roster)

    async def told_to_stop(self) -> None:
        """Return when a signal says to stop: after `lead`, once more."""
        async for number in self._signals:
            if number in STOP_SIGNALS:
                return

    async def _apply(self, roster: Roster, watches: WatchList) -> None:
        diff = await roster.apply(watches)
        shard = self._settings.recording.shard
        _log.info(
            "watching",
            **{
                logs.COUNT: len(watches),
                "listed": watches.listed,
                "added": len(diff.added),
                "removed": len(diff.removed),
            }
            | ({"patterns": len(watches.patterns)} if watches.patterns else {})
            | ({"shard": str(shard)} if shard else {}),
        )

    async def _reload(self, roster: Roster, *, if_changed: bool = False) -> None:
        """Follow the file of the watch list. One with mistakes changes nothing."""
        settings = self._settings
        async with self._reloading:
            try:
                watches = await self._disk(
                    load_watchlist, settings.watchlist, settings.watch_defaults, settings.recording.shard
                )
            except ConfigurationError as error:
                await self._disk(_say_mistakes, error, settings.watchlist)
                return
            if if_changed and watches == roster.watches:
                return
            if shortage := limits.too_few_files(len(watches)):
                _log.warning("configuration", **{logs.REASON: f"{settings.watchlist}: {shortage}"})
            await self._apply(roster, watches)

    async def _follow_watchlist(self, roster: Roster) -> None:
        path = self._settings.watchlist
        # The folder is watched, not the file: an atomic replacement gives the name to another file.
        try:
            seen: _Look | None = _Look(0, 0, 0)  # no file looks so
            rounds = itertools.count()
            async for changes in watchfiles.awatch(
                path.parent,
                watch_filter=lambda _, changed: Path(changed).name == path.name,
                recursive=False,
                rust_timeout=_WATCHER_ROUND,
                yield_on_timeout=True,
            ):
                # The first round may bring no change: one that came before the watcher would be missed.
                looks = next(rounds) % _LOOK_EVERY == 0
                if changes or (looks and await self._disk(_look_at, path) != seen):
                    seen = await self._settled()
                    await self._reload(roster, if_changed=not changes)
        except (OSError, RuntimeError) as error:
            # No watcher to be had (inotify's limit), or the folder is gone: recording must not end over it.
            _log.exception(
                "the watch list is not followed any more; SIGHUP still reads it", **{logs.ERROR: str(error)}
            )

    async def _settled(self) -> "_Look | None":
        """Return its look when the file is whole: it was not written to for a while, or was replaced at once.

        What a list that is half written does not name yet would be stopped.
        """
        before, quiet = await self._disk(_look_at, self._settings.watchlist), 0
        while True:
            await anyio.sleep(SETTLE)
            now = await self._disk(_look_at, self._settings.watchlist)
            quiet = quiet + 1 if now == before else 0
            # Whoever writes in place begins by making it empty, and that names nothing at all.
            is_empty = now is not None and now.size == 0
            was_replaced = now is not None and before is not None and now.inode != before.inode
            if (quiet and not is_empty) or quiet >= EMPTY_LOOKS or (was_replaced and not is_empty):
                return now
            before = now

    async def _adopt_changes(self) -> bool:
        """Read the configuration again; False if it has a mistake, and nothing is changed."""
        await self._settled()
        try:
            new = await self._disk(load_settings, self._settings.path, dict(os.environ))
        except ConfigurationError as error:
            await self._disk(_say_mistakes, error, self._settings.watchlist)
            return False
        change = adoption(self._settings, new)
        self._settings = change.settings
        self._adopt(change.settings)
        say = _log.warning if change.needs_restart else _log.info
        say(
            "configuration read again",
            **{
                logs.FILE: str(new.path),
                "adopted": list(change.adopted),
                "needs_restart": list(change.needs_restart),
            },
        )
        return True

    async def _obey(self, roster: Roster) -> None:
        """Return when told to stop."""
        async for number in self._signals:
            if number in STOP_SIGNALS:
                _log.info("stopping", **{logs.REASON: number.name})
                await self._lifecycle.stopping()
                return
            async with self._lifecycle.reloading():
                if await self._adopt_changes():
                    await self._reload(roster)


class _Look(NamedTuple):
    """What is seen of a file without reading it."""

    inode: int
    size: int
    changed: int


def _look_at(path: Path) -> _Look | None:
    """Blocking. None where there is none, or none that can be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return _Look(found.st_ino, found.st_size, found.st_mtime_ns)


def _say_mistakes(error: ConfigurationError, watchlist: Path) -> None:
    """One line each; thousands of them would hold up the streams, were they written on the event loop."""
    for problem in error.problems:
        what = "watch list" if Path(problem.file) == watchlist else "configuration"
        _log.error(f"the {what} is not followed: it has a mistake", **{logs.ERROR: str(problem)})

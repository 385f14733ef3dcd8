"""The observer at work for a daemon: whom it tells what, and what becomes of its own errors.

Recording does not depend on it: where it fails nothing is known, until it has been begun again.
"""

import random
from collections.abc import Callable
from typing import Final

import anyio
import structlog

from recorder import logs
from recorder.announcement import Announcer
from recorder.attendance import Attendance
from recorder.clock import Clock
from recorder.core.backoff import Backoff, Pace
from recorder.core.life import Patience
from recorder.core.snapshot import Known, Snapshot, Unseen
from recorder.finder import Finder
from recorder.observer import Observer
from recorder.overheard import Overheard
from recorder.platform import Platform, Unanswered
from storage.names import WatchId

_REPEAT_INTERVAL: Final = 600.0
AFTER_A_BUG: Final = Pace(floor=1.0, base=5.0, cap=300.0)

_log = structlog.stdlib.get_logger(__name__)


class Observation:
    """Has observed whatever is recorded, from `attend` to `leave`."""

    def __init__(
        self,
        platform: Platform,
        announcer: Announcer,
        *,
        clock: Clock,
        patience: Patience | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._platform = platform
        self._clock = clock
        self._patience = patience
        self._chance = chance
        self._attendances: dict[WatchId, Attendance] = {}
        self._repeats = logs.Repeats(_REPEAT_INTERVAL)
        overheard = Overheard(platform, self._unanswered)
        self._observer = Observer(overheard, announcer, self._tell, clock=clock, chance=chance)

    def find_for(self, finder: Finder) -> None:
        """Tell this one of all that there is, too."""
        self._observer.finder = finder

    def attend(self, watch: WatchId) -> Attendance:
        """What is known of a watch from now on."""
        attendance = self._attendances[watch] = Attendance(self._clock, patience=self._patience)
        self._observer.watch(watch)
        return attendance

    def leave(self, watch: WatchId, attendance: Attendance) -> None:
        """Observe this one no more, unless it has been begun again with other settings meanwhile."""
        if self._attendances.get(watch) is attendance:
            del self._attendances[watch]
            self._observer.leave(watch)

    def change(self, patience: Patience) -> None:
        """Be as patient from now on, with all of them."""
        self._patience = patience
        for attendance in self._attendances.values():
            attendance.life.patience = patience

    async def run(self) -> None:
        """Observe until cancelled."""
        backoff = Backoff()
        try:
            while True:
                try:
                    await self._observer.run()
                except Exception as error:  # noqa: BLE001  whatever it is, recording must not suffer
                    for attendance in self._attendances.values():
                        attendance.told(Unseen.UNKNOWN)
                    delay = backoff.delay(AFTER_A_BUG, self._chance())
                    _log.exception(
                        "observing failed in a way nobody expected; it is begun again",
                        **{logs.ERROR: type(error).__name__, logs.DELAY: round(delay, 1)},
                    )
                    await anyio.sleep(delay)
        finally:
            with anyio.CancelScope(shield=True):
                await self._platform.close()

    def _tell(self, watch: WatchId, known: Known) -> None:
        attendance = self._attendances.get(watch)
        if attendance:
            attendance.told(known)
        if isinstance(known, Snapshot) and known.occupied is None and not known.over:
            self._say_unreadable(known)

    def _unanswered(self, about: WatchId | None, unanswered: Unanswered) -> None:
        those = self._attendances if about is None else self._attendances.keys() & {about}
        for watch in those:
            self._attendances[watch].failed(unanswered)

    def _say_unreadable(self, known: Snapshot) -> None:
        if self._repeats.admit("unreadable", self._clock.monotonic()) is not None:
            _log.warning(
                "the platform does not say in words that we know whether anybody is there: a stream is tried",
                **{logs.WATCH: str(known.watch_id), "status": known.status},
            )

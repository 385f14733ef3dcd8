"""Hears what the platform announces: event socket after event socket, with what is subscribed to.

Knows no request of the API, and not what is made of a hint.
"""

import contextlib
import random
from collections.abc import Callable, Collection, Mapping
from typing import Final

import anyio
import structlog

from recorder import logs
from recorder.announcement import Announcements, Announcer
from recorder.clock import Clock
from recorder.connection import ConnectionLost, ConnectionRefused, Setback
from recorder.core.backoff import Backoff, Pace
from storage.names import WatchId

PACES: Final[Mapping[Setback, Pace]] = {
    Setback.TRANSIENT: Pace(floor=1.0, base=3.0, cap=15.0),
    Setback.NOT_LIVE: Pace(floor=5.0, base=20.0, cap=300.0),
    Setback.REFUSED: Pace(floor=20.0, base=60.0, cap=300.0),
    Setback.THROTTLED: Pace(floor=1.0, base=5.0, cap=15.0),
}
"""Of whoever asks the platform anything but for a stream. How long to wait at least, the platform says."""
_REPEAT_INTERVAL: Final = 60.0

_log = structlog.stdlib.get_logger(__name__)


class Hearing:
    """Of one customer, who must be known before there is anything to subscribe to.

    Args:
        hint: called with what something was announced about; with None when a socket is opened: what was
            announced before is missed.
        chance: random numbers from 0 to 1, by which waiting is spread.
    """

    def __init__(
        self,
        announcer: Announcer,
        hint: Callable[[WatchId | None], None],
        *,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._announcer = announcer
        self._hint = hint
        self._clock = clock
        self._chance = chance
        self._begun = anyio.Event()
        self._socket: Announcements | None = None
        self._subscribed: set[str] = set()
        self._repeats = logs.Repeats(_REPEAT_INTERVAL)

    @property
    def stands(self) -> bool:
        """Whether there is an event socket now."""
        return self._socket is not None

    def begin(self) -> None:
        """Open the first: the customer is known."""
        self._begun.set()

    async def run(self) -> None:
        """Event socket after event socket, from `begin` until cancelled."""
        await self._begun.wait()
        backoff = Backoff()
        while True:
            setback, at_least = Setback.TRANSIENT, 0.0
            began = self._clock.monotonic()
            try:
                await self._hear(await self._announcer.open())
            except ConnectionRefused as refused:
                setback, at_least = refused.setback, refused.retry_after or 0.0
                self._say_deaf(str(refused))
            except ConnectionLost as lost:
                backoff.flowed(self._clock.monotonic() - began)
                self._say_deaf(str(lost))
            await anyio.sleep(at_least + backoff.delay(PACES[setback], self._chance()))

    async def subscribe(self, topics: Collection[str]) -> None:
        """Be told of these, too. To be called again for each socket, once it stands."""
        missing = set(topics) - self._subscribed
        if self._socket is None or not missing:
            return
        with contextlib.suppress(ConnectionLost):  # who listens finds that out
            await self._socket.subscribe(sorted(missing))
            self._subscribed |= missing
            _log.info("listening to events", **{logs.COUNT: len(self._subscribed)})

    async def _hear(self, socket: Announcements) -> None:
        """Pass on the hints of one event socket, to its end."""
        self._socket, self._subscribed = socket, set()
        self._hint(None)
        try:
            while True:
                self._hint(await socket.receive())
        finally:
            self._socket = None
            with anyio.CancelScope(shield=True):
                await socket.close()

    def _say_deaf(self, reason: str) -> None:
        held_back = self._repeats.admit("deaf", self._clock.monotonic())
        if held_back is not None:
            facts = {logs.REASON: reason, logs.SUPPRESSED: held_back}
            _log.warning("no events: conferences are asked about oftener", **facts)

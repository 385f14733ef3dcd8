"""Tells one of what happens, one after the other, for as long as it takes and no longer.

What waits is bounded in number and in time; what was given up is said and counted. Nothing outlives the
process: the bucket is what can be relied on.
"""

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from recorder import logs
from recorder.clock import Clock
from recorder.core.backoff import Backoff, Pace
from recorder.hooks.carrier import Carrier, NotTaken
from recorder.hooks.event import Event, Occurrence

MOST_WAITING: Final = 1000
"""Events that wait for one hook: a few megabytes. The oldest give way."""
PACE: Final = Pace(floor=0.5, base=2.0, cap=60.0)
_REPEAT_INTERVAL: Final = 60.0
"""Seconds between two log lines that say the same."""

_log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class HookTally:
    """What became of events, by name: taken, and given up. And attempts that failed."""

    taken: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    failures: int = 0


class Courier:
    """Tells one hook. `timeout` and `give_up_after` in seconds, see `HookSettings`.

    Attributes:
        name: of the hook, for the log.
        tally: what became of what it was told.
    """

    def __init__(
        self,
        name: str,
        events: frozenset[Event],
        carrier: Carrier,
        *,
        timeout: float,
        give_up_after: float,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.tally = HookTally()
        self._events = events
        self._carrier = carrier
        self._timeout = timeout
        self._give_up_after = give_up_after
        self._clock = clock
        self._chance = chance
        self._waiting: deque[Occurrence] = deque()
        self._added = anyio.Event()
        self._emptied = anyio.Event()
        self._repeats = logs.Repeats(_REPEAT_INTERVAL)

    def wants(self, event: Event) -> bool:
        """Whether it is to be told of such things."""
        return event in self._events

    def tell(self, occurrence: Occurrence) -> None:
        """Have it told, after what was asked for before. Returns at once."""
        if len(self._waiting) >= MOST_WAITING:
            self._give_up(self._waiting.popleft(), f"more than {MOST_WAITING} events wait")
        self._waiting.append(occurrence)
        self._added.set()

    async def run(self) -> None:
        """Tell for ever. Ends only by cancellation."""
        while True:
            while not self._waiting:
                self._emptied.set()
                self._added = anyio.Event()
                await self._added.wait()
            await self._deliver(self._waiting[0])

    async def drain(self) -> None:
        """Return when nothing waits any more. To be given a deadline by the caller."""
        while self._waiting:
            self._emptied = anyio.Event()
            await self._emptied.wait()

    async def close(self) -> None:
        """Give up what waits, and say so."""
        while self._waiting:
            self._give_up(self._waiting.popleft(), "the recorder was told to stop")
        await self._carrier.close()

    async def _deliver(self, occurrence: Occurrence) -> None:
        """Tell one thing until it is taken, its time is up, or it had to give way."""
        backoff = Backoff()
        end = occurrence.at + self._give_up_after
        while self._waiting and self._waiting[0] is occurrence:
            why = await self._attempt(occurrence)
            # Meanwhile it may have given way to others.
            is_next = bool(self._waiting) and self._waiting[0] is occurrence
            if why is None:
                self.tally.taken[occurrence.event] += 1
                if is_next:
                    self._waiting.popleft()
                return
            delay = backoff.delay(PACE, self._chance())
            if self._clock.monotonic() + delay >= end:
                if is_next:
                    self._give_up(self._waiting.popleft(), why)
                return
            self._say_failed(occurrence, why, delay)
            await anyio.sleep(delay)

    async def _attempt(self, occurrence: Occurrence) -> str | None:
        """Why it was not taken, None if it was."""
        try:
            with anyio.fail_after(self._timeout):
                await self._carrier(occurrence)
        except NotTaken as error:
            why = str(error)
        except TimeoutError:
            why = f"it took longer than {self._timeout:g} s"
        except Exception:  # noqa: BLE001  whatever it is, recording must not end over it
            _log.exception("a hook failed in a way nobody expected", hook=self.name)
            why = "an error nobody expected"
        else:
            return None
        self.tally.failures += 1
        return why

    def _say_failed(self, occurrence: Occurrence, why: str, delay: float) -> None:
        held_back = self._repeats.admit("failed", self._clock.monotonic())
        if held_back is not None:
            _log.warning(
                "hook failed; it will be tried again",
                **{
                    "hook": self.name,
                    "hook_event": occurrence.event.value,
                    logs.WATCH: occurrence.watch,
                    logs.ERROR: why,
                    logs.DELAY: round(delay, 1),
                    logs.SUPPRESSED: held_back,
                },
            )

    def _give_up(self, occurrence: Occurrence, why: str) -> None:
        self.tally.given_up[occurrence.event] += 1
        held_back = self._repeats.admit("given up", self._clock.monotonic())
        if held_back is not None:
            _log.error(
                "hook given up: this was not told, and will not be",
                **{
                    "hook": self.name,
                    "hook_event": occurrence.event.value,
                    "id": occurrence.id,
                    logs.WATCH: occurrence.watch,
                    logs.ERROR: why,
                    logs.COUNT: self.tally.given_up.total(),
                    logs.SUPPRESSED: held_back,
                    "remedy": "see that the hook answers; what happened is in this log, too",
                },
            )

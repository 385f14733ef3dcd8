"""One rate for all: spaces out what many tasks would otherwise do at the same moment, by precedence.

Without a burst: the platform counts all of a customer's requests, and some are not ours.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from enum import IntEnum

import anyio


class Precedence(IntEnum):
    """Whose turn comes first, however many of the others wait."""

    QUESTION = 0
    """To the API, which decides what all streams do. Who asks keeps to a share of the rate."""
    MISSED = 1
    """Audio is being missed."""
    OTHERS = 2


class Turn:
    """A place in the queue. `ring` is called when it has come, or has been given up."""

    def __init__(self, ring: Callable[[], None] | None = None) -> None:
        self._event = anyio.Event()
        self._ring = ring

    @property
    def granted(self) -> bool:
        """Whether it has come, or has been given up."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Wait for it. To be cancelled in this costs no place."""
        await self._event.wait()

    def grant(self) -> None:
        """Let it come, or give it up: there is nobody to wait for any more."""
        self._event.set()
        if self._ring:
            self._ring()


class Rate:
    """Grants turns `1 / per_second` seconds apart: by precedence, else in their order."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._queue: list[tuple[Precedence, int, Turn]] = []
        self._order = itertools.count()
        self._free_at = 0.0  # by the clock of the loop
        self._timer: asyncio.TimerHandle | None = None

    def change(self, per_second: float) -> None:
        """Grant so many turns a second from the next on."""
        self._interval = 1 / per_second

    def ask(self, precedence: Precedence, *, ring: Callable[[], None] | None = None) -> Turn:
        """Stand in the queue. Who does not want the turn any more grants it to itself."""
        turn = Turn(ring)
        heapq.heappush(self._queue, (precedence, next(self._order), turn))
        if self._timer is None:
            self._go_on()
        return turn

    async def take(self, precedence: Precedence) -> None:
        """Wait for a turn. To be cancelled in this gives the place up."""
        turn = self.ask(precedence)
        try:
            await turn.wait()
        finally:
            turn.grant()

    def _go_on(self) -> None:
        """Grant the next turn if its time has come, and see to those after it."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._queue and loop.time() >= self._free_at:
            _, _, turn = heapq.heappop(self._queue)
            if not turn.granted:
                turn.grant()
                # A timer is always a little late, which must not add up over thousands of turns.
                late = loop.time() - self._free_at
                self._free_at += self._interval + (late if late > self._interval else 0.0)
        if self._queue:
            self._timer = loop.call_at(self._free_at, self._go_on)

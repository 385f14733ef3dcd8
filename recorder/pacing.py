"""The shared clock of reads: lets the kernel collect, and wakes each stream a few times a second.

Almost all of what a stream costs is being woken fifty times a second for 20 ms of audio. Nothing here is
heard live, so every stream pauses after a read and is resumed in its turn: one wake-up, one read and one pass
through the core then serve a dozen packets. The turns are spread over the interval, so that none has all.
"""

import asyncio
from typing import Protocol

TURNS = 10
"""Turns in an interval. More would wake the loop oftener, fewer would make it busier at a time."""


class Reader(Protocol):
    """Something that can go on reading."""

    def resume(self) -> None:
        """Read what has come meanwhile; harmless when it is reading."""


class ReadClock:
    """Resumes its readers every `interval` seconds, each in its turn. Runs while it has readers."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._turns: list[dict[Reader, None]] = [{} for _ in range(TURNS)]
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def join(self, reader: Reader) -> None:
        """Resume `reader` from now on, in the turn that has the fewest."""
        min(self._turns, key=len)[reader] = None
        if self._timer is None:
            self._arm(asyncio.get_running_loop())

    def leave(self, reader: Reader) -> None:
        """Resume it no more. That it has left before is no error."""
        for turn in self._turns:
            turn.pop(reader, None)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self._interval / TURNS, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for reader in tuple(self._turns[self._next]):
            reader.resume()
        self._next = (self._next + 1) % TURNS
        if any(self._turns):
            self._arm(loop)

"""Batches between the socket's callbacks and the task that records them. Knows no socket and no protocol."""

import asyncio
import math
from collections import deque

from recorder.connection import Batch


class Inbox:
    """A queue for one taker, without a task or a scope: it is waited on several times a second and stream.

    Nearly every wait ends long before its time is up. So the timer is left running from one to the next, and
    only when it fires is it seen whether anybody still waits for it.

    Attributes:
        pending: bytes that have not been taken.
        ended: nothing more will be put.
        began: something was put.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._batches: deque[tuple[Batch, int]] = deque()  # with their sizes
        self._waiter: asyncio.Future[None] | None = None
        self._until = math.inf  # when the one who waits wants to be woken in any case, by the loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self.pending = 0
        self.ended = False
        self.began = False

    @property
    def oldest(self) -> float | None:
        """When the first that was not taken arrived, monotonic seconds."""
        return self._batches[0][0].at if self._batches else None

    def put(self, batch: Batch) -> None:
        """Add a batch."""
        self.began = True
        size = batch.size
        self._batches.append((batch, size))
        self.pending += size
        self._wake()

    def end(self) -> None:
        """Say that this was all."""
        self.ended = True
        if self._timer:
            self._timer.cancel()
        self._wake()

    async def take(self, within: float | None) -> Batch | None:
        """The next batch; None if there is none within so many seconds, or at the end."""
        if self._batches or self.ended:
            # A backlog is taken without waiting: other tasks, and whoever stops us, must have their turn.
            await asyncio.sleep(0)
        else:
            self._waiter = self._loop.create_future()
            self._until = math.inf if within is None else self._loop.time() + within
            if self._until < self._timer_at:
                self._arm()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not self._batches:
            return None
        batch, size = self._batches.popleft()
        self.pending -= size
        return batch

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(self._until, self._expire), self._until

    def _expire(self) -> None:
        self._timer, self._timer_at = None, math.inf
        if self._waiter is None or self._until == math.inf:
            return
        if self._loop.time() < self._until:
            self._arm()
        else:
            self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

"""Batches between the socket's callbacks and the task that records them. Knows no socket and no protocol."""

import asyncio
from collections import deque

from recorder.connection import Batch


class Inbox:
    """A queue for one taker, without a task or a scope: it is waited on several times a second and stream.

    Attributes:
        pending: bytes that have not been taken.
        ended: nothing more will be put.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._batches: deque[Batch] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.pending = 0
        self.ended = False

    def put(self, batch: Batch) -> None:
        """Add a batch."""
        self._batches.append(batch)
        self.pending += batch.size
        self._wake()

    def end(self) -> None:
        """Say that this was all."""
        self.ended = True
        self._wake()

    async def take(self, within: float | None) -> Batch | None:
        """The next batch; None if there is none within so many seconds, or at the end."""
        if self._batches or self.ended:
            # A backlog is taken without waiting: other tasks, and whoever stops us, must have their turn.
            await asyncio.sleep(0)
        else:
            await self._wait(within)
        if not self._batches:
            return None
        batch = self._batches.popleft()
        self.pending -= batch.size
        return batch

    async def _wait(self, within: float | None) -> None:
        self._waiter = self._loop.create_future()
        timer = None if within is None else self._loop.call_later(within, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

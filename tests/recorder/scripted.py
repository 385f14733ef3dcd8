"""A `Connector` that plays a script, on whatever clock the test runs."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence

import anyio

from recorder.connection import Batch, ConnectionLost, ConnectionRefused
from recorder.core.packets import Row
from recorder.watchlist import Watch

FRAME = 160
"""Samples of a message: 20 ms."""

Script = Callable[[], AsyncIterator[bytes]]


class Counter:
    """A source of audio that can be recognised: quiet, smooth, and different every second."""

    def __init__(self) -> None:
        self.sent = 0

    def message(self) -> bytes:
        """The next 20 ms as SLN, 16-bit little-endian."""
        first, self.sent = self.sent, self.sent + FRAME
        return pcm(first, FRAME)


def pcm(first: int, samples: int) -> bytes:
    """Samples `first` and following of the source."""
    return struct.pack(f"<{samples}h", *(sample(n) for n in range(first, first + samples)))


def sample(number: int) -> int:
    return 100 + number // 8000 % 100 + abs(number % 200 - 100)


async def talk(source: Counter, seconds: float) -> AsyncIterator[bytes]:
    """Real time: a message every 20 ms, on an absolute schedule."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for n in range(round(seconds * 50)):
        await asyncio.sleep(max(0.0, began + (n + 1) * FRAME / 8000 - loop.time()))
        yield source.message()


class ScriptedConnection:
    """Plays one script, then is lost. Like a socket, it takes what comes, whether or not anybody receives.

    Attributes:
        asked: how often it was asked for what has come.
        closed_at: when it was hung up, by the loop's clock.
    """

    def __init__(self, script: AsyncIterator[bytes]) -> None:
        self._batches: list[Batch] = []
        self._changed = asyncio.Event()
        self.ended = False
        self.asked = 0
        self.closed_at: float | None = None
        self.task = asyncio.get_running_loop().create_task(self._play(script))

    async def _play(self, script: AsyncIterator[bytes]) -> None:
        try:
            async for message in script:
                self._batches.append(Batch(asyncio.get_running_loop().time(), [Row.of(message)]))
                self._changed.set()
        finally:
            self.ended = True
            self._changed.set()

    @property
    def unread_since(self) -> float | None:
        return self._batches[0].at if self._batches else None

    async def receive(self, within: float | None = None) -> Batch | None:
        self.asked += 1
        await asyncio.sleep(0)
        if not self._batches and not self.ended:
            self._changed.clear()
            with anyio.move_on_after(within):
                await self._changed.wait()
        if self._batches:
            return self._batches.pop(0)
        if self.ended:
            raise ConnectionLost("the script is over")
        return None

    async def close(self) -> None:
        self.closed_at = asyncio.get_running_loop().time()
        self.task.cancel()
        await asyncio.wait([self.task])


class ScriptedPlatform:
    """Answers each connect with the next step of a script: a refusal, or a stream. The last step repeats.

    Attributes:
        attempts: when connects were made, by the loop's clock.
        connections: those that came about.
    """

    def __init__(self, steps: Sequence[ConnectionRefused | Script]) -> None:
        self._steps = list(steps)
        self.attempts: list[float] = []
        self.connections: list[ScriptedConnection] = []

    async def connect(self, watch: Watch) -> ScriptedConnection:  # noqa: ARG002  one script for all
        await anyio.sleep(0.01)
        self.attempts.append(asyncio.get_running_loop().time())
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, ConnectionRefused):
            raise ConnectionRefused(
                step.setback, str(step), retry_after=step.retry_after, request_id=step.request_id
            )
        self.connections.append(ScriptedConnection(step()))
        return self.connections[-1]

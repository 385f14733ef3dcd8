"""An event loop on virtual time: when every task waits, the clock moves to the next deadline at once.

A day passes in a second, always in the same way. For code that touches no socket and no thread.
"""

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from recorder.clock import Clock
from recorder.offload import Arguments, Result

BEGIN = datetime(2026, 11, 22, 15, 2, 30, tzinfo=UTC)


class _Selector(selectors.SelectSelector):
    """Never waits: a timeout is a step of the clock."""

    def __init__(self, loop: "VirtualLoop") -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("every task waits for ever")
        self._loop.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its `time` begins at 1000 seconds and moves only when nothing else can happen."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


def virtual_clock(*, step: Callable[[], timedelta] = timedelta) -> Clock:
    """The clock of the running virtual loop; `step` is what somebody has set the wall clock forward by."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    return Clock(loop.time, lambda: BEGIN + timedelta(seconds=loop.time() - began) + step())


class Inline:
    """Makes blocking calls where it stands: on virtual time there are no threads to wait for."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.seconds = seconds

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        await asyncio.sleep(self.seconds)
        return call(*arguments)

    def begin(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> asyncio.Future[Result]:
        return asyncio.ensure_future(self(call, *arguments))

    def close(self) -> None:
        """Nothing outlives the call that began it."""

"""The one door by which blocking calls leave the event loop: one leaf for the network, one for the disk."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar, TypeVarTuple

import anyio

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

LARGEST_HOP = 64
"""Disk calls that go to a thread together. One that is slow holds up the others of its hop, and no more."""
MOST_ABANDONED = 16
"""Network calls that nobody waits for any more and that have not ended. A store ends them at their deadline,
but not every library and not every file system lets itself be interrupted."""
PATIENT = 10
"""What the nice value of all threads here is raised by. Hundreds of segments end at the same moment: what has
to be done for them takes what receiving leaves of the processor."""


class Offload(Protocol):
    """Runs blocking calls somewhere else."""

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Run `call(*arguments)` and return what it returns, or raise what it raises."""


class Disk(Offload, Protocol):
    """An `Offload` that need not be waited for at once."""

    def begin(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> asyncio.Future[Result]:
        """Have `call(*arguments)` run; its future is what it returns or raises. It is run in any case."""

    def close(self) -> None:
        """Wait for what was begun."""


class NetworkThreads:
    """Network calls, at most `threads` at a time, the others in order.

    A call whose caller is cancelled is abandoned: one that hangs in the network must hold up nobody. Of those
    there are never more than `abandoned`: then the next call waits until one of them has ended.
    """

    def __init__(self, threads: int, *, abandoned: int = MOST_ABANDONED) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._most = threads + abandoned
        self._running = 0
        self._one_less = anyio.Event()

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """See `Offload`."""
        async with self._limiter:
            while self._running >= self._most:
                await self._one_less.wait()
            loop = asyncio.get_running_loop()
            asked = _Call(call, arguments, loop.create_future())
            # A daemon thread: the interpreter does not wait for it when the process ends.
            thread = threading.Thread(target=self._perform, args=(asked, loop), name="network", daemon=True)
            thread.start()
            self._running += 1
            result: Result = await asked.answer
            return result

    def _perform(self, asked: "_Call", loop: asyncio.AbstractEventLoop) -> None:
        _be_patient()
        asked.perform()
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(self._end, asked)

    def _end(self, asked: "_Call") -> None:
        self._running -= 1
        self._one_less.set()
        self._one_less = anyio.Event()
        asked.settle()


class DiskThreads:
    """Disk calls of many streams, taken to a thread together.

    A call to the disk is short and a hop to a thread is not: what was asked for in one turn of the loop goes
    in one hop, of at most `hop` calls. A call that was begun is finished, whatever becomes of its caller.
    """

    def __init__(self, threads: int, *, hop: int = LARGEST_HOP) -> None:
        self._hop = hop
        self._asked: list[_Call] = []
        # A plain queue: an executor makes a future for every hop, with a lock, and nobody would use it.
        self._hops: SimpleQueue[tuple[list[_Call], asyncio.AbstractEventLoop] | None] = SimpleQueue()
        # Daemon threads: a start that fails has nothing begun that an exit would have to wait for.
        self._threads = [
            threading.Thread(target=self._work, name="disk", daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """See `Offload`."""
        return await self.begin(call, *arguments)

    def begin(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> asyncio.Future[Result]:
        """See `Disk`."""
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._go, loop)
        answer: asyncio.Future[Result] = loop.create_future()
        self._asked.append(_Call(call, arguments, answer))
        return answer

    def close(self) -> None:
        """See `Disk`."""
        for _ in self._threads:
            self._hops.put(None)
        for thread in self._threads:
            thread.join()

    def _go(self, loop: asyncio.AbstractEventLoop) -> None:
        asked, self._asked = self._asked, []
        for start in range(0, len(asked), self._hop):
            self._hops.put((asked[start : start + self._hop], loop))

    def _work(self) -> None:
        _be_patient()
        while hop := self._hops.get():
            _perform(*hop)


class _Call:
    """A call, and the future of its answer."""

    def __init__(
        self, call: Callable[..., Any], arguments: tuple[Any, ...], answer: asyncio.Future[Any]
    ) -> None:
        self.call = call
        self.arguments = arguments
        self.answer = answer
        self.result: Any = None
        self.error: BaseException | None = None

    def perform(self) -> None:
        try:
            self.result = self.call(*self.arguments)
        except Exception as error:  # noqa: BLE001  it is raised where the call was asked for
            self.error = error

    def settle(self) -> None:
        """Answer whoever still waits."""
        if self.answer.done():
            return
        if self.error:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.result)


def _be_patient() -> None:
    """Let the other threads go first. On Linux a thread has a nice value of its own."""
    thread = threading.get_native_id()
    nice = os.getpriority(os.PRIO_PROCESS, thread) + PATIENT
    os.setpriority(os.PRIO_PROCESS, thread, min(nice, 19))


def _perform(calls: list[_Call], loop: asyncio.AbstractEventLoop) -> None:
    for call in calls:
        call.perform()
    with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
        loop.call_soon_threadsafe(_settle, calls)


def _settle(calls: list[_Call]) -> None:
    for call in calls:
        call.settle()

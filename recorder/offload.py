"""The one door by which blocking calls leave the event loop."""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Offload:
    """Runs blocking calls in threads, at most `threads` at a time; the others wait for their turn in order.

    `abandon` says what happens when the caller is cancelled: a call that writes to the disk is waited for,
    one that hangs in the network is left to itself.
    """

    def __init__(self, threads: int, *, abandon: bool) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._abandon = abandon

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Run `call(*arguments)` in a thread and return what it returns, or raise what it raises."""
        return await anyio.to_thread.run_sync(
            call, *arguments, abandon_on_cancel=self._abandon, limiter=self._limiter
        )

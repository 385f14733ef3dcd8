"""How far the process is, from its start to its end, as the service manager is told it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final

import anyio

from recorder import notify
from recorder.notify import Notifier

_INSIST: Final = 50
"""Times that what must be told is tried to be told, a tenth of a second apart."""


class Phase(StrEnum):
    """How far the process is."""

    STARTING = "starting"
    """It puts in order what the life before left, and does not record yet, or has only begun to."""
    READY = "ready"
    """It records what the watch list says."""
    STOPPING = "stopping"
    """It was told to stop, and uploads what it has."""


class Lifecycle:
    """The phase, and the one who is told of it.

    Attributes:
        phase: the present one.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self.phase = Phase.STARTING

    async def ready(self) -> None:
        """All that recording needs is there."""
        if self.phase is Phase.STARTING:
            self.phase = Phase.READY
            await self._insist(notify.READY)

    @asynccontextmanager
    async def reloading(self) -> AsyncIterator[None]:
        """The configuration is read again inside. Before the process is ready that is nothing to tell."""
        tell = self.phase is Phase.READY
        if tell:
            await self._insist(notify.reloading())
        try:
            yield
        finally:
            if tell:
                await self._insist(notify.READY)

    async def stopping(self) -> None:
        """The end has begun."""
        self.phase = Phase.STOPPING
        await self._insist(notify.STOPPING)

    async def _insist(self, assignment: str) -> None:
        for _ in range(_INSIST):
            if self._notifier.tell(assignment):
                return
            await anyio.sleep(0.1)

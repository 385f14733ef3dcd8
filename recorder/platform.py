"""The port to what the platform knows: its conferences and calls, and who is in them.

Recording never depends on it. Who asks must be ready for no answer, for as long as that lasts.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from recorder.connection import NotGranted
from recorder.core.snapshot import Snapshot
from storage.names import WatchId


class Unanswered(NotGranted):
    """The platform did not say: it is away, refuses, or talks nonsense. Nothing is known by it."""


class Withheld(Unanswered):
    """The platform does not say what there is of one id: it is another customer's, or the servers are old."""


async def nothing() -> None:
    """Do it."""


class Platform(Protocol):
    """Answers questions about conferences and calls."""

    async def conferences(self, between: Callable[[], Awaitable[None]] = nothing) -> Sequence[Snapshot]:
        """Every conference of ours that is not deleted, newest first, however many requests that takes.

        Of the type `conference` only: calls, and what connects and queues them, must be asked for by id.
        One that is created meanwhile may be missing. `between` is awaited between any two of the requests: a
        list may take seconds.

        Raises:
            Unanswered: not all of them could be had. Its message holds no secret.
        """

    async def get(self, watch_id: WatchId) -> Snapshot | None:
        """One conference or call, deleted ones too; None if the platform knows none of that id.

        Raises:
            Withheld: of this one nothing is known by that, and of others it may say something.
            Unanswered: nothing is known of it by that. Its message holds no secret.
        """

    async def close(self) -> None:
        """Let go of the sockets."""

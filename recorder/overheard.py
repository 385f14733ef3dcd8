"""A platform of which it is told when it does not answer, and about whom. Changes no answer."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from recorder.core.snapshot import Snapshot
from recorder.platform import Platform, Unanswered, nothing
from storage.names import WatchId


class Overheard:
    """Asks a platform.

    Args:
        unanswered: called with what was asked about, None for everything, and why nothing is known.
    """

    def __init__(self, platform: Platform, unanswered: Callable[[WatchId | None, Unanswered], None]) -> None:
        self._platform = platform
        self._unanswered = unanswered

    async def conferences(self, between: Callable[[], Awaitable[None]] = nothing) -> Sequence[Snapshot]:
        """See `Platform`."""
        with self._listening(None):
            return await self._platform.conferences(between)

    async def get(self, watch_id: WatchId) -> Snapshot | None:
        """See `Platform`."""
        with self._listening(watch_id):
            return await self._platform.get(watch_id)

    async def close(self) -> None:
        """See `Platform`."""
        await self._platform.close()

    @contextmanager
    def _listening(self, about: WatchId | None) -> Iterator[None]:
        try:
            yield
        except Unanswered as unanswered:
            self._unanswered(about, unanswered)
            raise

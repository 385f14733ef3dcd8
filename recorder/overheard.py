"""A platform of which it is told when it does not answer, and about whom. Changes no answer."""

from collections.abc import Awaitable, Callable, Sequence

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
        interruption: Unanswered | None = None

        async def interrupted() -> None:
            nonlocal interruption
            try:
                await between()
            except Unanswered as unanswered:
                interruption = unanswered
                raise

        try:
            return await self._platform.conferences(interrupted)
        except Unanswered as unanswered:
            if unanswered is not interruption:  # that was told already, of whom it was about
                self._unanswered(None, unanswered)
            raise

    async def get(self, watch_id: WatchId) -> Snapshot | None:
        """See `Platform`."""
        try:
            return await self._platform.get(watch_id)
        except Unanswered as unanswered:
            self._unanswered(watch_id, unanswered)
            raise

    async def close(self) -> None:
        """See `Platform`."""
        await self._platform.close()

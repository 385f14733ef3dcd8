"""The port to whoever looks for what is to be watched."""

from collections.abc import Sequence
from typing import Protocol

from recorder.core.snapshot import Snapshot
from storage.names import WatchId


class Finder(Protocol):
    """Looks for what is to be watched among all that there is."""

    @property
    def searching(self) -> bool:
        """Whether it looks for anything."""

    def listed(self, conferences: Sequence[Snapshot]) -> None:
        """The platform has these, and of those that can be listed no others."""

    def shown(self, watch_id: WatchId, conference: Snapshot | None) -> None:
        """The platform has this one, or knows none of that id."""

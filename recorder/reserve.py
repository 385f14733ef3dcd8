"""The reserve: room on the disk of the spool that audio does not take. Pure; knows no disk and no segment.

Facts and manifests may use it: they are small, and tell what was not recorded.
"""

import threading
from typing import Final

_ENOUGH: Final = 1.05
"""Times the reserve that must be free before audio is written again, so that it does not come and go."""


class Reserve:
    """Whether audio may be written, by what is free. May be asked and told by any thread.

    Attributes:
        least: bytes that are to stay free.
        paused: whether there are fewer, and audio is not to be written.
    """

    def __init__(self, least: int = 0) -> None:
        self.least = least
        self.paused = False
        self._missed = 0
        self._counting = threading.Lock()

    @property
    def enough(self) -> int:
        """Bytes that have to be free before audio is written again."""
        return int(self.least * _ENOUGH)

    def look(self, free: int) -> bool:
        """Take note of how many bytes are free; whether `paused` has changed by it."""
        before = self.paused
        self.paused = free < (self.enough if before else self.least)
        return self.paused != before

    def miss(self, samples: int) -> None:
        """Say that so many samples were not written because of it."""
        with self._counting:
            self._missed += samples

    def take_missed(self) -> int:
        """How many samples were not written since this was last asked."""
        with self._counting:
            missed, self._missed = self._missed, 0
        return missed

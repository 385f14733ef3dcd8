"""What is known of one watch while it is recorded, and a bell that rings when that changes."""

import math
from typing import Final

import anyio

from recorder.clock import Clock
from recorder.core.life import Course, Life
from recorder.core.snapshot import Known, Snapshot, Unseen

LOOK_INTERVAL: Final = 1.0
"""Seconds between two looks whether a stream that stands is still wanted, where anybody may say it is not."""

_WORDS: Final = {
    Course.WAIT: "nobody is in it",
    Course.END: "it has ended",
    Course.REOPEN: "people are there, and nobody was heard: the platform may have lost its bridge",
}


class Attendance:
    """Of one watch. Without news all is as if nobody could be asked.

    Args:
        observed: whether there will ever be any.

    Attributes:
        life: what becomes of its stream.
        look_within: seconds until it is to be looked at again.
    """

    def __init__(self, clock: Clock, *, observed: bool = False) -> None:
        self._clock = clock
        self.look_within = LOOK_INTERVAL if observed else math.inf
        self._bell = anyio.Event()
        self.life = Life()

    def told(self, known: Known) -> None:
        """This is known now."""
        before = self.life.known
        self.life.told(known, self._clock.monotonic())
        if known != before:
            self._bell.set()

    def ring(self) -> None:
        """Wake who waits for a change."""
        self._bell.set()

    @property
    def course(self) -> Course:
        """What is to be done now."""
        return self.life.course(self._clock.monotonic())

    @property
    def unwanted(self) -> bool:
        """Whether no stream is to be opened."""
        return self.course in (Course.WAIT, Course.END)

    @property
    def why(self) -> str:
        """Why no stream is wanted, or another one is."""
        if self.course is Course.WAIT and self.life.known is Unseen.ABSENT:
            return "the platform knows none of that id"
        words = _WORDS.get(self.course, "")
        if self.course is Course.END and isinstance(self.life.known, Snapshot) and self.life.known.status:
            return f"{words}: {self.life.known.status}"
        return words

    async def change(self, within: float | None = None) -> None:
        """Wait for news, for `ring`, or so many seconds."""
        with anyio.move_on_after(within):
            await self._bell.wait()
        if self._bell.is_set():
            self._bell = anyio.Event()

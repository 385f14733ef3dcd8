"""What is known of one watch while it is recorded, and a bell that rings when that changes.

It decides what becomes of the stream (`life`), and is kept for the manifests (`sightings`).
"""

import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from recorder.clock import Clock
from recorder.connection import NotGranted
from recorder.core.life import Course, Life, Patience
from recorder.core.sightings import Sightings
from recorder.core.snapshot import Known, Unseen

ABSENT: Final = "the platform knows none of that id"
EMPTY: Final = "nobody is in it"
SILENT: Final = "people are there, and nobody was heard: the platform may have lost its bridge"

Result = TypeVar("Result")


class Attendance:
    """Of one watch. Without news all is as if nobody could be asked.

    Attributes:
        life: what becomes of its stream.
        sightings: what there is to say of it in manifests, if anybody is asked about it.
    """

    def __init__(self, clock: Clock, *, patience: Patience | None = None) -> None:
        self._clock = clock
        self._bell = anyio.Event()
        self._until_news: anyio.CancelScope | None = None
        self._looked_at = clock.monotonic()
        self.life = Life(patience)
        self.sightings = Sightings(clock.monotonic(), clock.utc())

    def told(self, known: Known) -> None:
        """This is known now."""
        before = self.life.known
        self.life.told(known, self._clock.monotonic())
        self.sightings.told(known, self._clock.monotonic())
        if known != before:
            self._bell.set()
            if self._until_news:
                self._until_news.cancel()

    def connected(self) -> None:
        """A stream stands, and audio gets its times from now."""
        self.life.connected(self._clock.monotonic())
        self.sightings.connected(self._clock.monotonic(), self._clock.utc())

    def failed(self, failure: NotGranted) -> None:
        """The platform did not grant what it was asked for: a stream, or an answer."""
        if failure.request_id:
            self.sightings.failed(failure.setback, failure.request_id, self._clock.monotonic())

    def ring(self) -> None:
        """Wake who waits for a change."""
        self._bell.set()

    @property
    def course(self) -> Course:
        """What is to be done now."""
        self._looked_at = self._clock.monotonic()
        return self.life.course(self._looked_at)

    @property
    def unwanted(self) -> bool:
        """Whether no stream is to be opened."""
        return self.course in (Course.WAIT, Course.END)

    @property
    def why(self) -> str:
        """Why no stream is wanted, or another one is."""
        match self.course:
            case Course.WAIT:
                return ABSENT if self.life.known is Unseen.ABSENT else EMPTY
            case Course.END:
                return self.life.ending
            case Course.REOPEN:
                return SILENT
            case _:
                return ""

    @property
    def look_within(self) -> float:
        """Seconds until something else is to be done than `course` said last, though there are no news."""
        due = self.life.next_look(self._looked_at)  # what fell due since then must not be passed over
        return math.inf if due is None else max(0.0, due - self._clock.monotonic())

    async def unless_told(self, wait: Callable[[], Awaitable[Result]]) -> Result | None:
        """Wait, but no longer than until there are news that matter; None if there are. One at a time."""
        if self.life.hears(self._clock.monotonic()):
            return await wait()
        with anyio.CancelScope() as self._until_news:
            return await wait()
        return None

    async def change(self, within: float | None = None) -> None:
        """Wait for news, for `ring`, or so many seconds."""
        with anyio.move_on_after(within):
            await self._bell.wait()
        if self._bell.is_set():
            self._bell = anyio.Event()

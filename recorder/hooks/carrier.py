"""The port by which one is told: a program that is run, or a server that is posted to."""

from typing import Protocol

from recorder.hooks.event import Occurrence


class NotTaken(Exception):
    """The one who was told did not take it. The message holds no secret."""


class Carrier(Protocol):
    """Tells one of them. Cancelled at its deadline, it leaves nothing behind that goes on."""

    async def __call__(self, occurrence: Occurrence) -> None:
        """Tell it once.

        Raises:
            NotTaken: it was not taken; the next attempt may be.
        """

    async def close(self) -> None:
        """Tell nothing more."""

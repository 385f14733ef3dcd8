"""The port to the platform: one connection that brings one watch's audio, or a reason why there is none."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from recorder.core.packets import DiscardReason, Row
from recorder.watchlist import Watch

NOTHING: Final[Mapping[DiscardReason, int]] = MappingProxyType({})
"""No message was discarded."""


ROW_COST: Final = 250
"""Bytes that a row takes beside its messages."""


class Batch(NamedTuple):
    """What one read of the socket brought.

    Attributes:
        at: monotonic seconds of the read.
        rows: whole binary messages, in order.
        discarded: counts of messages that were not binary or too long to be looked at.
        waited: seconds that they may have lain unread before.
    """

    at: float
    rows: Sequence[Row] = ()
    discarded: Mapping[DiscardReason, int] = NOTHING
    waited: float = 0.0

    @property
    def size(self) -> int:
        """Bytes that it takes in memory: of a read of the shortest messages, most is what is said of them."""
        return sum(row.size * row.many + ROW_COST for row in self.rows)


class Setback(StrEnum):
    """Why there is no connection, told apart by what to do next."""

    NOT_LIVE = "not live yet"
    """There is no such conference or call, or nobody has joined it: ask again, slowly, without alarm."""
    REFUSED = "refused"
    """The credential or its permissions are wrong. A person must act; ask again rarely, in case one has."""
    THROTTLED = "throttled"
    """Too many requests, or the platform is overloaded: wait as long as it says."""
    TRANSIENT = "transient"
    """Anything else: network, restarts, time-outs. Try again."""


class NotGranted(Exception):
    """What the platform was asked for did not come about.

    Attributes:
        setback: what to do about it.
        retry_after: seconds that the platform asks to wait, None if it does not say.
        remedy: what a person can do about it, in words; "" where nothing special is known.
        request_id: what the platform calls the request, None if it does not say. Comes from outside.
    """

    def __init__(
        self,
        setback: Setback,
        message: str,
        *,
        retry_after: float | None = None,
        remedy: str = "",
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.setback = setback
        self.retry_after = retry_after
        self.remedy = remedy
        self.request_id = request_id


class ConnectionRefused(NotGranted):
    """No connection came about."""


class ConnectionLost(Exception):
    """The connection ended, by whomever. All that it brought before has been received."""


class Connection(Protocol):
    """One stream of one watch."""

    @property
    def unread_since(self) -> float | None:
        """Since when something has come that was not received, or may have, monotonic seconds; None: nothing.

        A stream that reads now and then is at such a point every time; one that stays there is stuck.
        """

    async def receive(self, within: float | None = None) -> Batch | None:
        """The next batch, in order of arrival, none ever left out; None if none comes within so many seconds.

        A batch that is there is returned, however little time is given.

        Raises:
            ConnectionLost: the connection has ended and every batch has been received.
        """

    async def close(self) -> None:
        """End the connection, politely if that is quick. What arrived before can still be received."""


class Connector(Protocol):
    """Opens connections."""

    async def connect(self, watch: Watch) -> Connection:
        """Open the stream of a watch. A connection says nothing about audio: that comes, or it does not.

        Raises:
            ConnectionRefused: with what to do about it. Its message holds no secret.
        """

"""The time between two segments, accounted for: how long it was, and for which reasons.

Seconds are floats, instants aware datetimes. Knows no clock: all of them are given.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from storage.manifest import OpenedAfter, OpenedAfterReason


class Past(NamedTuple):
    """What is known of the time before a recording began.

    Attributes:
        ended_at: UTC just after the last sample that was recorded before.
        causes: why nothing was since then, in order, each for about so many seconds.
    """

    ended_at: datetime
    causes: tuple[tuple[OpenedAfterReason, float], ...]

    def shares(self, seconds: float) -> dict[OpenedAfterReason, float]:
        """Divide so many seconds among the causes, in order; what they leave is the last one's."""
        shares: dict[OpenedAfterReason, float] = {}
        for reason, about in self.causes:
            share = min(max(0.0, about), seconds)
            shares[reason] = shares.get(reason, 0.0) + share
            seconds -= share
        if self.causes:
            shares[self.causes[-1][0]] += seconds
        return shares


def first_of_all(past: Past | None, at: datetime, watched: float, disconnected: float) -> OpenedAfter:
    """Account for the time before the first audio of a recording, which was heard at `at`.

    It has watched for `watched` seconds by then, and had no connection for `disconnected` of them.
    """
    shares: dict[OpenedAfterReason, float] = {}
    if past:
        # A wall clock that was set back must not make less of it than we know ourselves.
        shares = past.shares(max(0.0, (at - past.ended_at).total_seconds() - watched))
    return _account(OpenedAfterReason.START, watched, disconnected, shares)


def between(reason: OpenedAfterReason, seconds: float, disconnected: float) -> OpenedAfter:
    """Account for `seconds` without audio, `disconnected` of them without a connection."""
    return _account(reason, seconds, disconnected, {})


def _account(
    reason: OpenedAfterReason, seconds: float, disconnected: float, before: Mapping[OpenedAfterReason, float]
) -> OpenedAfter:
    disconnected = min(max(0.0, disconnected), seconds)
    rest = OpenedAfterReason.IDLE if reason is OpenedAfterReason.DISCONNECTED else reason
    shares = dict(before)
    for each, share in ((OpenedAfterReason.DISCONNECTED, disconnected), (rest, seconds - disconnected)):
        shares[each] = shares.get(each, 0.0) + share
    by_reason = {each: round(share, 6) for each, share in shares.items() if share > 0}
    first = next(iter(before), reason) if any(before.values()) else reason
    total = sum(before.values()) + seconds
    return OpenedAfter(reason=first, seconds=round(total, 6), by_reason=by_reason)

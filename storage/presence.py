"""What the platform said of a conference or call while a segment was recorded: name, who was there, failures.

Times are instants in UTC, when the recorder learned of something, and no samples: the platform tells late, by
seconds where it has to be asked, and a sample would claim what nobody knows. What a change is known to lie
between is `after` and `at`. They are on the clock of the segment's own `started_at`: setting the wall clock
does not tear them from the audio. Ids are the platform's (`conferencecall_ids`), no numbers of anybody. Pure.
"""

from pydantic import Field, NonNegativeInt

from storage.record import Instant, Record


class Presence(Record):
    """Who was there from `at` on, as far as was known.

    Attributes:
        at: when the recorder learned of it.
        after: when the platform last said otherwise; null where nothing was known before.
        count: how many were there; null: from then on the platform did not say.
        present: their ids, where nothing was known before.
        joined: ids of who had come.
        left: ids of who had gone.
    """

    at: Instant
    after: Instant | None = None
    count: NonNegativeInt | None
    present: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class PlatformFailure(Record):
    """A request that the platform refused or failed to answer, by which its operators find it.

    `setback` says what followed: `not live yet`, `refused`, `throttled` or `transient`.
    """

    at: Instant
    setback: str
    request_id: str


class LeftOut(Record):
    """How much was known and does not stand here, so that a manifest stays small."""

    changes: NonNegativeInt = 0
    ids: NonNegativeInt = 0
    failures: NonNegativeInt = 0


class PlatformFacts(Record):
    """All that was known from the platform.

    What it said after the last sample, and before the segment was closed, is here, too: of an end it speaks
    when it is over.

    Attributes:
        name: the last that it had.
        type: `conference`, `connect` or `queue`.
        status_at_start: the platform's word when the segment began; null where it did not say.
        status_at_end: that when it was closed; null where it did not say, and where the recorder died.
        seen_until: when the platform last showed it. Nothing here is claimed of later.
        participants_at_start, participants_at_end: how many were there, null as for the status.
        participants_most: how many were there at most.
        participants: how that came about. The first is how it was when the segment began, if known.
        failures: the last since the segment before was closed.
        left_out: absent where nothing was.
    """

    name: str | None = None
    type: str | None = None
    status_at_start: str | None = None
    status_at_end: str | None = None
    seen_until: Instant | None = None
    participants_at_start: NonNegativeInt | None = None
    participants_at_end: NonNegativeInt | None = None
    participants_most: NonNegativeInt | None = None
    participants: tuple[Presence, ...] = ()
    failures: tuple[PlatformFailure, ...] = ()
    left_out: LeftOut | None = Field(default=None, exclude_if=lambda left_out: left_out is None)

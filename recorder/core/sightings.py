"""What the platform said of one watch, gathered for the manifests of its segments.

Knows no segment's audio. Everything that was said when a segment is closed stands with that segment; the next
one begins with how things then were. Bounded, whatever is said: see `MOST_CHANGES`.
"""

import re
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final

from recorder.core.snapshot import Known, Snapshot, Unseen
from storage.names import WatchKind
from storage.presence import LeftOut, PlatformFacts, PlatformFailure, Presence

MOST_CHANGES: Final = 200
"""Of who is there, listed for a segment. With `MOST_IDS`, some 200 kB of JSON at the very most."""
MOST_IDS: Final = 2000
"""Ids of participants that are listed for a segment."""
MOST_FAILURES: Final = 20
"""Failures that are listed for a segment: the last ones."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")


class Sightings:
    """Of one watch that the platform is asked about. Times are monotonic seconds.

    Args:
        now: monotonic seconds, at which it was
        utc: by the wall clock.
    """

    def __init__(self, now: float, utc: datetime) -> None:
        self._known: Known = Unseen.UNKNOWN
        self._ids: frozenset[str] = frozenset()  # who is there
        self._seen_at: datetime | None = None  # when the platform last showed it
        self._name: str | None = None
        self._type: str | None = None
        self._at_start: Known = Unseen.UNKNOWN
        self._most: int | None = None
        self._changes: list[Presence] = []
        self._ids_listed = 0
        self._ids_left_out = 0
        self._changes_left_out = 0
        self._failures: deque[PlatformFailure] = deque(maxlen=MOST_FAILURES)
        self._failed = 0
        self.connected(now, utc)

    # What it is told

    def connected(self, now: float, utc: datetime) -> None:
        """From `now` on instants are counted from `utc`, as those of the audio are."""
        self._anchor = (now, utc.astimezone(UTC))

    def told(self, known: Known, now: float) -> None:
        """This is known now."""
        at, before, after = self._instant(now), self._count, self._seen_at
        if known == self._known:
            self._seen_at = at if isinstance(known, Snapshot) else self._seen_at
            return
        self._known = known
        if isinstance(known, Snapshot):
            self._seen_at = at
            self._name, self._type = known.name or self._name, known.type or self._type
        if isinstance(known, Snapshot) and self._count is not None:
            self._compare(known.participants or (), at, after if before is not None else None)
        elif before is not None:
            self._note(at, after, None)

    def failed(self, setback: str, request_id: str, now: float) -> None:
        """The platform failed or refused a request, which it calls so."""
        self._failed += 1
        if _REQUEST_ID.fullmatch(request_id):
            at = self._instant(now)
            self._failures.append(PlatformFailure(at=at, setback=setback, request_id=request_id))

    # What it says

    def opened(self) -> PlatformFacts | None:
        """A segment begins: what is known, so far."""
        self._at_start = self._known
        self._changes, self._ids_listed, self._ids_left_out, self._changes_left_out = [], 0, 0, 0
        self._most = self._count
        if self._seen_at is not None and isinstance(self._known, Snapshot) and self._count is not None:
            self._note(self._seen_at, None, self._count, present=self._listed(self._known.participants or ()))
        return self.facts()

    def facts(self) -> PlatformFacts | None:
        """What is known of a segment that is open; None if nothing. Nothing in it is of its end."""
        if self._seen_at is None and not self._failed:
            return None
        left_out = LeftOut(
            changes=self._changes_left_out,
            ids=self._ids_left_out,
            failures=self._failed - len(self._failures),
        )
        return PlatformFacts(
            name=self._name,
            type=self._type,
            status_at_start=_status(self._at_start),
            seen_until=self._seen_at,
            participants_at_start=_count(self._at_start),
            participants_most=self._most,
            participants=tuple(self._changes),
            failures=tuple(self._failures),
            left_out=left_out if left_out != LeftOut() else None,
        )

    def closed(self) -> PlatformFacts | None:
        """The segment has ended: all that is known of it."""
        facts = self.facts()
        self._failures.clear()
        self._failed = 0
        end = {"status_at_end": _status(self._known), "participants_at_end": self._count}
        return facts.model_copy(update=end) if facts else None

    def _compare(self, there: tuple[str, ...], at: datetime, after: datetime | None) -> None:
        """Note who is there, or, if that was known at `after`, who has come and gone since."""
        ids = frozenset(there)
        joined, left, self._ids = ids - self._ids, self._ids - ids, ids
        self._most = max(self._most or 0, len(ids))
        if after is None:
            self._note(at, None, len(ids), present=self._listed(there))
        elif joined or left:
            came = tuple(each for each in there if each in joined)
            gone = tuple(sorted(left))
            self._note(at, after, len(ids), joined=self._listed(came), left=self._listed(gone))

    def _instant(self, now: float) -> datetime:
        anchored, utc = self._anchor
        return utc + timedelta(seconds=now - anchored)

    @property
    def _count(self) -> int | None:
        return _count(self._known)

    def _note(
        self,
        at: datetime,
        after: datetime | None,
        count: int | None,
        **ids: tuple[str, ...],
    ) -> None:
        if len(self._changes) < MOST_CHANGES:
            self._changes.append(Presence(at=at, after=after, count=count, **ids))
        else:
            self._changes_left_out += 1

    def _listed(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """The ids that there is room for, and that look like ids: hostile ones are counted, and no more."""
        room = MOST_IDS - self._ids_listed if len(self._changes) < MOST_CHANGES else 0
        listed = tuple(each for each in ids if _ID.fullmatch(each))[:room]
        self._ids_listed += len(listed)
        self._ids_left_out += len(ids) - len(listed)
        return listed


def _count(known: Known) -> int | None:
    """How many are there. Nobody says so of a call."""
    if not isinstance(known, Snapshot) or known.watch_id.kind is not WatchKind.CONFERENCE:
        return None
    return None if known.participants is None else len(known.participants)


def _status(known: Known) -> str | None:
    return (known.status or None) if isinstance(known, Snapshot) else None

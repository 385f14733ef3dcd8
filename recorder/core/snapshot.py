"""What the platform said of one conference or call at one moment, read from its JSON.

Servers differ: keys are left out where they are empty, instants come in two forms, and "never" has three.
Whatever comes is read as far as it can be. Knows no request and no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from storage.names import WatchId, WatchKind

_ENDING: Final[Mapping[WatchKind, frozenset[str]]] = {
    WatchKind.CONFERENCE: frozenset({"terminating", "terminated"}),
    WatchKind.CALL: frozenset({"terminating", "canceling", "hangup"}),
}
_HEARD: Final[Mapping[str, bool]] = {
    "progressing": True,
    **dict.fromkeys(("dialing", "ringing", *_ENDING[WatchKind.CALL]), False),
}
"""Whether anybody is to be heard in a call of that status."""
_LAST: Final = frozenset({"terminated", "hangup"})
"""After which none comes. A conference that was deleted gets there, too, unless it was empty."""
_MOST_PARTICIPANTS: Final = 10_000
_MOST_CHARACTERS: Final = 200
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
"""Years outside stand for "never": Go's zero time, and the sentinel of servers before February 2026."""


class Unseen(Enum):
    """What there is to know where the platform shows nothing."""

    ABSENT = "the platform knows none of that id"
    UNKNOWN = "the platform does not say"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A conference or call as the platform had it.

    Attributes:
        customer: whose it is, as a UUID; "" where it was not said.
        name: for people; "" for none.
        type: `conference`, `connect` or `queue`; "" for a call.
        status: the platform's word.
        participants: ids of who was in it, None if that was said in a form that we do not know; of a call
            always empty.
    """

    watch_id: WatchId
    customer: str = ""
    name: str = ""
    type: str = ""
    status: str = ""
    participants: tuple[str, ...] | None = ()
    created_at: datetime | None = None
    ended_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended, or is about to.

        One that was deleted while it was empty stays `terminating` for ever; a word that we do not know does
        not end anything.
        """
        return bool(self.ending)

    @property
    def ending(self) -> str:
        """How it has ended or is about to, in a word of the platform's; "" while it goes on."""
        ending = self.status in _ENDING[self.watch_id.kind]
        if self.deleted_at is not None and self.status not in _LAST:
            return "deleted"
        return self.status if ending else "ended" if self.ended_at is not None else ""

    @property
    def occupied(self) -> bool | None:
        """Whether there is anybody to be heard, None if that was said in a form that we do not know.

        `progressing` alone says so of calls only.
        """
        if self.watch_id.kind is WatchKind.CALL:
            return _HEARD.get(self.status)
        return None if self.participants is None else bool(self.participants)


Known = Snapshot | Unseen
"""What is known of a conference or call."""


def read_snapshot(kind: WatchKind, content: object) -> Snapshot | None:
    """Read one object of the platform's JSON; None if it names no conference or call."""
    if not isinstance(content, Mapping):
        return None
    try:
        watch_id = WatchId(kind, _text(content, "id"))
    except ValueError:
        return None
    conference = kind is WatchKind.CONFERENCE
    return Snapshot(
        watch_id=watch_id,
        customer=_text(content, "customer_id"),
        name=_text(content, "name") if conference else "",
        type=_text(content, "type") if conference else "",
        status=_text(content, "status"),
        participants=_participants(content) if conference else (),
        created_at=_instant(content, "tm_create"),
        ended_at=_instant(content, "tm_end" if conference else "tm_hangup"),
        deleted_at=_instant(content, "tm_delete"),
    )


def _text(content: Mapping[str, object], key: str) -> str:
    """A text that can stand in a log line; "" for anything else."""
    value = content.get(key)
    if not isinstance(value, str):
        return ""
    return "".join(filter(str.isprintable, value))[:_MOST_CHARACTERS]


def _participants(content: Mapping[str, object]) -> tuple[str, ...] | None:
    ids = content.get("conferencecall_ids")
    if ids is None:
        return ()  # servers leave out what is empty
    if not isinstance(ids, list):
        return None
    read = dict.fromkeys(each for each in ids[:_MOST_PARTICIPANTS] if isinstance(each, str) and each)
    return None if ids and not read else tuple(read)


def _instant(content: Mapping[str, object], key: str) -> datetime | None:
    """An instant in UTC, which is also what one without a zone is in; None for never."""
    try:
        instant = datetime.fromisoformat(_text(content, key))
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant if _FIRST_YEAR <= instant.year <= _LAST_YEAR else None

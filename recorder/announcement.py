"""The port to what the platform announces: that something has become of a conference. Not what.

Events come twice, too late, in any order or not at all, and servers of different ages send different ones.
So each is a hint to ask again, and where none come, somebody must ask anyway.
"""

import json
from collections.abc import Collection, Mapping
from typing import Final, Protocol

from storage.names import WatchId, WatchKind

MOST_TOPICS: Final = 50
"""Conferences, or calls, that are subscribed to one by one. Beyond, all of the customer's are: each event
comes twice then, and those of others too."""


class Announcements(Protocol):
    """One open event socket. Nothing comes before something was subscribed to."""

    async def subscribe(self, topics: Collection[str]) -> None:
        """Ask for more topics. The platform does not say whether it will ever send anything.

        Raises:
            ConnectionLost: the socket has ended.
        """

    async def receive(self) -> WatchId:
        """What the next event is about. Those that are about nothing are passed over.

        Raises:
            ConnectionLost: the socket has ended, and what is announced from now on is missed.
        """

    async def close(self) -> None:
        """End it."""


class Announcer(Protocol):
    """Opens event sockets."""

    async def open(self) -> Announcements:
        """Open one.

        Raises:
            ConnectionRefused: with what to do about it. Its message holds no secret.
        """


def topics(customer: str, watches: Collection[WatchId], *, all_of_them: bool = False) -> list[str]:
    """What to subscribe to, so as to hear of these watches; with `all_of_them` of any conference."""
    found: list[str] = []
    for kind in WatchKind:
        prefix = f"customer_id:{customer}:{kind}"
        own = sorted(watch.id for watch in watches if watch.kind is kind)
        if len(own) > MOST_TOPICS or (all_of_them and kind is WatchKind.CONFERENCE):
            found.append(prefix)
        else:
            found += [f"{prefix}:{each}" for each in own]
    return found


def read_event(text: str | bytes) -> WatchId | None:
    """The conference or call that an event is about; None if there is none.

    Since July 2026 an event is the bare resource, before it was wrapped, with its name as `type`. A bare
    conference has a `type`, too, and may have `data` of its own: only its `id` tells. Of bare ones,
    calls have a direction and conferences have none.
    """
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, Mapping):
        return None
    if "id" in event:
        kind = WatchKind.CALL if "direction" in event else WatchKind.CONFERENCE
    else:
        word, event = event.get("type"), event.get("data")
        if not isinstance(word, str) or not isinstance(event, Mapping):
            return None
        found = next((each for each in WatchKind if word.startswith(f"{each}_")), None)
        if found is None:
            return None
        kind = found
    identifier = event.get("id")
    try:
        return WatchId(kind, identifier if isinstance(identifier, str) else "")
    except ValueError:
        return None

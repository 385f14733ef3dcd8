"""What there is on the platform beside audio: conferences and calls, who is in them, and how they end.

Each is a resource of the API and has, while it lasts, a bridge that its streams hang on. What changes is
announced. Data and rules, no I/O: knows no socket and no credential, and not what is said.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import uuid4

from recorder.clock import Clock
from storage.names import WatchId

Announce = Callable[["Resource", str], None]
"""Called with what has changed and the platform's word for it, such as `conference_updated`."""


class ConferenceStatus(StrEnum):
    """The platform declares `starting`, too, and never sets it."""

    PROGRESSING = "progressing"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


class ConferenceType(StrEnum):
    """What a conference is for. Only the first is ever listed."""

    CONFERENCE = "conference"
    CONNECT = "connect"
    QUEUE = "queue"


class CallStatus(StrEnum):
    """In the order of an outgoing call."""

    DIALING = "dialing"
    RINGING = "ringing"
    PROGRESSING = "progressing"
    TERMINATING = "terminating"
    CANCELING = "canceling"
    HANGUP = "hangup"


@dataclass(slots=True, eq=False)
class Bridge:
    """Asterisk's bridge, as a stream in it hears it.

    Attributes:
        alive: whether it is still there. One that is not stays silent for ever.
        members: how many are in it; without any nothing is sent.
        hung_up: whether its streams are closed, which only those of a call ever are.
    """

    alive: bool = True
    members: int = 0
    hung_up: bool = False

    @property
    def audible(self) -> bool:
        """Whether frames come out of it."""
        return self.alive and self.members > 0


class Stay(NamedTuple):
    """One participant's time, by the monotonic clock; `left_at` is None while it lasts. A call has one."""

    participant: str
    joined_at: float
    left_at: float | None


@dataclass(slots=True, kw_only=True, eq=False)
class Conference:
    """A conference. It is `progressing` from its creation, whether or not anybody is in it.

    Attributes:
        participants: the ids of who is in it, as `conferencecall_ids` has them.
        bridge: what a new stream is put into; None as long as nobody has ever joined. A stale one is kept.
        stays: who was in it when.
    """

    watch: WatchId
    announce: Announce
    clock: Clock
    name: str = ""
    type: ConferenceType = ConferenceType.CONFERENCE
    status: ConferenceStatus = ConferenceStatus.PROGRESSING
    participants: list[str] = field(default_factory=list)
    bridge: Bridge | None = None
    stays: list[Stay] = field(default_factory=list)
    created_at: datetime = field(init=False)
    updated_at: datetime | None = None
    ended_at: datetime | None = None
    deleted_at: datetime | None = None

    def __post_init__(self) -> None:
        self.created_at = self.clock.utc()

    def join(self) -> str:
        """One more participant; returns the id.

        Raises:
            ValueError: the conference is over.
        """
        if self.status is not ConferenceStatus.PROGRESSING:
            raise ValueError(f"{self.watch} is {self.status}: nobody can join")
        if self.bridge is None or not self.bridge.alive:
            self.bridge = Bridge()
        participant = str(uuid4())
        self.participants.append(participant)
        self.stays.append(Stay(participant, self.clock.monotonic(), None))
        self._count()
        self._updated()
        return participant

    def leave(self, participant: str | None = None) -> None:
        """One participant less: this one, or who came last.

        Raises:
            ValueError: that one is not in it.
        """
        gone = participant or self.participants[-1] if self.participants else ""
        self.participants.remove(gone)
        now = self.clock.monotonic()
        self.stays = [stay._replace(left_at=now) if stay.participant == gone else stay for stay in self.stays]
        self._count()
        if self.bridge and self.type is not ConferenceType.CONFERENCE and len(self.participants) == 1:
            self.bridge.alive = False
        self._updated()
        if self.status is ConferenceStatus.TERMINATING and not self.participants:
            self._terminated()

    def rename(self, name: str) -> None:
        """Give it another name."""
        self.name = name
        self._updated()

    def delete(self, *, evict: bool = True) -> None:
        """End it, as DELETE and a timeout do. With `evict` its participants leave at once.

        An empty one stays `terminating`, and its bridge alive, for ever: the platform's last step waits for
        the last to leave.
        """
        self.status = ConferenceStatus.TERMINATING
        self._updated()
        self.deleted_at = self.clock.utc()
        self.announce(self, "conference_deleted")
        while evict and self.participants:
            self.leave()

    def restart_asterisk(self) -> None:
        """Lose the bridge and everybody in it. Its record stays: new streams hang on to nothing."""
        if self.bridge:
            self.bridge.alive = False
        while self.participants:
            self.leave()

    def _terminated(self) -> None:
        self.status = ConferenceStatus.TERMINATED
        self.ended_at = self.clock.utc()
        if self.bridge:
            self.bridge.alive = False
        self.announce(self, "conference_deleted")

    def _count(self) -> None:
        if self.bridge:
            self.bridge.members = len(self.participants)

    def _updated(self) -> None:
        self.updated_at = self.clock.utc()
        self.announce(self, "conference_updated")


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A call. Its streams hear it while it is `progressing`, and are closed when it hangs up.

    Attributes:
        bridge: what a stream is put into.
        stays: from when to when it was `progressing`.
    """

    watch: WatchId
    announce: Announce
    clock: Clock
    status: CallStatus = CallStatus.PROGRESSING
    bridge: Bridge = field(default_factory=Bridge)
    stays: list[Stay] = field(default_factory=list)
    created_at: datetime = field(init=False)
    updated_at: datetime | None = None
    ended_at: datetime | None = None
    deleted_at: datetime | None = None

    def __post_init__(self) -> None:
        self.created_at = self.clock.utc()
        self._count()

    def become(self, status: CallStatus) -> None:
        """Go on to another status, for each of which the platform has an event of its own."""
        self.status = status
        self.updated_at = self.clock.utc()
        self._count()
        if status is CallStatus.HANGUP:
            self.ended_at = self.updated_at
            self.bridge.alive, self.bridge.hung_up = False, True
        self.announce(self, f"call_{status}")

    def _count(self) -> None:
        speaking, now = self.status is CallStatus.PROGRESSING, self.clock.monotonic()
        if speaking and not self.bridge.members:
            self.stays.append(Stay(self.watch.id, now, None))
        elif self.bridge.members and not speaking:
            self.stays[-1] = self.stays[-1]._replace(left_at=now)
        self.bridge.members = int(speaking)


Resource = Conference | Call

"""The platform that is stood in for: who may listen, to what, and how it says no. State, no I/O."""

from collections.abc import Iterable, Mapping
from enum import Enum
from math import ceil

from recorder.clock import Clock
from recorder.simulator.announcing import Delivery, Subscriber
from recorder.simulator.programme import Airing, Programme
from recorder.simulator.record import Asked, WatchRecord
from recorder.simulator.rendering import TimeStyle, as_json
from recorder.simulator.resources import Call, CallStatus, Conference, ConferenceType, Resource
from recorder.simulator.script import Step, Trouble
from storage.names import WatchId, WatchKind

TOKEN = "simulated.not-a-secret.signature"  # noqa: S105 - made up; opens nothing but this
"""A token the simulator takes unless it is given others. Three parts, like a JWT, with nothing in them."""

ACCESSKEY = "vb_simulated0not0a0secret000000000"
"""An access key the simulator takes unless it is given others: `vb_` and 32 characters."""


class Grant(Enum):
    """What a credential is good for."""

    LISTEN = "everything of its customer"
    WEAK = "its role may not listen"
    OTHER_CUSTOMER = "everything, but of another customer"
    DIRECT = "a direct token, which streams are not open to"
    EXPIRED = "nothing any more"
    FROZEN = "nothing while the account is about to be deleted"


class ErrorStyle(Enum):
    """How a refusal looks."""

    ENVELOPE = "JSON with status, reason, message and request id: since April 2026"
    BARE = "400 or 401 with an empty body: before"


class RateLimit:
    """Requests a customer may make: `rate` a second after a burst of `burst`. VoIPBIN has 17 and 33."""

    def __init__(self, rate: float = 17.0, burst: int = 33) -> None:
        self.rate = rate
        self.burst = burst
        self._usual = rate
        self._tokens = float(burst)
        self._counted_at = 0.0

    def take(self, now: float) -> int | None:
        """None if one more is allowed at `now`, else the whole seconds to wait."""
        self._tokens = min(self.burst, self._tokens + (now - self._counted_at) * self.rate)
        self._counted_at = now
        if self._tokens < 1:
            return ceil((1 - self._tokens) / self.rate)
        self._tokens -= 1
        return None

    def crowd(self, left: float | None) -> None:
        """Others of the customer use it up: `left` requests a second are left. With None they are gone."""
        self.rate = self._usual if left is None else left
        self._tokens = 0.0


class Platform:
    """Programmes, resources, credentials and their record. Outlives the servers that give it a socket.

    Args:
        programmes: what can be listened to, each with people in it from the beginning.
        tokens: JWTs, taken from the cookie or the query `token` and from `Authorization: Bearer`.
        accesskeys: taken from the cookie or the query `accesskey` alone.
        errors: how refusals look.
        limit: requests a second, of streams, API and events together; None for as many as come.
        times: how instants are written.
        delivery: how events look, and how badly they are delivered.

    Attributes:
        asked: every request for anything, in order.
        api_trouble, events_trouble: what happens to requests of the API, and to attempts to reach the event
            socket, while it is set.
        foreign: what is another customer's: it is not listed, and nobody here may have it.
    """

    def __init__(
        self,
        *programmes: Programme,
        tokens: Mapping[str, Grant] | None = None,
        accesskeys: Mapping[str, Grant] | None = None,
        errors: ErrorStyle = ErrorStyle.ENVELOPE,
        limit: RateLimit | None = None,
        times: TimeStyle = TimeStyle.RFC3339,
        delivery: Delivery | None = None,
    ) -> None:
        self.tokens = {TOKEN: Grant.LISTEN} if tokens is None else dict(tokens)
        self.accesskeys = {ACCESSKEY: Grant.LISTEN} if accesskeys is None else dict(accesskeys)
        self.errors = errors
        self.limit = limit
        self.times = times
        self.delivery = delivery or Delivery()
        self.asked: list[Asked] = []
        self.api_trouble: Trouble | None = None
        self.events_trouble: Trouble | None = None
        self.foreign: set[WatchId] = set()
        self.subscribers: list[Subscriber] = []
        self._clock = Clock()
        self._airings: dict[WatchId, Airing] = {}
        self._resources: dict[WatchId, Resource] = {}
        self._lives: dict[WatchId, list[tuple[Resource, WatchRecord]]] = {}
        for programme in programmes:
            self.add(programme)

    def add(self, programme: Programme) -> None:
        """Put one more conference or call on the platform, or a new one in the place of an old one.

        Two are in it already, and nothing is announced.
        """
        watch = programme.watch
        if watch.kind is WatchKind.CALL:
            self._show(programme, Call(watch=watch, announce=self._announce, clock=self._clock))
            return
        conference = Conference(watch=watch, announce=_to_nobody, clock=self._clock)
        conference.join()
        conference.join()
        conference.announce = self._announce
        self._show(programme, conference)

    def create(
        self, programme: Programme, name: str = "", kind: ConferenceType = ConferenceType.CONFERENCE
    ) -> Conference:
        """Create a conference that nobody has joined yet, and announce it."""
        watch = programme.watch
        conference = Conference(watch=watch, announce=self._announce, clock=self._clock, name=name, type=kind)
        self._show(programme, conference)
        self._announce(conference, "conference_created")
        return conference

    def dial(self, programme: Programme) -> Call:
        """Begin a call that nobody has answered yet, and announce it."""
        call = Call(
            watch=programme.watch, announce=self._announce, clock=self._clock, status=CallStatus.DIALING
        )
        self._show(programme, call)
        self._announce(call, "call_created")
        return call

    def remove(self, watch: WatchId) -> None:
        """Forget one: the API knows nothing of it any more. Who listens goes on listening.

        Raises:
            KeyError: there is none.
        """
        del self._airings[watch]
        del self._resources[watch]

    def conference(self, watch: WatchId) -> Conference:
        """A conference, to join, leave and end.

        Raises:
            KeyError: there is none.
        """
        resource = self._resources[watch]
        if not isinstance(resource, Conference):
            raise KeyError(watch)
        return resource

    def call(self, watch: WatchId) -> Call:
        """A call, to be answered and hung up.

        Raises:
            KeyError: there is none.
        """
        resource = self._resources[watch]
        if not isinstance(resource, Call):
            raise KeyError(watch)
        return resource

    def resource(self, watch: WatchId) -> Resource | None:
        """What the API knows of a watch; None for nothing."""
        return self._resources.get(watch)

    def lives(self, watch: WatchId) -> list[tuple[Resource, WatchRecord]]:
        """All that there ever was of an id, in order: it may be forgotten, and come back."""
        return self._lives.get(watch, [])

    @property
    def resources(self) -> Iterable[Resource]:
        """All that the API knows."""
        return self._resources.values()

    @property
    def watches(self) -> Iterable[WatchId]:
        """Everything that can be listened to."""
        return self._airings.keys()

    def airing(self, watch: WatchId) -> Airing | None:
        """The programme of a watch as it goes out, or None if there is none."""
        return self._airings.get(watch)

    def record(self, watch: WatchId) -> WatchRecord:
        """What was sent on a watch.

        Raises:
            KeyError: there is no such watch.
        """
        return self._airings[watch].record

    def pending(self, watch: WatchId) -> tuple[Step, ...]:
        """The steps of the watch's script that have not happened yet.

        Raises:
            KeyError: there is no such watch.
        """
        return self._airings[watch].script.pending

    def _show(self, programme: Programme, resource: Resource) -> None:
        airing = self._airings[programme.watch] = Airing(programme)
        self._resources[programme.watch] = resource
        self._lives.setdefault(programme.watch, []).append((resource, airing.record))

    def _announce(self, resource: Resource, event: str) -> None:
        body = as_json(resource, self.times)
        for subscriber in tuple(self.subscribers):
            subscriber.publish(event, body, self.delivery)


def _to_nobody(_resource: Resource, _event: str) -> None:
    """What is set up before anybody listens is not announced."""

"""The platform that is stood in for: who may listen, to what, and how it says no. State, no I/O."""

from collections.abc import Iterable, Mapping
from enum import Enum
from math import ceil

from recorder.simulator.programme import Airing, Programme
from recorder.simulator.record import WatchRecord
from recorder.simulator.script import Step
from storage.names import WatchId

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
    """Handshakes a customer may make: `rate` a second after a burst of `burst`. VoIPBIN has 17 and 33."""

    def __init__(self, rate: float = 17.0, burst: int = 33) -> None:
        self.rate = rate
        self.burst = burst
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


class Platform:
    """Programmes, credentials and their record. Outlives the servers that give it a socket.

    Args:
        programmes: what can be listened to.
        tokens: JWTs, taken from the cookie or the query `token` and from `Authorization: Bearer`.
        accesskeys: taken from the cookie or the query `accesskey` alone.
        errors: how refusals look.
        limit: handshakes a second over all watches; None for as many as come.
    """

    def __init__(
        self,
        *programmes: Programme,
        tokens: Mapping[str, Grant] | None = None,
        accesskeys: Mapping[str, Grant] | None = None,
        errors: ErrorStyle = ErrorStyle.ENVELOPE,
        limit: RateLimit | None = None,
    ) -> None:
        self.tokens = {TOKEN: Grant.LISTEN} if tokens is None else dict(tokens)
        self.accesskeys = {ACCESSKEY: Grant.LISTEN} if accesskeys is None else dict(accesskeys)
        self.errors = errors
        self.limit = limit
        self._airings: dict[WatchId, Airing] = {}
        for programme in programmes:
            self.add(programme)

    def add(self, programme: Programme) -> None:
        """Put one more conference or call on the platform, or a new one in the place of an old one."""
        self._airings[programme.watch] = Airing(programme)

    def remove(self, watch: WatchId) -> None:
        """Delete one. Who listens goes on listening, as on the platform.

        Raises:
            KeyError: there is none.
        """
        del self._airings[watch]

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

"""What goes wrong, and in which order: a small vocabulary of faults and the cursor that walks through them.

A script is a sequence. Its first step is the next thing to happen; the second cannot happen before it. A
step of the door (`Refuse`, `NotLive` ...) waits for the next `times` attempts to connect, a step of the
audio (`Drop`, `Stall` ...) for the first connection that reaches the sample `at` or is past it. So

    [NotLive(times=2), Drop(at=8000), Refuse(503, times=3), Drop(at=24000)]

reads as it happens, and happens the same way each time. Knows no connection, no clock and no bytes on the
wire.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refuse:
    """Attempts answered with an HTTP error instead of the upgrade.

    `reason` is VoIPBIN's word, such as `ACCOUNT_FROZEN`; without one, the most usual for the status. A
    status of which VoIPBIN knows nothing (502, 530) is answered in plain text, as a proxy in front of it
    would. `retry_after` is the header's value in whole seconds.
    """

    status: int
    reason: str | None = None
    retry_after: int | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class AnswerLate:
    """Attempts answered in full, but only after `seconds`."""

    seconds: float
    times: int = 1


@dataclass(frozen=True, slots=True)
class CutOff:
    """Requests of the API whose connection is cut in place of an answer."""


@dataclass(frozen=True, slots=True)
class Babble:
    """Requests of the API answered 200, with a body that is not what was asked for."""

    body: bytes


@dataclass(frozen=True, slots=True)
class NotLive:
    """Upgraded, silent for `after` seconds, then a bare TCP close: nobody has ever joined the conference."""

    times: int = 1
    after: float = 3.0


@dataclass(frozen=True, slots=True)
class AcceptThenClose:
    """Upgraded, and at once a bare TCP close: the call has hung up, or Asterisk cannot reach the gateway."""

    times: int = 1


@dataclass(frozen=True, slots=True)
class NeverAudio:
    """Upgraded, open, and silent for ever: Asterisk never dials back."""

    times: int = 1


@dataclass(frozen=True, slots=True)
class Drop:
    """A bare TCP close, as when the gateway restarts. The conference goes on; who reconnects joins it live.

    `torn` bytes of the next frame are still sent, so that the stream ends inside it.
    """

    at: int
    torn: int = 0


@dataclass(frozen=True, slots=True)
class ResetConnection:
    """A TCP reset. What was sent before it has reached the client's machine on a loopback.

    `torn` bytes of the next frame are still sent, so that the stream ends inside it.
    """

    at: int
    torn: int = 0


@dataclass(frozen=True, slots=True)
class CloseFrame:
    """A close frame, from a proxy: VoIPBIN itself never begins a closing handshake."""

    at: int
    code: int = 1001


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing is sent for `seconds` of the conference's time.

    With `burst`, all of it follows at once: the network held it back. Without, it is lost: nobody sent it
    (a single participant who is muted), or it did not fit through. While `deaf`, the server does not answer
    pings either.
    """

    at: int
    seconds: float
    burst: bool = False
    deaf: bool = False


@dataclass(frozen=True, slots=True)
class Lose:
    """`messages` packets of Asterisk's never reach the gateway. Only Asterisk's own numbers show it."""

    at: int
    messages: int = 1


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One packet reaches the gateway `times` times more than it should."""

    at: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class Reorder:
    """One packet reaches the gateway after the `by` packets that follow it."""

    at: int
    by: int = 1


@dataclass(frozen=True, slots=True)
class Junk:
    """A message nobody asked for, before the audio at `at`: binary, or text if it is a `str`."""

    at: int
    message: bytes | str


@dataclass(frozen=True, slots=True)
class Fragment:
    """One message sent in `pieces` frames (RFC 6455, section 5.4)."""

    at: int
    pieces: int = 2


@dataclass(frozen=True, slots=True)
class Split:
    """One frame in two TCP segments: `first` bytes (header included), and the rest after `seconds`."""

    at: int
    first: int
    seconds: float = 0.05


BeforeUpgrade = Refuse | AnswerLate
Trouble = Refuse | AnswerLate | CutOff | Babble
"""What an API can be in for as long as it lasts; `times` does not count then."""
AfterUpgrade = NotLive | AcceptThenClose | NeverAudio
DoorStep = BeforeUpgrade | AfterUpgrade
AudioStep = Drop | ResetConnection | CloseFrame | Stall | Lose | Duplicate | Reorder | Junk | Fragment | Split
Step = DoorStep | AudioStep


class Script:
    """Where a watch is in its script. All connections of the watch share it, so each step happens once."""

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self._steps = tuple(steps)
        self._next = 0
        self._used = 0

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that have not happened yet. One that happens several times stays until the last."""
        return self._steps[self._next :]

    def knock(self) -> DoorStep | None:
        """Somebody tries to connect: what happens to them, if the next step is one of the door."""
        step = self._steps[self._next] if self._next < len(self._steps) else None
        if not isinstance(step, DoorStep):
            return None
        self._used += 1
        if self._used >= step.times:
            self._advance()
        return step

    def reach(self, position: int) -> AudioStep | None:
        """A connection is about to send the sample at `position`: what happens first, if its time came."""
        step = self._steps[self._next] if self._next < len(self._steps) else None
        if not isinstance(step, AudioStep) or position < step.at:
            return None
        self._advance()
        return step

    def _advance(self) -> None:
        self._next += 1
        self._used = 0

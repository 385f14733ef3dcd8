"""How long to wait before the next attempt. Randomness is an argument.

Full jitter (a random share of a doubling, capped ceiling) keeps a fleet that lost its server in the same
second from coming back in the same second. A floor spares a server that accepts and closes.
"""

from dataclasses import dataclass

STEADY = 10.0
"""Seconds of audio after which a connection counts as good and the waiting begins anew. A handshake proves
nothing: a server may accept and close all day."""

_MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds to wait: at least `floor`, at most `base` the first time, doubling up to `cap`."""

    floor: float
    base: float
    cap: float


class Backoff:
    """Counts attempts in a row that came to nothing."""

    def __init__(self) -> None:
        self._attempts = 0

    def delay(self, pace: Pace, chance: float) -> float:
        """Seconds to wait before the next attempt; `chance` is a random number from 0 to 1."""
        ceiling = min(pace.cap, pace.base * (1 << min(self._attempts, _MOST_DOUBLINGS)))
        self._attempts += 1
        return pace.floor + chance * (ceiling - pace.floor)

    def flowed(self, seconds: float) -> None:
        """Take note that a connection brought audio for so many seconds."""
        if seconds >= STEADY:
            self._attempts = 0

"""The state of a watch: one word and why, from what its stream and its recording report. Pure.

waiting     there is nothing to record yet: no such conference, nobody in it, or the platform asks us to wait
connecting  an attempt is under way, or the stream stands and it is not known yet what it brings
recording   audio comes, and the disk takes it
idle        the stream stands, and nobody is heard
degraded    audio is being lost, or may be, and it is tried again without anybody's help
blocked     nothing will be recorded before a person does something
ended       the platform says that it is over; all that was heard of it is recorded, and it may come back

Knows no log and no clock.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from recorder.connection import Setback

NOT_LIVE_WITHIN = 5.0
"""Seconds. The platform accepts the stream of a conference that nobody has joined, and cuts it after 3 s."""
STALLED_FADES = 60.0
"""Seconds in which what was missing in a stream fades to a third."""
WEIGHED = 35.0
"""Seconds after which something of what comes must have been written: longer than it may be weighed."""
MOSTLY = 30.0
"""Seconds of it that are too many: half of the time, for a minute or so. A pause or two come to less."""
CORRECT = "correct the credential or its permissions"
"""What a person must do where the platform does not say what is wrong."""


class State(StrEnum):
    """What a watch is at."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    RECORDING = "recording"
    IDLE = "idle"
    DEGRADED = "degraded"
    BLOCKED = "blocked"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Condition:
    """A state, and why where that is not plain; for `blocked`, what a person must do."""

    state: State
    why: str = ""


@dataclass(slots=True)
class Facts:
    """What is known of a watch. Times in monotonic seconds.

    Attributes:
        setback: why there was no connection when one was last tried for, None before that.
        reason: the same in words.
        remedy: what to do about it, "" where nothing special is known.
        missed: audio came until the connection broke off, and nobody has said since that it has ended.
        connected_at: since when the connection stands, None where there is none.
        heard_at: when audio last came over this connection, None where none has.
        unreadable: why messages of this connection held no audio, "" where none was like that.
        unreadable_at: when the last of those came.
        stalled: seconds of silence for what a standing connection did not bring; they fade, see `fade`.
        stalled_at: when that was last counted.
        unwritten_since: since when audio comes and nothing of it is written, None while something is.
        disk: why the disk does not take audio, "" where it does.
        unsealed: why what is closed cannot be sealed, "" where it can.
        failure: what went wrong in a way nobody expected, "" while it has not.
        ended: how it has ended, "" while it has not.
        people: how many are known to be there.
        unheard: what to think of it that they are not heard, "" while that is nothing unusual.
    """

    setback: Setback | None = None
    reason: str = ""
    remedy: str = ""
    missed: bool = False
    connected_at: float | None = None
    heard_at: float | None = None
    unreadable: str = ""
    unreadable_at: float = -math.inf
    stalled: float = 0.0
    stalled_at: float = 0.0
    unwritten_since: float | None = None
    disk: str = ""
    unsealed: str = ""
    failure: str = ""
    ended: str = ""
    people: int = 0
    unheard: str = ""

    def fade(self, now: float) -> float:
        """What counts of `stalled` by now: of a minute ago, a third."""
        return self.stalled * math.exp((self.stalled_at - now) / STALLED_FADES)

    def stall(self, seconds: float, now: float) -> None:
        """Count that much more."""
        self.stalled, self.stalled_at = self.fade(now) + seconds, now


def condition(facts: Facts, now: float, idle_after: float) -> Condition:
    """What the facts come to `now`. Without audio for `idle_after` seconds nobody is heard."""
    if facts.failure:
        return Condition(State.DEGRADED, f"begun again after an error: {facts.failure}")
    if facts.unsealed and (facts.ended or facts.connected_at is not None):
        return Condition(State.DEGRADED, f"a closed segment cannot be sealed: {facts.unsealed}")
    if facts.connected_at is None:
        return _without_a_connection(facts)
    if facts.heard_at is None and now - facts.connected_at < max(idle_after, NOT_LIVE_WITHIN):
        before = _without_a_connection(facts)
        return Condition(State.CONNECTING) if before.state in (State.BLOCKED, State.ENDED) else before
    return _with_a_stream(facts, now, now - idle_after)


def _with_a_stream(facts: Facts, now: float, lately: float) -> Condition:
    """What a stream comes to that has had the time to bring something, by what it has brought `lately`."""
    if facts.heard_at is not None and facts.heard_at > lately:
        if facts.disk:
            return Condition(State.DEGRADED, f"not recorded: {facts.disk}")
        if facts.unwritten_since is not None and now - facts.unwritten_since > WEIGHED:
            return Condition(State.DEGRADED, "messages come, and no audio can be made of them")
        if facts.fade(now) > MOSTLY:
            return Condition(State.DEGRADED, "it brings far less audio than time passes: most is silence")
        return Condition(State.RECORDING)
    if facts.unreadable_at > lately:
        return Condition(State.DEGRADED, f"messages come, and hold no audio: {facts.unreadable}")
    return _unheard(facts, State.IDLE)


def _unheard(facts: Facts, otherwise: State) -> Condition:
    """What a stream comes to that brings nothing. One may be silent; of several even the silence is sent."""
    return Condition(State.DEGRADED if facts.unheard and facts.people > 1 else otherwise, facts.unheard)


def _without_a_connection(facts: Facts) -> Condition:
    why = f"{facts.reason}: {facts.remedy}" if facts.remedy else facts.reason
    match facts.setback:
        case _ if facts.ended:
            return Condition(State.ENDED, facts.ended)
        case None:
            return _unheard(facts, State.CONNECTING)
        case Setback.REFUSED:
            return Condition(State.BLOCKED, why if facts.remedy else f"{why}: {CORRECT}")
        case Setback.NOT_LIVE:
            return Condition(State.WAITING, why)
        case Setback.THROTTLED if not facts.missed:
            return Condition(State.WAITING, why)
        case _:
            return Condition(State.DEGRADED, f"no connection: {why}")

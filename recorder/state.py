"""The state of a watch: one word and why, from what its stream and its recording report. Pure.

waiting     there is nothing to record yet: no such conference, nobody in it, or the platform asks us to wait
connecting  an attempt is under way, or the stream stands and it is not known yet what it brings
recording   audio comes, and the disk takes it
idle        the stream stands, and nobody is heard
degraded    audio is being lost, or may be, and it is tried again without anybody's help
blocked     nothing will be recorded before a person does something

Knows no log and no clock.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from recorder.connection import Setback

NOT_LIVE_WITHIN = 5.0
"""Seconds. The platform accepts the stream of a conference that nobody has joined, and cuts it after 3 s."""


class State(StrEnum):
    """What a watch is at."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    RECORDING = "recording"
    IDLE = "idle"
    DEGRADED = "degraded"
    BLOCKED = "blocked"


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
        missed: audio came until the connection broke off, and nobody has said since that it has ended.
        connected_at: since when the connection stands, None where there is none.
        heard_at: when audio last came over this connection, None where none has.
        unreadable: why messages of this connection held no audio, "" where none was like that.
        unreadable_at: when the last of those came.
        disk: why the disk does not take audio, "" where it does.
        unsealed: why what is closed cannot be sealed, "" where it can.
        failure: what went wrong in a way nobody expected, "" while it has not.
    """

    setback: Setback | None = None
    reason: str = ""
    missed: bool = False
    connected_at: float | None = None
    heard_at: float | None = None
    unreadable: str = ""
    unreadable_at: float = -math.inf
    disk: str = ""
    unsealed: str = ""
    failure: str = ""


def condition(facts: Facts, now: float, idle_after: float) -> Condition:
    """What the facts come to `now`. Without audio for `idle_after` seconds nobody is heard."""
    if facts.failure:
        return Condition(State.DEGRADED, f"begun again after an error: {facts.failure}")
    if facts.connected_at is None:
        return _without_a_connection(facts)
    if facts.unsealed:
        return Condition(State.DEGRADED, f"a closed segment cannot be sealed: {facts.unsealed}")
    if facts.heard_at is None and now - facts.connected_at < max(idle_after, NOT_LIVE_WITHIN):
        before = _without_a_connection(facts)
        return Condition(State.CONNECTING) if before.state is State.BLOCKED else before
    return _with_a_stream(facts, now - idle_after)


def _with_a_stream(facts: Facts, lately: float) -> Condition:
    """What a stream comes to that has had the time to bring something, by what it has brought `lately`."""
    if facts.heard_at is not None and facts.heard_at > lately:
        if facts.disk:
            return Condition(State.DEGRADED, f"not recorded: {facts.disk}")
        return Condition(State.RECORDING)
    if facts.unreadable_at > lately:
        return Condition(State.DEGRADED, f"messages come, and hold no audio: {facts.unreadable}")
    return Condition(State.IDLE)


def _without_a_connection(facts: Facts) -> Condition:
    match facts.setback:
        case None:
            return Condition(State.CONNECTING)
        case Setback.REFUSED:
            remedy = "correct the credential or its permissions"
            return Condition(State.BLOCKED, f"{facts.reason}: {remedy}")
        case Setback.NOT_LIVE:
            return Condition(State.WAITING, facts.reason)
        case Setback.THROTTLED if not facts.missed:
            return Condition(State.WAITING, facts.reason)
        case _:
            return Condition(State.DEGRADED, f"no connection: {facts.reason}")

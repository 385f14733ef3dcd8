"""What the daemon says of itself when it is asked: as data, which programs read, and in one line for people.

Seconds everywhere. Knows no part of the daemon, and not how it is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from recorder.state import State
from recorder.tally import Tally, UploadTally

FIRST = (State.RECORDING, State.WAITING, State.BLOCKED)
"""States that a line tells of though no watch is at them."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)


class WatchStatus(_Said):
    """How one watch stands.

    Attributes:
        why: why it is so, where that is not plain; for `blocked`, what a person must do.
        since: UTC when the state began.
        recorded: of the conference, on the disk of the spool at least.
        silence: what stands for what was not heard or not written, by reason.
        gaps: how many times silence was put in.
        reopened: those among the reconnects where people were there and the stream brought nothing.
        last_audio: how long ago, null before the first.
        codec: what the stream carried when last heard, null before that was known.
        jitter_ms: of now; null before there was audio.
        drift_ppm: the sender's clock against ours; null before it is known.
        discovered: whether a pattern of the watch list found it.
    """

    kind: str
    id: str
    name: str | None
    state: State
    why: str
    since: datetime
    recorded: float
    silence: Mapping[str, float]
    gaps: int
    reconnects: int
    reopened: int
    last_audio: float | None
    codec: str | None
    jitter_ms: float | None
    drift_ppm: float | None
    discovered: bool = False


class PatternStatus(_Said):
    """What a pattern of the watch list finds: how many conferences that the platform has now."""

    pattern: str
    conferences: int


class SpoolStatus(_Said):
    """What waits on this machine.

    Attributes:
        segments: that are sealed and not in the bucket yet.
        bytes: of audio, that of open segments too.
        seconds: the same: what was recorded and is not in the bucket.
        oldest: how long the one has waited that has waited longest; 0 where none waits.
        aside: files that a person must look at.
        free_bytes: on the disk.
        paused: whether no audio is written, because less than `min_free` is free.
        looked: how long ago that was seen, null before the first look.
    """

    segments: int
    bytes: int
    seconds: float
    oldest: float
    aside: int
    free_bytes: int
    paused: bool
    looked: float | None


class UploadStatus(_Said):
    """How the uploads stand.

    Attributes:
        away: whether the store does not take anything at the moment.
        problem: why it did not take what was sent at the start to try it, "" if it did or has taken since.
        uploaded: segments since the start.
        failures: attempts that came to nothing since the start, by reason.
        read_back_failures: those among them where the bucket gave back something else.
        overdue: how long ago something should have happened that has not; 0 while all goes on.
    """

    store: str
    away: bool
    problem: str
    uploaded: int
    failures: Mapping[str, int]
    read_back_failures: int
    overdue: float


class Status(_Said):
    """How the daemon stands.

    Attributes:
        phase: `starting`, `ready` or `stopping`.
        started: UTC.
        trouble: what seems to be wrong with the platform as a whole, and what to do; "" for nothing.
        standstills: what does not get on though it should; systemd restarts a daemon that has any.
    """

    version: str
    recorder: str
    phase: str
    started: datetime
    listed: int
    watches: tuple[WatchStatus, ...]
    spool: SpoolStatus
    uploads: UploadStatus
    trouble: str
    standstills: tuple[str, ...]
    patterns: tuple[PatternStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Totals:
    """What only metrics tell of: what was counted since the start, over all watches that there were.

    `given_up` is in seconds, `hooks` in events by what became of them.
    """

    tally: Tally
    uploads: UploadTally
    given_up: float
    hooks: Mapping[str, int] = field(default_factory=dict)


def headline(states: Mapping[State, int], spool: SpoolStatus, phase: str, *, away: bool = False) -> str:
    """A line for people: `41 recording, 3 waiting, 0 blocked; spool 12 segments, oldest 40 s`."""
    order = [*FIRST, *(state for state in State if state not in FIRST)]
    watches = [f"{states.get(s, 0)} {s.value}" for s in order if s in FIRST or states.get(s)]
    waiting = f"spool {spool.segments} segment{'' if spool.segments == 1 else 's'}"
    oldest = f", oldest {duration(spool.oldest)}" if spool.segments else ""
    paused = "; not recording: the disk is full" if spool.paused else ""
    paused += "; the store takes nothing" if away else ""
    before = "" if phase == "ready" else f"{phase}: "
    return f"{before}{', '.join(watches)}; {waiting}{oldest}{paused}"


def duration(seconds: float) -> str:
    """A time in its two largest units: `40 s`, `5 min 3 s`, `2 h 7 min`, `3 d 4 h`."""
    whole = round(seconds)
    for name, size, below, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {name}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"

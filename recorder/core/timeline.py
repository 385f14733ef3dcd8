"""Where on the timeline audio belongs: arrival times against sample counts.

VoIPBIN's sequence numbers never show loss and its RTP timestamps count bytes, so arrival is the only witness.
The measure is the *lag*: samples that the time since the origin would have brought, less samples that came.
While audio flows, the least lag (that of the packet delayed least) stays where it is. A sudden rise that is
made good by a burst was a delay: nothing was lost. A rise that stays is a gap of just that length. A slow
change is the drift of the sender's clock: it moves the UTC of later samples and never a sample. Audio that
may have lain unread for a while seems later than it came; only what is late beyond that counts.

To tell these apart the timeline may hold audio back: a recorder has no playout deadline.
"""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from recorder.core.hold import MOST_HELD, SETTLE, TOLERANCE, Hold
from recorder.core.media import SAMPLE_RATE
from recorder.core.packets import Chunk
from storage.manifest import GapReason

MAX_DRIFT = 300e-6
"""Seconds a second. Crystals stay below 100 ppm, bad ones below 200; faster is loss or surplus."""
STEP = 0.015
"""Seconds by which the least lag changes at once when it is not by drift alone: less than a usual packet."""
WINDOW = 10.0
"""Seconds over which the least lag is taken: long enough that some packet is hardly delayed."""
DRIFT_KNOWN_AFTER = 60.0
"""Seconds of flow before the drift means anything: 1 ms of jitter is then 17 ppm."""


class Audio(NamedTuple):
    """Samples that belong at `position`."""

    position: int
    pcm: bytes


class Gap(NamedTuple):
    """`samples` samples of time from `position` on, of which nothing was heard."""

    position: int
    samples: int
    reason: GapReason


Placed = Audio | Gap


class Timeline:
    """The timeline of one watch. It survives reconnects.

    Attributes:
        position: samples placed so far, gaps included: the position of the next one.
    """

    def __init__(self) -> None:
        self.position = 0
        self._wall: tuple[float, datetime] | None = None
        self._origin: float | None = None  # monotonic time of position 0 were there no delay
        self._reference = 0.0  # samples of least lag, moved by drift alone
        self._phase = 0.0  # samples of least lag beyond the reference, of the flow that is on
        self._pending = 0.0  # samples of least lag beyond both: drift or missing, it will show
        self._pending_since = 0.0
        self._hold: Hold | None = None
        self._interrupted = True  # the next audio must be weighed, whatever its lag
        self._late_since: float | None = None  # since when no audio came that did not seem late
        self._window: tuple[float, float] | None = None  # its begin and its least lag
        self._told = False  # whether a gap was stated: only then may audio come that makes it good
        self._drifted = 0.0  # samples of drift ...
        self._drifted_over = 0.0  # ... in so many seconds of flow

    def connected(self, now: float, utc: datetime) -> None:
        """A connection stands since `now` (monotonic seconds), which is `utc`."""
        self._wall = (now, utc)
        self._interrupted = True

    def place(self, chunk: Chunk) -> list[Placed]:
        """Take audio in the order of its arrival; return what can be placed by now, in order."""
        if self._origin is None:
            self._origin = chunk.at - chunk.samples / SAMPLE_RATE
        placed = self._weigh(chunk)
        chunk = self._bounded(chunk)
        lag = self._lag(chunk)
        excess = lag - self._reference - self._phase
        if self._hold is None and (self._interrupted or self._is_late(chunk, excess)):
            reason = GapReason.DISCONNECTED if self._interrupted else GapReason.STALLED
            self._hold = Hold(reason, chunk.at)
        if self._hold is None:
            self._follow(chunk.at, lag - self._reference)
            return placed + self._placed(chunk)
        self._hold.add(chunk, lag)
        if self.position and excess <= TOLERANCE * SAMPLE_RATE:
            return placed + self._release(self._hold, gap=0)
        if self._hold.size > MOST_HELD:
            return placed + self._decide(self._hold, self._hold.least_lag)
        return placed

    def flush(self) -> list[Placed]:
        """Decide at once: nothing more will come for now.

        What little is held may have lain unread; a gap is taken as short as it can have been. If it was
        longer, the rest of it shows in the gap that follows.
        """
        return self._decide(self._hold, self._hold.least_sure) if self._hold else []

    @property
    def deadline(self) -> float | None:
        """When to `flush` if no audio comes before, monotonic seconds; None while nothing is held."""
        return self._hold.deadline if self._hold else None

    def fill(self, samples: int, reason: GapReason) -> Gap:
        """State that nothing will ever be heard of the next `samples` samples."""
        gap = Gap(self.position, samples, reason)
        self.position += samples
        self._told = True
        return gap

    def samples_until(self, moment: float) -> int:
        """How many there are from here to a moment, monotonic seconds; 0 if it has passed."""
        return max(0, round((moment - self.time_of(self.position)) * SAMPLE_RATE))

    def time_of(self, position: int) -> float:
        """When the sample at `position` was or will be heard, monotonic seconds.

        Raises:
            ValueError: no audio has been heard yet.
        """
        if self._origin is None:
            raise ValueError("there is no timeline before the first audio")
        return self._origin + (position + self._reference + self._phase) / SAMPLE_RATE

    def utc_of(self, position: int) -> datetime:
        """The UTC of the sample at `position`, by the clock of the last connection.

        Raises:
            ValueError: there has been no connection or no audio yet.
        """
        if self._wall is None:
            raise ValueError("there is no UTC before the first connection")
        now, utc = self._wall
        return utc + timedelta(seconds=self.time_of(position) - now)

    @property
    def drift_ppm(self) -> float | None:
        """The sender's clock against ours: positive when the sender is slow, None before it is known."""
        if self._drifted_over < DRIFT_KNOWN_AFTER:
            return None
        return round(self._drifted / self._drifted_over / SAMPLE_RATE * 1e6, 1) + 0.0  # never -0.0

    def _lag(self, chunk: Chunk) -> float:
        """Samples by which audio lags behind time once `chunk` is placed."""
        assert self._origin is not None  # noqa: S101  `place` has set it
        held = self._hold.samples if self._hold else 0
        elapsed = (chunk.at - self._origin) * SAMPLE_RATE
        return elapsed - (self.position + held + chunk.lost + chunk.samples)

    def _bounded(self, chunk: Chunk) -> Chunk:
        """Believe sequence numbers on loss only as far as time has passed: a bad one must not make hours.

        What jitter may hide of that time is half of the tolerance: more would look like audio that caught up.
        """
        if not chunk.lost:
            return chunk
        room = self._lag(chunk) + chunk.lost - self._reference - self._phase + TOLERANCE * SAMPLE_RATE / 2
        return chunk._replace(lost=max(0, min(chunk.lost, int(room))))

    def _weigh(self, chunk: Chunk) -> list[Placed]:
        """Decide what has been held long enough, unless `chunk` shows that it is still catching up.

        While none comes, the rest of a burst may still be on its way, until `deadline`.
        """
        hold = self._hold
        if hold is None or chunk.at < hold.decide_at:
            return []
        change = self._lag(chunk) - hold.least_lag
        if change < -STEP * SAMPLE_RATE:
            return []
        # Audio that is late against what was held caught up no further: it missed time of its own.
        stalled = change - chunk.waited * SAMPLE_RATE > TOLERANCE * SAMPLE_RATE
        return self._decide(hold, hold.least_lag) if stalled or not hold.catching_up(chunk.at) else []

    def _is_late(self, chunk: Chunk, excess: float) -> bool:
        """Whether audio lags for certain: beyond what it may have lain unread, or for a while already."""
        if excess <= TOLERANCE * SAMPLE_RATE:
            self._late_since = None
            return False
        self._late_since = chunk.at if self._late_since is None else self._late_since
        sure = excess - chunk.waited * SAMPLE_RATE > TOLERANCE * SAMPLE_RATE
        return sure or chunk.at - self._late_since >= SETTLE

    def _decide(self, hold: Hold, lag: float) -> list[Placed]:
        if self.position == 0:
            # The first audio of all: there is nothing that it could be late for.
            self._reference = hold.least_lag
            return self._release(hold, gap=0)
        missing = lag - self._reference
        if missing - self._phase <= TOLERANCE * SAMPLE_RATE:
            return self._release(hold, gap=0)
        # The platform sends whole frames, so whole frames are missing. What rounding leaves goes into the
        # phase and so into the next gap: it does not add up.
        frame = max(1, hold.chunks[0].frame)
        gap = max(0, round(missing / frame)) * frame
        return self._release(hold, gap)

    def _release(self, hold: Hold, gap: int) -> list[Placed]:
        self._hold = None
        self._interrupted = False
        self._late_since = None
        phase = hold.least_lag - gap - self._reference
        # Audio that is still catching up has not shown its least lag; the flow before it has.
        self._phase = phase if gap or not self.position else min(phase, self._phase)
        self._begin_earlier()
        self._pending = 0.0 if gap else self._pending
        self._window = None
        placed: list[Placed] = [self.fill(gap, hold.reason)] if gap else []
        for chunk in hold.chunks:
            placed += self._placed(chunk)
        return placed

    def _placed(self, chunk: Chunk) -> list[Placed]:
        placed: list[Placed] = [self.fill(chunk.lost, GapReason.LOST)] if chunk.lost else []
        placed.append(Audio(self.position, chunk.pcm))
        self.position += chunk.samples
        return placed

    def _follow(self, at: float, lag: float) -> None:
        """Follow the least lag of the flow: a fall beyond all jitter is audio that caught up."""
        if lag < self._phase - TOLERANCE * SAMPLE_RATE:
            self._phase = lag
            self._pending = 0.0
            self._window = None
            self._begin_earlier()
        began, least = self._window or (at, lag)
        least = min(least, lag)
        self._window = (began, least)
        if at - began >= WINDOW:
            self._window = (at, math.inf)
            self._adjust(least - self._phase, at, at - began)

    def _begin_earlier(self) -> None:
        """Audio that caught up beyond its beginning shows that the beginning was late.

        Else it would have to be a gap that was no gap, and the next one would be stated that much shorter.
        """
        if self._phase < 0 and not self._told:
            self._reference += self._phase
            self._phase = 0.0

    def _adjust(self, level: float, at: float, elapsed: float) -> None:
        """Take the least lag of a window: slow changes are drift.

        A step is a packet that is missing, or one by which drift showed in reads of many packets at once. It
        is kept pending: as drift if that could have brought it by now, as part of a gap if more come before.
        """
        change = level - self._pending
        if abs(change) > STEP * SAMPLE_RATE:
            self._pending_since = self._pending_since if self._pending else at
            self._pending += change
        else:
            returned = _clamped(change, -self._pending, 0.0)
            self._pending += returned
            self._drift(_clamped(change - returned, *_drift_within(elapsed)))
        if self._pending == _clamped(self._pending, *_drift_within(at - self._pending_since)):
            self._drift(self._pending)
            self._pending = 0.0
        self._drifted_over += elapsed

    def _drift(self, samples: float) -> None:
        self._reference += samples
        self._drifted += samples


def _clamped(value: float, bound: float, other: float) -> float:
    return max(min(bound, other), min(value, max(bound, other)))


def _drift_within(seconds: float) -> tuple[float, float]:
    """The least and the most samples that drift can make of a time."""
    return -MAX_DRIFT * seconds * SAMPLE_RATE, MAX_DRIFT * seconds * SAMPLE_RATE

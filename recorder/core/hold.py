"""Audio that is kept back since it set in again, until it is known how much time it missed.

It may be late by what it missed, by what it was delayed, and by what it lay unread. Of the first it is told
by the least lag: that of the audio that was delayed least. Knows no position; `timeline` decides.
"""

import math

from recorder.core.media import SAMPLE_RATE
from recorder.core.packets import Chunk
from storage.manifest import GapReason

SETTLE = 0.5
"""Seconds to watch the lag after audio set in before a gap is believed. A burst follows a stall at once."""
HOLD_LIMIT = 30.0
"""Seconds after which a gap is decided even while the sender is still catching up: a bound to memory."""
REST = 3.0
"""Seconds without audio after which no rest of a burst is waited for: what is held dies with the process."""
MOST_HELD = 1 << 22
"""Bytes at which a gap is decided too: over four minutes of audio, which no honest burst exceeds."""
_CHUNK_COST = 250
"""Bytes that a chunk takes beside its samples."""
TOLERANCE = 0.1
"""Seconds of lag that are no gap: above the jitter of networks, below what a listener would miss."""


class Hold:
    """What is held; lags are in samples.

    Attributes:
        reason: why it may have missed time.
        chunks: what is held, in order; they are `samples` long and take `size` bytes.
        least_lag: the least at which any of it was read.
        least_sure: the least at which it can have come, if all of it was delayed alike.
        decide_at: when to decide, unless it is still catching up.
    """

    def __init__(self, reason: GapReason, at: float) -> None:
        self.reason = reason
        self.began = at
        self.latest = at  # when audio last came
        self.decide_at = at + SETTLE
        self.chunks: list[Chunk] = []
        self.samples = 0
        self.size = 0
        self.least_lag = math.inf
        self.least_sure = math.inf
        self._least_before = math.inf

    def add(self, chunk: Chunk, lag: float) -> None:
        """Hold this too, which was read at that lag."""
        if not self.chunks:
            self._least_before = lag
        self.chunks.append(chunk)
        self.latest = chunk.at
        self.samples += chunk.samples + chunk.lost
        self.size += len(chunk.pcm) + _CHUNK_COST
        self.least_lag = min(self.least_lag, lag)
        sure = lag - chunk.waited * SAMPLE_RATE
        caught_up = lag < self.least_sure - TOLERANCE * SAMPLE_RATE
        self.least_sure = sure if caught_up else min(lag, max(self.least_sure, sure))

    def catching_up(self, now: float) -> bool:
        """Whether the lag still falls clearly faster than jitter lets it; if so, look again later."""
        falling = self._least_before - self.least_lag > 0.1 * SETTLE * SAMPLE_RATE
        self._least_before = self.least_lag
        self.decide_at = now + SETTLE
        return falling and now - self.began < HOLD_LIMIT

    @property
    def deadline(self) -> float:
        """When it is decided though no audio comes."""
        return min(self.began + HOLD_LIMIT, self.latest + REST)

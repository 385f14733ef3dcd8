"""The times without a connection since audio was last heard, and what they make of a gap.

Times are monotonic seconds. Knows no connection and no segment.
"""

import math
from collections.abc import Callable, Iterator
from typing import Final

from recorder.core.media import SAMPLE_RATE
from recorder.core.timeline import Gap
from storage.manifest import GapReason

SURELY_STALLED: Final = 2.0
"""Seconds of silence before a loss that are no part of it: a loss may be read a little late."""
UNPROVEN: Final = 5.0
"""Seconds for which a connection that brings nothing counts as none: the platform needs some to begin, and
hangs up after three if there is nothing to hear."""
MOST_SPANS: Final = 64
"""Times that are told apart, at most; what comes after them counts as one."""


class Outage:
    """Of one recording, which begins without a connection.

    Attributes:
        first: when there was none for the first time since audio was heard; None if there always was.
        seconds: how long there was none since then, as far as that is over.
    """

    def __init__(self, started: float) -> None:
        self.first: float | None = started
        self.seconds = 0.0
        self._began: float | None = started
        self._spans: list[tuple[float, float]] = [(started, math.inf)]

    def begin(self, now: float) -> None:
        """There is no connection, and one is wanted."""
        if self._began is not None:
            return
        self._began = now
        if self.first is None:
            self.first = now
        if self._spans and (now - self._spans[-1][1] < UNPROVEN or len(self._spans) >= MOST_SPANS):
            self._spans[-1] = (self._spans[-1][0], math.inf)
        else:
            self._spans.append((now, math.inf))

    def end(self, now: float) -> None:
        """There is one, or none is wanted any more."""
        if self._began is None:
            return
        self.seconds += now - self._began
        self._began = None
        if self._spans:
            self._spans[-1] = (self._spans[-1][0], now)

    def excuse(self, now: float) -> None:
        """None is wanted, and what there was of it is no loss."""
        self.end(now)
        self.first = None
        self._spans.clear()

    def heard(self) -> None:
        """There is audio."""
        self.first, self.seconds = None, 0.0
        self._spans.clear()

    def divide(self, gap: Gap, time_of: Callable[[int], float]) -> list[Gap]:
        """Tell the silence of connections that stood from that of none. `time_of` is when a sample is."""
        if gap.reason is not GapReason.DISCONNECTED or self.first is None:
            return [gap]
        return list(_merged(gap, self._parts(time_of(gap.position), time_of(gap.position + gap.samples))))

    def _parts(self, begin: float, end: float) -> Iterator[tuple[float, GapReason]]:
        """Until when, in seconds from `begin`, and why there is nothing."""
        for number, (lost, connected) in enumerate(self._spans):
            if number or lost - begin >= SURELY_STALLED:
                yield lost - begin, GapReason.STALLED
            yield connected - begin, GapReason.DISCONNECTED
        stood = end - self._spans[-1][1] if self._spans else 0.0
        yield math.inf, GapReason.STALLED if stood >= UNPROVEN else GapReason.DISCONNECTED


def _merged(gap: Gap, parts: Iterator[tuple[float, GapReason]]) -> Iterator[Gap]:
    """The parts as gaps, those of the same reason together."""
    at, held = 0, 0
    reason = GapReason.DISCONNECTED
    for until, why in parts:
        stop = gap.samples if math.isinf(until) else min(gap.samples, max(at, round(until * SAMPLE_RATE)))
        if stop == at:
            continue
        if why is not reason and at > held:
            yield Gap(gap.position + held, at - held, reason)
            held = at
        reason, at = why, stop
    if gap.samples > held:
        yield Gap(gap.position + held, gap.samples - held, reason)

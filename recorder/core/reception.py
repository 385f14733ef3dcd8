"""What the wire did to a stream, counted: for the manifest of a segment, and then from zero again."""

from collections import Counter

from recorder.core.media import SAMPLE_RATE
from recorder.core.packets import DiscardReason
from storage.manifest import Reception


class ReceptionCounters:
    """Counts since the last `take`, and the interarrival jitter, which goes on.

    Jitter follows RFC 3550 section 6.4.1 and appendix A.8, with the samples that arrived in place of the RTP
    timestamp, which VoIPBIN counts in bytes and AudioSocket does not have.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.lost = 0
        self.late = 0
        self.duplicate = 0
        self.reconnects = 0
        self.discarded: Counter[DiscardReason] = Counter()
        self._jitter = 0.0
        self._transit: float | None = None

    def arrived(self, at: float, samples: int) -> None:
        """Take note that `samples` samples arrived at `at` (monotonic seconds)."""
        if self._transit is not None:
            # The difference of two transit times is that of arrival less that of media time.
            difference = abs(at - self._transit - samples / SAMPLE_RATE)
            self._jitter += (difference - self._jitter) / 16
        self._transit = at

    def interrupted(self) -> None:
        """The stream broke off: what comes next is no measure of jitter."""
        self._transit = None

    @property
    def jitter_ms(self) -> float:
        """The interarrival jitter, in milliseconds."""
        return round(self._jitter * 1000, 3)

    def take(self, drift_ppm: float | None) -> Reception:
        """The counts for a manifest; all but the jitter begin again at zero."""
        taken = Reception(
            messages=self.messages,
            discarded={reason.value: count for reason, count in sorted(self.discarded.items()) if count},
            lost=self.lost,
            late=self.late,
            duplicate=self.duplicate,
            reconnects=self.reconnects,
            jitter_ms=self.jitter_ms,
            drift_ppm=drift_ppm,
        )
        self.messages = self.lost = self.late = self.duplicate = self.reconnects = 0
        self.discarded.clear()
        return taken

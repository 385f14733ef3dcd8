"""Cuts the timeline into segments on the UTC grid, at the sample. Knows names, no directories.

A segment's UTC is that of its first sample; within it, time is samples. A segment that continues the one
before it takes over where that one ended, and moves its label only when the sender's clock has drifted so far
that the label would mislead.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from recorder.core.events import Event, SamplesReady, SegmentClosed, SegmentOpened, SilenceReady
from recorder.core.media import SAMPLE_RATE, SAMPLE_WIDTH, Codec, Encapsulation
from recorder.core.sightings import Sightings
from storage.manifest import (
    ClosedBy,
    GapReason,
    LedgerEntry,
    OpenedAfter,
    Reception,
    SegmentFacts,
    WatchFacts,
)
from storage.presence import PlatformFacts

LABEL_TOLERANCE = timedelta(milliseconds=50)
"""How far a label may be off before it is moved. Segments of a steady stream so meet the grid exactly."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAMPLE = timedelta(microseconds=1_000_000 // SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class Identity:
    """What stands in every manifest of one recording, whatever happens."""

    watch: WatchFacts
    recorder: str
    version: str
    encapsulation: Encapsulation


@dataclass(slots=True)
class _Open:
    """The segment that is being filled."""

    started_at: datetime
    number: int
    codec: Codec
    length: int  # samples from its first one to the cut
    opened_after: OpenedAfter | None
    samples: int = 0
    ledger: list[LedgerEntry] = field(default_factory=list)

    @property
    def ended_at(self) -> datetime:
        return self.started_at + self.samples * _SAMPLE

    @property
    def room(self) -> int:
        """Samples until the cut."""
        return self.length - self.samples


@dataclass(frozen=True, slots=True)
class Silence:
    """Samples that were not heard, and why."""

    samples: int
    reason: GapReason


class Segmenter:
    """Fills one segment after the other.

    Args:
        identity: for every manifest.
        period: of the grid, in seconds; it divides an hour or a day.
        numbers: never yields the same number twice.
        take_reception: the counts since it was last called.
        sightings: what the platform says; None where it is not asked.
    """

    def __init__(
        self,
        identity: Identity,
        period: float,
        numbers: Iterator[int],
        take_reception: Callable[[], Reception],
        sightings: Sightings | None = None,
    ) -> None:
        self._identity = identity
        self._period = timedelta(seconds=period)
        self._numbers = numbers
        self._take_reception = take_reception
        self._sightings = sightings
        self._open: _Open | None = None
        self._before: _Open | None = None
        self._cut_before = False  # whether the segment before ended on the grid

    @property
    def codec(self) -> Codec | None:
        """The codec of the open segment, None while none is open."""
        return self._open.codec if self._open else None

    @property
    def room(self) -> int | None:
        """Samples until the open segment will be cut, None while none is open."""
        return self._open.room if self._open else None

    def write(
        self,
        content: bytes | Silence,
        at: Callable[[], datetime],
        codec: Codec,
        opened_after: OpenedAfter | None,
    ) -> Iterator[Event]:
        """Add PCM or silence, cutting where the grid is.

        `at` tells when it begins, and is asked only where a segment begins with it. `opened_after` accounts
        for the time since the segment before, if one has to be opened; None says that this content continues
        it to the sample.
        """
        written = 0
        while content:
            if self._open is None:
                yield self._open_segment(at() + written * _SAMPLE, codec, None if written else opened_after)
            assert self._open is not None  # noqa: S101  opened above
            before = self._open.samples
            content, event = self._append(self._open, content)
            yield event
            written += self._open.samples - before
            if not self._open.room:
                yield from self.close(ClosedBy.GRID)

    def close(self, by: ClosedBy) -> Iterator[Event]:
        """Close the open segment, if there is one."""
        if self._open:
            closed, self._open = self._open, None
            self._before, self._cut_before = closed, by is ClosedBy.GRID
            platform = self._sightings.closed() if self._sightings else None
            yield SegmentClosed(self._facts(closed, by, self._take_reception(), platform))

    def _open_segment(self, at: datetime, codec: Codec, opened_after: OpenedAfter | None) -> SegmentOpened:
        started_at = _nearest(at, _SAMPLE)
        continued = self._before if opened_after is None else None
        if continued and abs(started_at - continued.ended_at) <= LABEL_TOLERANCE:
            started_at = continued.ended_at
        if continued and self._cut_before:
            # It began on the grid; a label that has moved off it must not make a segment of a few samples.
            cut = _nearest(started_at + self._period, self._period)
        else:
            cut = _EPOCH + ((started_at - _EPOCH) // self._period + 1) * self._period
        length = round((cut - started_at) / _SAMPLE)
        self._open = _Open(started_at, next(self._numbers), codec, length, opened_after)
        platform = self._sightings.opened() if self._sightings else None
        return SegmentOpened(self._facts(self._open, ClosedBy.CRASH, Reception(), platform))

    def _append(self, segment: _Open, content: bytes | Silence) -> tuple[bytes | Silence, Event]:
        """Add as much as there is room for; return the rest and what to do."""
        if isinstance(content, bytes):
            taken = min(len(content) // SAMPLE_WIDTH, segment.room)
            segment.samples += taken
            return content[taken * SAMPLE_WIDTH :], SamplesReady(content[: taken * SAMPLE_WIDTH])
        taken = min(content.samples, segment.room)
        last = segment.ledger[-1] if segment.ledger else None
        if last and last.reason is content.reason and last.start + last.samples == segment.samples:
            segment.ledger.pop()
            entry = LedgerEntry(start=last.start, samples=last.samples + taken, reason=content.reason)
        else:
            entry = LedgerEntry(start=segment.samples, samples=taken, reason=content.reason)
        segment.ledger.append(entry)
        segment.samples += taken
        platform = self._sightings.facts() if self._sightings else None
        facts = self._facts(segment, ClosedBy.CRASH, Reception(), platform)
        rest = Silence(content.samples - taken, content.reason)
        return rest if rest.samples else b"", SilenceReady(taken, content.reason, facts)

    def _facts(
        self, segment: _Open, by: ClosedBy, reception: Reception, platform: PlatformFacts | None
    ) -> SegmentFacts:
        return SegmentFacts(
            watch=self._identity.watch,
            recorder=self._identity.recorder,
            version=self._identity.version,
            number=segment.number,
            started_at=segment.started_at,
            sample_rate=SAMPLE_RATE,
            samples=segment.samples,
            encapsulation=self._identity.encapsulation,
            codec=segment.codec,
            ledger=tuple(segment.ledger),
            reception=reception,
            opened_after=segment.opened_after,
            closed_by=by,
            platform=platform,
        )


def _nearest(at: datetime, step: timedelta) -> datetime:
    """The whole multiple of `step` since 1970 that is nearest to `at`."""
    return _EPOCH + (at - _EPOCH + step / 2) // step * step

"""How much of a conference was recorded: from its first audio to its last, all in all and by day. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from storage.layout import NOTHING_TO_HEAR, Cut, Layout, Pause, to_samples
from storage.names import SegmentName


@dataclass(slots=True)
class Coverage:
    """What there is of some time. Counts of samples; what two recorders have is counted once.

    Attributes:
        first: UTC of the first audio, by its label; None where there is none.
        last: UTC just after the last.
        heard: samples of the conference.
        silence: those that are silence of ours, by reason.
        names: the segments that have audio there which is given.
    """

    first: datetime | None = None
    last: datetime | None = None
    heard: int = 0
    silence: Counter[str] = field(default_factory=Counter)
    names: set[SegmentName] = field(default_factory=set, repr=False)

    @property
    def segments(self) -> int:
        """How many segments have audio there."""
        return len(self.names)

    @property
    def doubtful(self) -> int:
        """The samples of silence in which there may have been audio: not those of an idle conference."""
        return sum(samples for reason, samples in self.silence.items() if reason not in NOTHING_TO_HEAR)

    @property
    def percent(self) -> float | None:
        """Heard, of heard and doubtful, in percent: 100 only if nothing may be missing. None of nothing."""
        total = self.heard + self.doubtful
        return 100 * self.heard / total if total else None

    def add(self, piece: Cut | Pause) -> None:
        """Count a piece of a layout."""
        if isinstance(piece, Pause):
            self.silence[piece.reason] += piece.samples
            return
        self.first = min(self.first or piece.started_at, piece.started_at)
        self.last = max(self.last or piece.ended_at, piece.ended_at)
        self.names.add(piece.segment.name)
        self.heard += piece.samples
        for entry in piece.segment.ledger:
            silent = min(entry.end, piece.stop) - max(entry.start, piece.start)
            if silent > 0:
                self.heard -= silent
                self.silence[entry.reason.value] += silent


def cover(layout: Layout) -> Coverage:
    """What there is from the first to the last audio of a layout."""
    coverage = Coverage()
    for piece in _with_audio_at_both_ends(layout):
        coverage.add(piece)
    return coverage


def cover_by_day(layout: Layout) -> Mapping[date, Coverage]:
    """The same of each UTC day from the first to the last audio, in order: also of days without any."""
    days: dict[date, Coverage] = {}
    for piece in _with_audio_at_both_ends(layout):
        for day, part in _by_day(piece):
            days.setdefault(day, Coverage()).add(part)
    return days


def _with_audio_at_both_ends(layout: Layout) -> Iterable[Cut | Pause]:
    at = [index for index, piece in enumerate(layout.pieces) if isinstance(piece, Cut)]
    return layout.pieces[at[0] : at[-1] + 1] if at else ()


def _by_day(piece: Cut | Pause) -> Iterator[tuple[date, Cut | Pause]]:
    """A piece, cut at each midnight that it reaches over."""
    at = 0
    while at < piece.samples:
        started_at = piece.instant(at).astimezone(UTC)
        midnight = datetime.combine(started_at.date() + timedelta(days=1), datetime.min.time(), UTC)
        until = min(at + max(to_samples(midnight - started_at), 1), piece.samples)
        yield started_at.date(), piece.part(at, until)
        at = until

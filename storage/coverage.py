"""How much of a conference was recorded: from its first audio to its last, all in all and by day. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from storage.layout import NOTHING_TO_HEAR, Cut, Layout, Pause, to_samples


@dataclass(slots=True)
class Coverage:
    """What there is of some time. Counts of samples; what two recorders have is counted once.

    Attributes:
        first: UTC of the first audio, by its label; None where there is none.
        last: UTC just after the last.
        heard: samples of the conference.
        silence: those that are silence of ours, by reason.
        segments: how many segments have audio there which is given.
    """

    first: datetime | None = None
    last: datetime | None = None
    heard: int = 0
    silence: Counter[str] = field(default_factory=Counter)
    segments: int = 0

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
        """Count the samples of a piece of a layout."""
        if isinstance(piece, Pause):
            self.silence[piece.reason] += piece.samples
            return
        self.first = min(self.first or piece.started_at, piece.started_at)
        self.last = max(self.last or piece.ended_at, piece.ended_at)
        self.heard += piece.samples
        for entry in piece.segment.ledger:
            silent = min(entry.end, piece.stop) - max(entry.start, piece.start)
            if silent > 0:
                self.heard -= silent
                self.silence[entry.reason.value] += silent


def cover(layout: Layout) -> Coverage:
    """What there is from the first to the last audio of a layout."""
    return _sum(_with_audio_at_both_ends(layout))


def cover_by_day(layout: Layout) -> Mapping[date, Coverage]:
    """The same of each UTC day from the first to the last audio, in order: also of days without any."""
    parts: dict[date, list[Cut | Pause]] = {}
    for piece in _with_audio_at_both_ends(layout):
        for day, part in _by_day(piece):
            parts.setdefault(day, []).append(part)
    return {day: _sum(pieces) for day, pieces in parts.items()}


def _sum(pieces: Sequence[Cut | Pause]) -> Coverage:
    # The names are not kept: a list of all watches has as many coverages.
    segments = {piece.segment.name for piece in pieces if isinstance(piece, Cut)}
    coverage = Coverage(segments=len(segments))
    for piece in pieces:
        coverage.add(piece)
    return coverage


def _with_audio_at_both_ends(layout: Layout) -> Sequence[Cut | Pause]:
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

"""Audio out of a bucket, checked before a sample of it is given, with a ledger of what is silence and why.

Bounded in memory whatever is fetched: see `objects`. Knows no manifest's place and no file format.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from storage.audio import AudioWriter, Samples
from storage.layout import FAILURES, NOTHING_TO_HEAR, SAMPLE_RATE, Cut, Joint, Layout, Overlap, Pause, Problem
from storage.manifest import SegmentManifest
from storage.names import SegmentName
from storage.objects import Objects, Unusable
from storage.store import ObjectStore

_SILENCE = np.zeros(60 * SAMPLE_RATE, dtype=np.int16)


@dataclass(frozen=True, slots=True)
class Silence:
    """A run of silence in what was fetched: from sample `at` on, which is `started_at`, and why."""

    at: int
    samples: int
    reason: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """A run of audio of one recorder in what was fetched, from sample `at` on, which is `started_at`.

    Silence of ours within it counts, too. `joint` says how it was put to that of the recorder before it; None
    for the first.
    """

    at: int
    samples: int
    recorder: str
    started_at: datetime
    joint: Joint | None


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What was given back.

    Attributes:
        started_at: UTC of the first sample.
        ended_at: UTC just after the last.
        samples: how many were written.
        silence: those that are silence of ours, in order, each with one reason: one of a manifest, or one of
            `layout.FAILURES`.
        sources: from which recorder the others came, in order: one where there is one recorder.
        overlaps: time that two recorders recorded, or one of them twice, of which one was taken.
        segments: those that make up the result, also where their audio had to become silence.
        problems: objects that are missing or damaged.
    """

    started_at: datetime
    ended_at: datetime
    samples: int
    silence: tuple[Silence, ...]
    sources: tuple[Source, ...]
    overlaps: tuple[Overlap, ...]
    segments: tuple[SegmentManifest, ...]
    problems: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        """Whether everything that was recorded is there, and the bucket accounts for the rest.

        What one recorder lost and another had is there.
        """
        if self.problems or self.left_out:
            return False
        return not any(silence.reason in FAILURES for silence in self.silence)

    @property
    def left_out(self) -> tuple[Overlap, ...]:
        """The overlaps of a recorder with itself: audio that is in the bucket, and that no range gives."""
        return tuple(overlap for overlap in self.overlaps if overlap.samples)

    @property
    def doubtful(self) -> tuple[Silence, ...]:
        """The silence in which there may have been audio: all of it but that of an idle conference."""
        return tuple(silence for silence in self.silence if silence.reason not in NOTHING_TO_HEAR)


def fetch(
    store: ObjectStore,
    layout: Layout,
    out: AudioWriter,
    progress: Callable[[int], object] = lambda _samples: None,
    folder: Path | None = None,
) -> FetchResult:
    """Write everything in `layout` to `out`, to the sample: `layout.samples` of them.

    No sample of an object is written before the whole object has been found to be what was recorded; if it is
    not, or not there, another recorder's audio of that time is taken, and where there is none, its place is
    silence. `progress` is called with the number of samples written since it was last called. Objects that
    were found good are kept in `folder`, if there is one, and are not downloaded again where it has them.

    Raises:
        StoreError: the store cannot be read. What was written so far is of no use.
        OSError: there is no room for what is downloaded.
    """
    with Objects(store, folder) as objects:
        objects.expect(_segments(layout.pieces))
        writing = _Fetch(objects, layout, out, progress)
        writing.run()
    return FetchResult(
        started_at=layout.started_at,
        ended_at=layout.ended_at,
        samples=writing.at,
        silence=tuple(writing.silence),
        sources=tuple(writing.sources),
        overlaps=layout.overlaps,
        segments=tuple(_segments([*layout.pieces, *writing.stood_in])),
        problems=(*layout.problems, *writing.problems),
    )


def _segments(pieces: Iterable[Cut | Pause]) -> Iterator[SegmentManifest]:
    """The segments of some pieces, each once, in the order in which they are needed first."""
    seen: set[SegmentName] = set()
    for piece in pieces:
        if isinstance(piece, Cut) and piece.segment.name not in seen:
            seen.add(piece.segment.name)
            yield piece.segment


class _Fetch:
    """A fetch under way: how far it is, and what it met."""

    def __init__(
        self, objects: Objects, layout: Layout, out: AudioWriter, progress: Callable[[int], object]
    ) -> None:
        self.at = 0
        self.silence: list[Silence] = []
        self.sources: list[Source] = []
        self.problems: list[Problem] = []
        self.stood_in: list[Cut | Pause] = []
        self._objects = objects
        self._others = layout.others
        self._ahead = deque(layout.pieces)
        self._out = out
        self._progress = progress
        self._unusable: dict[SegmentName, str] = {}
        self._last: Cut | None = None

    def run(self) -> None:
        """Write all pieces."""
        while self._ahead:
            piece = self._ahead.popleft()
            if isinstance(piece, Pause):
                self._pause(piece.samples, piece.reason, piece.started_at)
            elif piece.segment.name in self._unusable:
                self._do_without(piece)
            else:
                self._cut(piece)

    def _pause(self, samples: int, reason: str, started_at: datetime) -> None:
        """Write silence, and why."""
        self._account(self.at, samples, reason, started_at)
        for left in range(samples, 0, -len(_SILENCE)):
            self._write(_SILENCE[:left])

    def _cut(self, cut: Cut) -> None:
        """Write a part of a segment, or what there is in its stead if its audio cannot be used."""
        segment = cut.segment
        began_at = self.at
        try:
            for block in self._objects.samples(cut):
                self._write(block)
        except Unusable as error:
            self.problems.append(Problem(segment.name, segment.audio.key, str(error)))
            self._unusable[segment.name] = error.reason
            self._do_without(cut)
            return
        self._note_source(began_at, cut)
        for entry in segment.ledger:
            first, last = max(entry.start, cut.start), min(entry.end, cut.stop)
            if first < last:
                part = cut.part(first - cut.start, last - cut.start)
                self._account(began_at + first - cut.start, last - first, entry.reason.value, part.started_at)

    def _do_without(self, cut: Cut) -> None:
        """Put in what others have in the place of a cut, or silence, as what comes next."""
        stand_in: list[Cut | Pause] = [Pause(cut.started_at, cut.samples, self._unusable[cut.segment.name])]
        if self._others is not None:
            stand_in = list(self._others.instead(self.at, cut.samples, self._unusable))
        self.stood_in += stand_in
        self._ahead.extendleft(reversed(stand_in))

    def _write(self, block: Samples) -> None:
        self._out.write(block)
        self.at += len(block)
        self._progress(len(block))

    def _note_source(self, at: int, cut: Cut) -> None:
        before, self._last = self._last, cut
        recorder = cut.segment.recorder
        if before is not None and before.segment.recorder == recorder:
            last = self.sources[-1]
            self.sources[-1] = Source(last.at, self.at - last.at, recorder, last.started_at, last.joint)
            return
        joint = self._others.joint(before, cut) if before and self._others else None
        self.sources.append(Source(at, cut.samples, recorder, cut.started_at, joint))

    def _account(self, at: int, samples: int, reason: str, started_at: datetime) -> None:
        """Add to the ledger; silence that goes on for the same reason is one entry."""
        if self.silence:
            last = self.silence[-1]
            if last.at + last.samples == at and last.reason == reason:
                self.silence[-1] = Silence(last.at, last.samples + samples, reason, last.started_at)
                return
        self.silence.append(Silence(at, samples, reason, started_at))

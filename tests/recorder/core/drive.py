"""A `Recording` on virtual time: messages go in, ticks come when they are due, events are written down.

What a shell does with files is done here in memory. What must hold of every run whatever comes in is asserted
as it happens, so that each test of a recording is also a test of its contract.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from recorder.core.absence import Past
from recorder.core.events import (
    CodecDetected,
    Event,
    MessagesDiscarded,
    SamplesReady,
    SegmentClosed,
    SegmentOpened,
    SilenceReady,
)
from recorder.core.media import SAMPLE_RATE, SAMPLE_WIDTH, Codec, CodecChoice, Encapsulation
from recorder.core.packets import DiscardReason, Row
from recorder.core.recording import Recording, RecordingSettings
from recorder.core.segmenter import Identity
from storage.manifest import GapReason, SegmentFacts, WatchFacts, format_manifest, parse_facts
from storage.names import WatchKind

START = datetime(2026, 11, 22, 15, 2, 30, tzinfo=UTC)
"""UTC at virtual time 0 where a test does not say otherwise: between two instants of any grid."""

FRAME = 160
"""Samples of 20 ms."""


def watch() -> WatchFacts:
    return WatchFacts(kind=WatchKind.CONFERENCE, id="1ed12456-eb4b-11ee-bba8-1bfb2838807a", name="board")


def identity(encapsulation: Encapsulation = Encapsulation.SLN) -> Identity:
    return Identity(watch(), recorder="rec-a", version="0.1.0", encapsulation=encapsulation)


def counter(samples: int, start: int = 0) -> bytes:
    """PCM in which every sample differs from its neighbours, so that none can be lost or repeated unseen."""
    return (np.arange(start, start + samples) % (1 << 16)).astype("<u2").tobytes()


def cut(pcm: bytes, samples: int = FRAME) -> list[bytes]:
    """Messages of so many samples, the last one perhaps shorter."""
    size = samples * SAMPLE_WIDTH
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


def rows(messages: Iterable[bytes]) -> list[Row]:
    """Messages as a read brings them: neighbours of one length lie at one stride, behind their headers."""
    found = []
    for size, alike in itertools.groupby(messages, key=len):
        header = b"\x82" + size.to_bytes(8)
        data = b"".join(header + message for message in alike)
        stride = len(header) + size
        found.append(Row(data, len(header), size, stride, len(data) // stride))
    return found


@dataclass
class Segment:
    """A segment as a shell would have written it."""

    opened: SegmentFacts
    pcm: bytearray = field(default_factory=bytearray)
    heard: bytearray = field(default_factory=bytearray)
    silence: list[tuple[int, int, GapReason]] = field(default_factory=list)
    closed: SegmentFacts | None = None

    @property
    def samples(self) -> int:
        return len(self.pcm) // SAMPLE_WIDTH

    @property
    def facts(self) -> SegmentFacts:
        assert self.closed is not None, "the segment is still open"
        return self.closed


class Drive:
    """Calls a `Recording` as its shell would: in order of time, ticking at every deadline on the way."""

    def __init__(
        self,
        encapsulation: Encapsulation = Encapsulation.SLN,
        codec: CodecChoice = CodecChoice.PCM16LE,
        *,
        segment: float = 300.0,
        gap_limit: float = 60.0,
        idle_after: float = 10.0,
        start: datetime = START,
        past: Past | None = None,
    ) -> None:
        self.start = start
        self.now = 0.0
        self.segments: list[Segment] = []
        self.codecs: list[Codec] = []
        self.discarded: list[MessagesDiscarded] = []
        self.ticks = 0
        self.recording = Recording(
            identity(encapsulation),
            RecordingSettings(codec, segment=segment, gap_limit=gap_limit, idle_after=idle_after),
            itertools.count(),
            started=0.0,
            past=past,
        )

    def connect(self, at: float, utc: datetime | None = None) -> None:
        """Connect at `at`, when the wall clock shows `utc`; by default a clock that is right."""
        self.advance(at)
        self._perform(self.recording.connected(at, utc or self.start + timedelta(seconds=at)))

    def receive(
        self, messages: Sequence[bytes], at: float, discarded: Mapping[DiscardReason, int] | None = None
    ) -> None:
        self.advance(at)
        self._perform(self.recording.receive(rows(messages), at, discarded))

    def play(self, messages: Iterable[bytes], at: float, every: float = 0.02) -> float:
        """Receive each message on its own, one `every` seconds from `at` on; return when it ended."""
        for number, message in enumerate(messages, start=1):
            self.receive([message], at + number * every)
        return self.now

    def tick(self) -> None:
        """Tick though nothing is due."""
        self._perform(self.recording.tick(self.now))

    def disconnect(self, at: float) -> None:
        self.advance(at)
        self._perform(self.recording.disconnected(at))

    def vacate(self, at: float) -> None:
        self.advance(at)
        self._perform(self.recording.vacated(at))

    def await_(self, at: float) -> None:
        self.advance(at)
        self.recording.awaited(at)

    def finish(self, at: float) -> None:
        self.advance(at)
        self._perform(self.recording.finish(at))
        assert self.open is None
        names = [segment.facts.name.stem for segment in self.segments]
        assert len(set(names)) == len(names)

    def advance(self, to: float) -> None:
        """Tick at every deadline up to `to`: each tick must leave less to do, or time must pass."""
        assert to >= self.now, "virtual time goes forward"
        at_once = 0
        while (due := self.recording.next_deadline()) is not None and due <= to:
            at_once = at_once + 1 if due <= self.now else 0
            assert at_once < 10, f"ticking at {due} does not help"
            self.now = max(due, self.now)
            self.ticks += 1
            self._perform(self.recording.tick(self.now))
        self.now = to

    @property
    def open(self) -> Segment | None:
        return self.segments[-1] if self.segments and self.segments[-1].closed is None else None

    @property
    def pcm(self) -> bytes:
        """All that was written, silence included."""
        return b"".join(segment.pcm for segment in self.segments)

    @property
    def heard(self) -> bytes:
        """All that was written and came over the wire."""
        return b"".join(segment.heard for segment in self.segments)

    @property
    def gaps(self) -> list[tuple[float, float, GapReason]]:
        """Silence of ours in all segments laid end to end: where and how long in seconds, why."""
        gaps, before = [], 0
        for segment in self.segments:
            for start, samples, reason in segment.silence:
                gaps.append(((before + start) / SAMPLE_RATE, samples / SAMPLE_RATE, reason))
            before += segment.samples
        return gaps

    def _perform(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case SegmentOpened(facts):
                    assert self.open is None, "a segment opens while another is open"
                    assert facts.samples == 0
                    self.segments.append(Segment(facts))
                case SamplesReady(pcm):
                    assert pcm
                    assert len(pcm) % SAMPLE_WIDTH == 0
                    self._opened().pcm += pcm
                    self._opened().heard += pcm
                case SilenceReady(samples, reason, facts):
                    self._silence(samples, reason, facts)
                case SegmentClosed(facts):
                    self._close(facts)
                case CodecDetected(codec):
                    self.codecs.append(codec)
                case MessagesDiscarded():
                    self.discarded.append(event)

    def _opened(self) -> Segment:
        assert self.open is not None, "there is no segment to write to"
        return self.open

    def _silence(self, samples: int, reason: GapReason, facts: SegmentFacts) -> None:
        segment = self._opened()
        assert samples > 0
        segment.silence.append((segment.samples, samples, reason))
        segment.pcm += bytes(samples * SAMPLE_WIDTH)
        assert facts.samples == segment.samples
        assert facts.silence == sum(each for _, each, _ in segment.silence)

    def _close(self, facts: SegmentFacts) -> None:
        segment = self._opened()
        assert facts.samples == segment.samples > 0
        assert facts.silence == sum(samples for _, samples, _ in segment.silence)
        assert (facts.started_at, facts.number) == (segment.opened.started_at, segment.opened.number)
        assert facts.opened_after == segment.opened.opened_after
        assert facts.codec == segment.opened.codec
        assert parse_facts(format_manifest(facts)) == facts
        segment.closed = facts

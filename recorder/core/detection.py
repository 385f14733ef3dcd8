"""Which codec a stream carries, from its bytes and their pace.

VoIPBIN says 16-bit linear and asks Asterisk for mu-law; payload type, encapsulation and documentation all may
be wrong. Two witnesses are heard. The content: audio decoded with the right codec is small and predictable,
decoded with a wrong one it is large and rough. The pace: 8000 bytes a second are one byte a sample, 16 000
are two. Content is fooled by clipped tones and full-scale noise, pace by stalls and pauses. Until both agree
or one has spoken for long, payloads are kept as they came; a wrong guess could never be taken back.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from recorder.core.codec import BYTES_PER_SAMPLE, decode, samples
from recorder.core.media import SAMPLE_RATE, Codec, CodecChoice
from recorder.core.packets import Chunk, DiscardReason, Run
from recorder.core.reception import ReceptionCounters

_ENOUGH = 3200
"""Bytes of content before it is heard: 0.2 s of linear, 0.4 s of G.711 audio."""
_MARGIN = 0.7
"""Bits by which the best codec must beat the next. Speech up to overdriven, tones up to full scale, noise and
silence that are decided with this margin are decided rightly (`tests/recorder/core/test_detection.py`)."""
_PLAUSIBLE = 11.0
"""Bits above which the content proves nothing. Speech needs 10; clipped tones and loud noise begin here."""
_PACE_TOLERANCE = 0.2
"""Relative. Well between the two paces, and wider than any clock or a second's jitter."""
_PACE_SLOT, _PACE_SLOTS = 1.0, 2
"""Seconds over which the pace is taken, and how many times in a row it must be the same to be believed
whatever the content says: neither pauses in speech nor a stall and its burst keep a pace that long."""
_GUESS_AFTER = 6.0
"""Seconds of stream after which the likeliest is taken."""
MOST_WAITING = 1 << 20
"""Bytes kept coded after which it is taken too: over a minute of audio."""
_RUN_COST = 250
"""Bytes that a run takes beside its payload."""


class _Evidence:
    """How well the bytes heard so far read as one codec."""

    def __init__(self) -> None:
        self._samples = 0
        self._bits = 0.0
        self._correlation = np.zeros(3)
        self._last: npt.NDArray[np.float64] = np.zeros(2)

    def add(self, codec: Codec, payload: bytes) -> None:
        decoded = np.concatenate((self._last, samples(codec, payload).astype(np.float64)))
        now, one_before, two_before = decoded[2:], decoded[1:-1], decoded[:-2]
        self._samples += len(now)
        self._bits += float(np.log2(1 + np.abs(now)).sum())
        self._correlation += np.array([now @ now, now @ one_before, now @ two_before])
        self._last = decoded[-2:].copy()  # not a view, which would keep all of it in memory

    @property
    def cost(self) -> float:
        """Mean of the bits of a sample and of what the two before it leave unexplained."""
        if not self._samples:
            return 0.0
        r0, r1, r2 = self._correlation / self._samples
        r0 += 1e-3  # all zeros are predictable
        first = r1 / r0
        unexplained = r0 * (1 - first**2)
        second = (r2 - first * r1) / unexplained
        unexplained *= 1 - second**2
        return (self._bits / self._samples + math.log2(1 + math.sqrt(max(unexplained, 0.0)))) / 2


class _Pace:
    """Bytes a sample, by the time that they take to come."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._bytes = 0
        self._slots: list[int | None] = []

    def add(self, at: float, size: int) -> None:
        if self._began is None:
            self._began = at  # nobody knows when the first run began to come
            return
        self._bytes += size
        if at - self._began >= _PACE_SLOT:
            self._slots = [*self._slots, self.width(at)][-_PACE_SLOTS:]
            self._began, self._bytes = at, 0

    def width(self, now: float) -> int | None:
        """Bytes a sample by what came lately, if it is clear."""
        if self._bytes == 0 and self._slots:
            return self._slots[-1]
        elapsed = now - self._began if self._began is not None else 0.0
        if elapsed <= 0:
            return None
        pace = self._bytes / elapsed / SAMPLE_RATE
        return next((width for width in (1, 2) if abs(pace / width - 1) < _PACE_TOLERANCE), None)

    @property
    def steady(self) -> int | None:
        """Bytes a sample, if it has been the same for long."""
        return self._slots[0] if len(self._slots) == _PACE_SLOTS and len(set(self._slots)) == 1 else None


class CodecDetector:
    """Listens to the first runs of a connection.

    `before` is the codec of the connection before this one: believed where neither content nor pace speaks
    against it.
    """

    def __init__(self, before: Codec | None = None) -> None:
        self._before = before
        self._evidence = {codec: _Evidence() for codec in Codec}
        self._heard = 0  # bytes of content
        self._began: float | None = None
        self._pace = _Pace()

    def listen(self, run: Run) -> None:
        """Take one run into account."""
        even = run.payload[: len(run.payload) // 2 * 2]
        for codec, evidence in self._evidence.items():
            evidence.add(codec, even)
        self._heard += len(even)
        self._began = run.at if self._began is None else self._began
        self._pace.add(run.at, len(run.payload))

    def decision(self, now: float) -> Codec | None:
        """The codec, or None while more must be heard. `now` is monotonic seconds."""
        if self.deadline is None:
            return None
        if width := self._pace.steady:
            return self._preferred(width)
        content = self._by_content() if self._heard >= _ENOUGH else None
        if content and self._pace.width(now) == BYTES_PER_SAMPLE[content]:
            return content
        return self.guess() if now >= self.deadline else None

    def guess(self) -> Codec:
        """The likeliest codec if nothing more can be heard."""
        costs = self._costs
        return min(costs, key=costs.__getitem__)

    @property
    def deadline(self) -> float | None:
        """When a guess is due if nothing more is heard, monotonic seconds."""
        return None if self._began is None else self._began + _GUESS_AFTER

    @property
    def _costs(self) -> Mapping[Codec, float]:
        return {codec: evidence.cost for codec, evidence in self._evidence.items()}

    def _by_content(self) -> Codec | None:
        """The codec that the content speaks for, or that was before if it does not speak against it."""
        costs = self._costs
        best, second = sorted(costs, key=costs.__getitem__)[:2]
        if self._before and costs[self._before] - costs[best] < _MARGIN:
            return self._before
        return best if costs[best] < _PLAUSIBLE and costs[second] - costs[best] >= _MARGIN else None

    def _preferred(self, width: int) -> Codec:
        """The codec of that width: the one before, or mu-law, unless the content speaks against it."""
        if width == BYTES_PER_SAMPLE[Codec.PCM16LE]:
            return Codec.PCM16LE
        usual, other = Codec.ULAW, Codec.ALAW
        if self._before is Codec.ALAW:
            usual, other = other, usual
        costs = self._costs
        return other if costs[other] < min(_PLAUSIBLE, costs[usual] - _MARGIN) else usual


class Decoder:
    """Decodes the runs of one connection, and keeps them coded until it is known how.

    Attributes:
        codec: None until it is known.
    """

    def __init__(self, choice: CodecChoice, counters: ReceptionCounters, before: Codec | None = None) -> None:
        self.codec = None if choice is CodecChoice.AUTO else Codec(choice)
        self._detector = CodecDetector(before)
        self._counters = counters
        self._waiting: list[Run] = []
        self._kept = 0  # bytes of them

    @property
    def deadline(self) -> float | None:
        """When a guess is due, monotonic seconds; None while nothing is kept."""
        return self._detector.deadline if self._waiting else None

    def put(self, runs: Sequence[Run], now: float) -> list[Chunk]:
        """Take runs in order; return what can be decoded, each with the time of its own arrival."""
        if self.codec is None:
            for run in runs:
                self._detector.listen(run)
            self._kept += sum(len(run.payload) + _RUN_COST for run in runs)
            self.codec = self._detector.decision(now)
            if self.codec is None and self._kept > MOST_WAITING:
                self.codec = self._detector.guess()
        return self._decode(runs)

    def flush(self) -> list[Chunk]:
        """Decode what is kept: nothing more will come."""
        if self.codec is None and self._waiting:
            self.codec = self._detector.guess()
        return self._decode(())

    def _decode(self, runs: Sequence[Run]) -> list[Chunk]:
        self._waiting.extend(runs)
        if self.codec is None:
            return []
        waiting, self._waiting, self._kept = self._waiting, [], 0
        return [chunk for run in waiting if (chunk := self._chunk(self.codec, run))]

    def _chunk(self, codec: Codec, run: Run) -> Chunk | None:
        width = BYTES_PER_SAMPLE[codec]
        if len(run.payload) % width:
            self._counters.discarded[DiscardReason.ODD] += 1
            return None
        frame = run.frame // width
        chunk = Chunk(run.at, decode(codec, run.payload), frame, run.lost * frame, run.waited)
        self._counters.arrived(run.at, chunk.samples)
        return chunk

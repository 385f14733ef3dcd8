"""What one conference or call lets its listeners hear, and how far it has got.

A `Programme` is the plan and does not change; its `Airing` has the clock, the place in the script and the
record. Knows no socket and no credentials.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from recorder.core.media import SAMPLE_RATE, SAMPLE_WIDTH, Codec
from recorder.simulator.record import WatchRecord
from recorder.simulator.script import Script, Step
from recorder.simulator.tape import Tape
from recorder.simulator.wire import MAX_PAYLOAD, Generation, Numbering
from storage.names import WatchId

FRAME = 160
"""Samples in a message: the 20 ms of a bridge with three members or more."""


class End(StrEnum):
    """What happens when the tape has been played."""

    LOOP = "loop"
    """It begins again."""

    CLOSE = "close"
    """The connection is closed without a close frame, as when a call hangs up."""

    SILENCE = "silence"
    """The connection stays open and silent, as when a conference has ended."""


@dataclass(frozen=True, slots=True)
class Programme:
    """What is to be heard on one watch, and how it is sent.

    Attributes:
        watch: the conference or call.
        tape: what is said there.
        codec: how the payload is coded. Stock Asterisk sends `ULAW`, the platform's documentation says
            `PCM16LE`.
        frame: samples in a message; of several numbers each message takes the next, round and round.
        end: what comes after the last sample.
        pace: seconds of the conference in a second. 1 is real time; None sends as fast as the client takes
            it, and then the conference waits for listeners instead of going on without them.
        drift_ppm: how much faster the conference's clock runs than ours, in millionths.
        setup: seconds between the upgrade and the first message, during which the server reads nothing
            either. About 1 on the platform.
        patience: seconds that the platform looks for the bridge of a conference, once a stream is set up,
            until it hangs up. Nobody may have joined it.
        generation: of the server.
        numbering: where Asterisk's own RTP begins to count, for servers that pass it through; by default
            drawn from the watch and the number of the connection.
        script: what goes wrong.

    The conference begins when the first listener is set up, so that that one misses nothing. While nobody is
    in it nothing is sent, and its time goes on.

    Raises:
        ValueError: a frame has no samples, is too long for its message, or Asterisk's own RTP is to carry
            PCM.
    """

    watch: WatchId
    tape: Tape
    codec: Codec = Codec.PCM16LE
    frame: int | tuple[int, ...] = FRAME
    end: End = End.LOOP
    pace: float | None = 1.0
    drift_ppm: float = 0.0
    setup: float = 0.0
    patience: float = 3.0
    generation: Generation = Generation.CURRENT
    numbering: Numbering | None = None
    script: Sequence[Step] = ()

    def __post_init__(self) -> None:
        longest = MAX_PAYLOAD // self.width
        if not self.frames or not all(0 < samples <= longest for samples in self.frames):
            raise ValueError(f"{self.watch}: a frame has 1 to {longest} samples, not {self.frame}")
        if self.generation is Generation.PASSED_THROUGH and self.codec is Codec.PCM16LE:
            raise ValueError(f"{self.watch}: servers that passed Asterisk's RTP through had G.711 in it")

    @property
    def frames(self) -> tuple[int, ...]:
        """Samples in a message, one after the other."""
        return (self.frame,) if isinstance(self.frame, int) else self.frame

    @property
    def width(self) -> int:
        """Bytes of one coded sample."""
        return SAMPLE_WIDTH if self.codec is Codec.PCM16LE else 1

    @property
    def length(self) -> int:
        """Samples until the end; no number in reach where there is none."""
        return sys.maxsize if self.end is End.LOOP else len(self.tape)


class Airing:
    """A programme as it goes out: one per watch, shared by its connections, surviving them and the server.

    All instants are by `time.monotonic()`.
    """

    def __init__(self, programme: Programme) -> None:
        self.programme = programme
        self.script = Script(programme.script)
        self.record = WatchRecord()
        self._coded = programme.tape.coded(programme.codec)
        self._started: float | None = None
        self._sent = 0

    def join(self, now: float) -> int:
        """The position at which somebody begins to hear who is set up at `now`."""
        if self.programme.pace is None:
            return self._sent
        if self._started is None:
            self._started = now
        return -int((self._started - now) * self._rate // 1)  # rounded up: no sample before its time

    def due(self, position: int) -> float | None:
        """When the sample at `position` is sent; None for at once."""
        if self._started is None:
            return None
        return self._started + position / self._rate

    def payload(self, position: int, count: int) -> bytes:
        """The bytes of `count` samples from `position`."""
        width, coded = self.programme.width, self._coded
        start = position * width % len(coded)
        payload = coded[start : start + count * width]
        while len(payload) < count * width:
            payload += coded[: count * width - len(payload)]
        return payload

    def sent(self, end: int) -> None:
        """Everything before `end` has been sent to somebody or is lost."""
        self._sent = max(self._sent, end)

    @property
    def position(self) -> int:
        """The position after the last sample that was sent to anybody, or lost."""
        return self._sent

    @property
    def _rate(self) -> float:
        return SAMPLE_RATE * (self.programme.pace or 1.0) * (1 + self.programme.drift_ppm / 1e6)

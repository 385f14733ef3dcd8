"""What was sent: for each watch and connection, the exact samples that were handed to the transport.

Positions count the samples of a conference from its first one, whether or not anybody listened; where the
tape is looped, they go on counting. Nothing here decides anything: it is the evidence that tests and the
demo compare a bucket with.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from recorder.core.media import Codec
from recorder.simulator.tape import Tape


class Ended(Enum):
    """Who ended a connection, or why."""

    CLIENT = "the client closed it or went away"
    SCRIPT = "a step of the script"
    AUDIO = "the audio ended"
    STOPPED = "the server was stopped, or told to drop everybody"
    TEXT = "the client sent text to a server that does not take it"
    ENCAPSULATION = "the client asked for an encapsulation the server does not know"
    NOBODY = "nobody has ever joined the conference"
    HUNG_UP = "the call has been hung up"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and its answer: `target` without its query, at `at` by `time.monotonic()`.

    `status` is None where the connection was cut in place of an answer.
    """

    at: float
    target: str
    status: int | None


@dataclass(slots=True)
class Run:
    """Consecutive samples: `count` from `position`, sent from `sent_at` on (by `time.monotonic()`)."""

    position: int
    count: int
    sent_at: float

    @property
    def end(self) -> int:
        """The position after the last sample."""
        return self.position + self.count


@dataclass(frozen=True, slots=True)
class Missed:
    """`count` samples from `position` that were never sent, and why in one word."""

    position: int
    count: int
    reason: str


@dataclass(slots=True)
class ConnectionRecord:
    """One connection, from the upgrade to its end.

    Attributes:
        tape, codec: what the positions of `runs` index, and how it was coded.
        encapsulation: as the client asked for it, whether or not the platform knows it.
        runs: what a correct receiver has to make of it, in its order.
        missed: what this connection should have carried and did not.
        messages, junk: how many messages of audio, and of the script's junk, were sent.
        received_messages, received_bytes: data that came from the client; a pure recorder sends none.
        pings: pings that came from the client.
        close_code: of the client's close frame; 1006 if it went away without one, None while it is open.
        ended: why it ended, None while it is open.
        began_at, ended_at: when, by `time.monotonic()`; the end is None while it is open.
    """

    tape: Tape
    codec: Codec
    encapsulation: str
    runs: list[Run] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)
    messages: int = 0
    junk: int = 0
    received_messages: int = 0
    received_bytes: int = 0
    pings: int = 0
    close_code: int | None = None
    ended: Ended | None = None
    began_at: float = 0.0
    ended_at: float | None = None

    def samples(self) -> NDArray[np.int16]:
        """Every sample a correct receiver must have, in order."""
        pieces = [played(self.tape, self.codec, run.position, run.count) for run in self.runs]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    def append(self, position: int, count: int, now: float) -> None:
        """Samples were sent, and nothing in the message but its place tells when they belong."""
        if self.runs and self.runs[-1].end == position:
            self.runs[-1].count += count
        else:
            self.runs.append(Run(position, count, now))

    def insert(self, position: int, count: int, now: float) -> None:
        """Samples were sent in a numbered message: they belong where the number says, and only once."""
        index = bisect_right(self.runs, position, key=lambda run: run.position)
        before = self.runs[index - 1] if index else None
        if before is not None and position < before.end:
            return
        if before is not None and before.end == position:
            before.count += count
        else:
            before = Run(position, count, now)
            self.runs.insert(index, before)
            index += 1
        if index < len(self.runs) and self.runs[index].position == before.end:
            before.count += self.runs.pop(index).count


@dataclass(slots=True)
class WatchRecord:
    """Everything that happened to one watch: its connections, in order, and its refused attempts."""

    connections: list[ConnectionRecord] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    """The HTTP status of each attempt that named this watch and was not upgraded."""

    @property
    def received_messages(self) -> int:
        """Messages of data that clients sent. Every byte of them would be heard by the conference."""
        return sum(connection.received_messages for connection in self.connections)

    def unheard(self, start: int, end: int) -> list[tuple[int, int]]:
        """Stretches between two positions that no connection carried, as (position, count)."""
        return [gap for gap in self._gaps(start, end) if gap[1] > 0]

    def _gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        runs = sorted(
            (run for connection in self.connections for run in connection.runs), key=lambda r: r.position
        )
        reached = start
        for run in runs:
            if run.position >= end:
                break
            yield reached, run.position - reached
            reached = max(reached, run.end)
        yield reached, end - reached


def played(tape: Tape, codec: Codec, position: int, count: int) -> NDArray[np.int16]:
    """`count` samples from `position` of the tape, played in a loop, as a correct receiver decodes them."""
    heard = tape.heard(codec)
    return heard[np.arange(position, position + count) % len(heard)]

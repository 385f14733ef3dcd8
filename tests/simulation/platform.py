"""The platform of a simulated world: streams that bring what the plan says, and what was handed to them.

Keeps the truth that the oracle judges by. Knows no recorder, only its ports.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import anyio

from recorder.connection import Batch, ConnectionLost, ConnectionRefused, Setback
from recorder.core.media import Encapsulation
from recorder.core.packets import Row
from recorder.watchlist import Watch
from tests.simulation.plan import Programme, Talk, Trouble
from tests.simulation.tape import Tape

READ_INTERVAL: Final = 0.5
"""Seconds between two reads of a stream that is read as the daemon reads its sockets."""
LOSS: Final = 0.02
"""How likely a packet of a lossy talk is to get lost, and to come twice."""
UNHEARD: Final = 3.0
"""Seconds after which the platform cuts the stream of a conference that nobody has joined."""


class Said(NamedTuple):
    """A message that was handed to a connection: `samples` samples from sample `first` of the tape on.

    Attributes:
        at: when it was there to be read.
        spoken: when its first sample was spoken.
        rate: samples a second of the speaker's clock.
        life: which life of the daemon had the connection.
        wave: counts the times when audio set in again, by a connection, after a silence or after a loss.
    """

    at: float
    spoken: float
    first: int
    samples: int
    rate: float
    life: int
    wave: int


@dataclass(slots=True)
class Truth:
    """What one watch was told, and when.

    Attributes:
        connected: when there was a connection, and in which life; the last may not have ended.
    """

    programme: Programme
    tape: Tape
    said: list[Said] = field(default_factory=list)
    samples: int = 0
    connected: list[tuple[float, float, int]] = field(default_factory=list)
    waves: int = 0


class _Message(NamedTuple):
    """A message on its way; `samples` is 0 for one that repeats another or carries nothing."""

    at: float
    spoken: float
    talk: Talk
    samples: int
    sequence: int
    is_lost: bool = False
    repeats: bool = False


class Stream:
    """One connection. What arrived before its end can be received after it."""

    def __init__(self, truth: Truth, began: float, life: int, chance: random.Random) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._truth = truth
        self._programme = truth.programme
        self._life = life
        self._chance = chance
        self._encapsulation = truth.programme.watch.encapsulation
        self._timestamp = 0
        self._batches: deque[Batch] = deque()
        self._unread: list[bytes] = []
        self._read_at = began  # when reading was paused last
        self._resume_at = began
        self._reading: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._last_talk: Talk | None = None
        self._last_at = began
        self._is_fresh = True
        self.ended = False
        self.ends_at = _end(truth.programme, began, chance)
        self._place = len(truth.connected)
        truth.connected.append((began, self.ends_at, life))
        self._troubles = [
            spell
            for spell in truth.programme.troubles
            if spell.kind in {Trouble.STALL, Trouble.BURST}
            or (spell.kind == Trouble.HALF_OPEN and spell.begin >= began)
        ]
        self._messages = self._script(began)
        self._next = next(self._messages, None)
        self._timer = self._arm()

    @property
    def unread_since(self) -> float | None:
        return self._batches[0].at if self._batches else None

    async def receive(self, within: float | None = None) -> Batch | None:
        await asyncio.sleep(0)
        if not self._batches and not self.ended:
            self._waiter = self._loop.create_future()
            timer = None if within is None else self._loop.call_later(within, self._wake)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer:
                    timer.cancel()
        if self._batches:
            return self._batches.popleft()
        if self.ended:
            raise ConnectionLost("the stream is over")
        return None

    async def close(self) -> None:
        self.abandon()
        await asyncio.sleep(0)

    def abandon(self) -> None:
        """Be lost: to the platform it is all the same who ended it."""
        if not self.ended:
            self._end()

    def _arm(self) -> asyncio.TimerHandle:
        if self._next is None or self._next.at >= self.ends_at:
            return self._loop.call_at(max(self.ends_at, self._loop.time()), self._end)
        return self._loop.call_at(max(self._next.at, self._loop.time()), self._deliver)

    def _end(self) -> None:
        self._timer.cancel()
        if self._reading:
            self._reading.cancel()
        self._read(self._loop.time())
        self.ended = True
        began, _, life = self._truth.connected[self._place]
        self._truth.connected[self._place] = (began, self._loop.time(), life)
        self._wake()

    def _deliver(self) -> None:
        now = self._loop.time()
        while self._next and self._next.at <= now and self._next.at < self.ends_at:
            if self._next.is_lost:
                self._is_fresh = True
            else:
                self._hand_over(self._next, now)
            self._next = next(self._messages, None)
        self._timer = self._arm()

    def _hand_over(self, message: _Message, now: float) -> None:
        truth, talk = self._truth, message.talk
        first = truth.samples
        if message.repeats:
            first -= message.samples
        payload = truth.tape.payload(first, message.samples)
        if not message.repeats:
            self._is_fresh |= talk is not self._last_talk or now - self._last_at > 0.1 + talk.frame / 8000
            truth.waves += self._is_fresh
            self._is_fresh = False
            self._last_talk, self._last_at = talk, now
            truth.said.append(
                Said(now, message.spoken, first, message.samples, talk.rate, self._life, truth.waves)
            )
            truth.samples += message.samples
        self._unread.append(self._wrapped(payload, message.sequence))
        if not self._programme.gathers or now >= self._resume_at:
            self._read(now)
        elif self._reading is None:
            self._reading = self._loop.call_at(self._resume_at, self._resume)

    def _resume(self) -> None:
        self._reading = None
        self._read(self._loop.time())

    def _read(self, now: float) -> None:
        """What is unread becomes a batch, and reading pauses until the next turn."""
        if not self._unread:
            return
        late = now - self._resume_at > 1e-3
        waited = 0.0 if not self._programme.gathers or late else now - self._read_at
        self._batches.append(Batch(now, _rows(self._unread), waited=waited))
        self._unread = []
        self._read_at = now
        self._resume_at = (
            now + READ_INTERVAL - (now - self._truth.programme.seed % 500 / 1000) % READ_INTERVAL
        )
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _wrapped(self, payload: bytes, sequence: int) -> bytes:
        if self._encapsulation is Encapsulation.SLN:
            return payload
        if self._encapsulation is Encapsulation.AUDIOSOCKET:
            return b"\x10" + len(payload).to_bytes(2) + payload
        self._timestamp = (self._timestamp + len(payload)) % 2**32
        return b"\x80\x60" + (sequence % 2**16).to_bytes(2) + self._timestamp.to_bytes(4) + bytes(4) + payload

    def _script(self, began: float) -> Iterator[_Message]:
        """The messages of the connection, with the times of their arrival, which never decrease."""
        sequence = 0
        at = began
        for talk in self._programme.talks:
            if talk.end <= began:
                continue
            troubles = [
                spell for spell in self._troubles if talk.begin < spell.end and spell.begin < talk.end + 1
            ]
            missed = (began - talk.begin) * talk.rate / talk.frame
            number = int(missed) + 1 if missed > 0 else 0
            while talk.begins(number + 1) <= talk.end + 1e-6:
                spoken, ready = talk.begins(number), talk.begins(number + 1)
                number += 1
                at = max(at, ready + self._chance.random() * self._programme.jitter)
                trouble = next((spell for spell in troubles if spell.covers(at)), None)
                if trouble and trouble.kind in {Trouble.STALL, Trouble.HALF_OPEN}:
                    continue
                if trouble and trouble.kind == Trouble.BURST:
                    at = trouble.end
                sequence += 1
                is_lost = talk.lossy and self._chance.random() < LOSS
                message = _Message(at, spoken, talk, talk.frame, sequence, is_lost)
                yield message
                if talk.lossy and not is_lost and self._chance.random() < LOSS:
                    yield message._replace(repeats=True)


def _end(programme: Programme, began: float, chance: random.Random) -> float:
    """When a connection will be lost."""
    if any(spell.covers(began) for spell in programme.vacant):
        return began + UNHEARD
    if any(spell.covers(began) for spell in programme.troubles if spell.kind == Trouble.LIE):
        return began + chance.uniform(0, 2)
    ends = [spell.begin for spell in programme.vacant]
    for spell in programme.troubles:
        if spell.kind in {Trouble.DROP, Trouble.LIE}:
            ends.append(spell.begin)
        elif spell.kind == Trouble.HALF_OPEN and spell.begin >= began:
            ends.append(spell.end)
    return min((end for end in ends if end > began), default=math.inf)


def _rows(messages: list[bytes]) -> list[Row]:
    """Messages of one length lie at one stride in a read; others are on their own."""
    size = len(messages[0])
    if len(messages) > 1 and all(len(message) == size for message in messages):
        return [Row(b"".join(messages), 0, size, size, len(messages))]
    return [Row.of(message) for message in messages]


class Platform:
    """A `Connector` for one life of the daemon; the truth is that of the world."""

    def __init__(self, truths: dict[Watch, Truth], life: int, chance: random.Random) -> None:
        self._truths = truths
        self._life = life
        self._chance = chance
        self._streams: list[Stream] = []

    async def connect(self, watch: Watch) -> Stream:
        await anyio.sleep(self._chance.uniform(0.005, 0.2))
        now = asyncio.get_running_loop().time()
        truth = self._truths[watch]
        for spell in truth.programme.troubles:
            if spell.kind == Trouble.DROP and spell.covers(now):
                if self._chance.random() < 0.2:
                    raise ConnectionRefused(Setback.THROTTLED, "HTTP 429", retry_after=2.0)
                raise ConnectionRefused(Setback.TRANSIENT, "HTTP 502")
        if self._chance.random() < 0.5 and any(spell.covers(now) for spell in truth.programme.vacant):
            raise ConnectionRefused(Setback.NOT_LIVE, "HTTP 404")
        self._streams = [stream for stream in self._streams if not stream.ended]
        stream = Stream(truth, now, self._life, random.Random(self._chance.getrandbits(64)))
        self._streams.append(stream)
        return stream

    def part(self) -> None:
        """The daemon is gone, and with it all of its sockets."""
        for stream in self._streams:
            stream.abandon()

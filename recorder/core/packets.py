"""What passes between the stages of the core: messages, packets, runs of them, and reasons to have none.

Each read of each stream makes one of each. A tuple is the cheapest record there is.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from recorder.core.media import SAMPLE_WIDTH

MODULUS: Final = 1 << 16
"""RTP sequence numbers have 16 bits."""


class DiscardReason(StrEnum):
    """Why a message, or a packet in it, gave no audio. Each is counted under this name in the manifest."""

    TEXT = "text"
    """A text message. The platform sends none."""
    OVERSIZED = "oversized"
    """Longer than any message that carries telephone audio."""
    FLOOD = "flood"
    """More short messages at a time than audio takes."""
    EMPTY = "empty"
    """No payload."""
    SHORT = "short"
    """Ends within its own header."""
    VERSION = "version"
    """Not RTP version 2."""
    PAYLOAD_TYPE = "payload-type"
    """RTP of a payload type that is never audio: comfort noise, telephone events, RTCP."""
    PADDING = "padding"
    """RTP whose padding is longer than the packet."""
    KIND = "kind"
    """AudioSocket of another kind than 8 kHz audio."""
    LENGTH = "length"
    """AudioSocket whose length field is not that of its payload."""
    ODD = "odd"
    """Half a sample at the end of 16-bit audio."""
    STRAY = "stray"
    """A sequence number far from its neighbours that nothing followed up."""


class Row(NamedTuple):
    """Messages of one length that lie at one stride in what a read brought. A single message is a row of one.

    There are fifty messages a second and stream, and nearly all of them look like the one before: what is
    the same in all of a row is looked at once.

    Attributes:
        data: bytes that hold the messages, and what lies between them.
        start: where in them the first message begins.
        size: bytes of each message.
        stride: bytes from the beginning of one message to that of the next.
        many: how many messages, at least one.
    """

    data: bytes
    start: int
    size: int
    stride: int
    many: int

    @classmethod
    def of(cls, message: bytes) -> "Row":
        """A row of one."""
        return cls(message, 0, len(message), len(message), 1)

    def each(self) -> Iterator["Row"]:
        """The messages, one by one."""
        for number in range(self.many):
            yield Row(self.data, self.start + number * self.stride, self.size, self.stride, 1)

    def column(self, offset: int) -> bytes:
        """The byte at `offset` of every message."""
        first = self.start + offset
        return self.data[first : first + (self.many - 1) * self.stride + 1 : self.stride or 1]

    def cut(self, begin: int, end: int) -> bytes:
        """The bytes from `begin` to `end` of every message, joined."""
        start = self.start + begin
        if self.many == 1:
            return self.data[start : start + end - begin]
        shape, strides = (self.many, end - begin), (self.stride, 1)
        return np.ndarray(shape, np.uint8, self.data, start, strides).tobytes()


class Packets(NamedTuple):
    """The audio of a row of messages with consecutive sequence numbers: most often all that a read brought.

    RTP's payload type and timestamp are left behind: the one names the codec wrongly, the other counts bytes.

    Attributes:
        payload: the payloads joined, coded as they came.
        size: bytes of each payload, at least one.
        sequence: sequence number of the first (16 bits), None where the encapsulation has none.
        ssrc: their source, None where the encapsulation has none.
    """

    payload: bytes
    size: int
    sequence: int | None = None
    ssrc: int | None = None

    @property
    def many(self) -> int:
        """How many packets these are."""
        return len(self.payload) // self.size

    def each(self) -> Iterator["Packets"]:
        """The packets, one by one."""
        for number in range(self.many):
            payload = self.payload[number * self.size : (number + 1) * self.size]
            sequence = None if self.sequence is None else (self.sequence + number) % MODULUS
            yield Packets(payload, self.size, sequence, self.ssrc)


class Run(NamedTuple):
    """Payloads that follow each other without a break and arrived together.

    A payload with an odd number of bytes is a run of its own: in 16-bit audio it would shift what follows.

    Attributes:
        at: monotonic seconds of their arrival.
        payload: the payloads joined, still coded.
        frame: bytes of the last of them, the measure for a packet that is missing.
        lost: how many packets are known to be missing just before this run.
        waited: seconds that it may have lain unread before `at`.
    """

    at: float
    payload: bytes
    frame: int
    lost: int = 0
    waited: float = 0.0


class Chunk(NamedTuple):
    """A run, decoded.

    Attributes:
        at: monotonic seconds of its arrival.
        pcm: 16-bit little-endian samples.
        frame: samples of its last packet.
        lost: samples estimated to be missing just before it.
        waited: seconds that it may have lain unread before `at`.
    """

    at: float
    pcm: bytes
    frame: int
    lost: int = 0
    waited: float = 0.0

    @property
    def samples(self) -> int:
        """Length in samples."""
        return len(self.pcm) // SAMPLE_WIDTH

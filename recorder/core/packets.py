"""What passes between the stages of the core: packets, runs of them, and the reasons to have neither."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from recorder.core.media import SAMPLE_WIDTH


class DiscardReason(StrEnum):
    """Why a message, or a packet in it, gave no audio. Each is counted under this name in the manifest."""

    TEXT = "text"
    """A text message. The platform sends none."""
    OVERSIZED = "oversized"
    """Longer than any message that carries telephone audio."""
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


class Packet(NamedTuple):
    """The audio of one message. There are fifty a second and stream: a tuple is the cheapest record there is.

    `sequence` (16 bits) and `ssrc` are those of RTP, None where the encapsulation has none. RTP's payload
    type and timestamp are left behind: the one names the codec wrongly, the other counts bytes.
    """

    payload: bytes
    sequence: int | None = None
    ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
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


@dataclass(frozen=True, slots=True)
class Chunk:
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

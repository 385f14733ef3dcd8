"""How the platform puts audio into messages, and messages into WebSocket frames.

A message is made in two places. Asterisk makes a packet; the platform's gateway makes the message. Disorder
and loss happen between the two, so they show in the numbers of a packet and never in those of the gateway.
Knows no schedule and no connection, and shares no code with what reads these bytes in the recorder.
"""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from struct import Struct
from typing import Protocol

from recorder.core.media import Codec, Encapsulation

MAX_PAYLOAD = 0xFFFF
"""Bytes. AudioSocket counts a payload in 16 bits."""

TEXT = 0x1
BINARY = 0x2
CONTINUATION = 0x0

_FINAL = 0x80
_LENGTH_IN_2_BYTES = 126
_LENGTH_IN_8_BYTES = 127
_RTP = Struct(">BBHII")
_AUDIOSOCKET = Struct(">BH")
_AUDIO_KIND = 0x10
_STATIC_PAYLOAD_TYPES = {Codec.ULAW: 0, Codec.ALAW: 8}  # RFC 3551, table 4
_MARKER = 0x80


class Generation(StrEnum):
    """Which servers are stood in for, by what their gateway does to Asterisk's packets."""

    PASSED_THROUGH = "passed-through"
    """Until December 2024. Asterisk's own RTP: true sequence numbers, timestamps in samples, a real SSRC."""

    PAYLOAD_TYPE_0 = "payload-type-0"
    """Until August 2026. The gateway's own numbers, with payload type 0 whatever the payload is."""

    CURRENT = "current"
    """Since August 2026. The gateway's own numbers, with payload type 96."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """Where Asterisk's own RTP begins to count: by RFC 3550, section 5.1, anywhere."""

    sequence: int
    timestamp: int
    ssrc: int

    @classmethod
    def drawn_from(cls, seed: str) -> "Numbering":
        """Values that look random and are always the same for the same seed."""
        sequence, timestamp, ssrc = Struct(">HII").unpack(blake2b(seed.encode(), digest_size=10).digest())
        return cls(sequence, timestamp, ssrc)


class Wire(Protocol):
    """One connection's way from a payload to a message."""

    numbered: bool
    """Whether a receiver can tell the order in which Asterisk sent."""

    def packet(self, payload: bytes, position: int) -> bytes:
        """What Asterisk sends: the payload of the samples that begin at `position`."""

    def message(self, packet: bytes) -> bytes:
        """What the gateway forwards: the binary message that a client receives."""


class Bare:
    """`sln`: the payload and nothing else."""

    numbered = False

    def packet(self, payload: bytes, position: int) -> bytes:  # noqa: ARG002 - it has no place to say it
        """The payload."""
        return payload

    def message(self, packet: bytes) -> bytes:
        """The payload."""
        return packet


class AudioSocket(Bare):
    """`audiosocket`: kind 0x10 and a 16-bit length in network byte order before the payload."""

    def message(self, packet: bytes) -> bytes:
        """The payload behind its header of three bytes."""
        return _AUDIOSOCKET.pack(_AUDIO_KIND, len(packet)) + packet


class GatewayRtp(Bare):
    """`rtp` as the gateway invents it: from 1 on each connection, timestamps counting bytes, SSRC 0."""

    def __init__(self, payload_type: int) -> None:
        self._payload_type = payload_type
        self._sequence = 0
        self._timestamp = 0

    def message(self, packet: bytes) -> bytes:
        """The payload behind twelve bytes of header. The first timestamp is the first payload's length."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + len(packet)) & 0xFFFFFFFF
        return _RTP.pack(0x80, self._payload_type, self._sequence, self._timestamp, 0) + packet


class AsteriskRtp:
    """`rtp` as Asterisk itself sends it; the timestamp of a packet is that of its first sample."""

    numbered = True

    def __init__(self, payload_type: int, numbering: Numbering) -> None:
        self._payload_type = payload_type
        self._numbering = numbering
        self._sent = 0
        self._expected: int | None = None

    def packet(self, payload: bytes, position: int) -> bytes:
        """An RTP packet (RFC 3550, section 5.1), marked as the beginning of a talkspurt after a pause."""
        marker = 0 if position == self._expected else _MARKER
        self._expected = position + len(payload)  # G.711: a byte a sample
        first = self._numbering
        sequence = (first.sequence + self._sent) & 0xFFFF
        timestamp = (first.timestamp + position) & 0xFFFFFFFF
        self._sent += 1
        return _RTP.pack(0x80, marker | self._payload_type, sequence, timestamp, first.ssrc) + payload

    def message(self, packet: bytes) -> bytes:
        """The packet, as it is."""
        return packet


def open_wire(encapsulation: str, codec: Codec, generation: Generation, numbering: Numbering) -> Wire | None:
    """The way of one new connection; None where the platform does not know the encapsulation.

    `codec` says only which payload type Asterisk's own RTP carries; the gateway's never tells.
    """
    if encapsulation == Encapsulation.SLN:
        return Bare()
    if encapsulation == Encapsulation.AUDIOSOCKET:
        return AudioSocket()
    if encapsulation != Encapsulation.RTP:
        return None
    if generation is Generation.PASSED_THROUGH:
        return AsteriskRtp(_STATIC_PAYLOAD_TYPES[codec], numbering)
    return GatewayRtp(96 if generation is Generation.CURRENT else 0)


def frame(data: bytes, opcode: int = BINARY, *, final: bool = True) -> bytes:
    """One WebSocket frame as a server sends it: unmasked (RFC 6455, section 5.2).

    Made here rather than by a library because the faults need to cut, fragment and join frames at will.
    """
    first = opcode | (_FINAL if final else 0)
    if len(data) < _LENGTH_IN_2_BYTES:
        return bytes((first, len(data))) + data
    if len(data) <= 0xFFFF:  # noqa: PLR2004 - what fits into two bytes
        return bytes((first, _LENGTH_IN_2_BYTES)) + len(data).to_bytes(2) + data
    return bytes((first, _LENGTH_IN_8_BYTES)) + len(data).to_bytes(8) + data

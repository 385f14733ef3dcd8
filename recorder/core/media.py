"""The vocabulary of the audio itself: its rate, the ways it sits in a message, the ways a sample is coded."""

from enum import StrEnum

SAMPLE_RATE = 8000
"""Samples a second, one channel. All that VoIPBIN streams."""

SAMPLE_WIDTH = 2
"""Bytes of one decoded sample: 16-bit signed, little-endian."""


class Encapsulation(StrEnum):
    """How audio sits inside a WebSocket message. The values are VoIPBIN's, which are case-sensitive."""

    RTP = "rtp"
    SLN = "sln"
    AUDIOSOCKET = "audiosocket"


class Codec(StrEnum):
    """How a payload codes its samples."""

    PCM16LE = "pcm16le"
    ULAW = "ulaw"
    ALAW = "alaw"


class CodecChoice(StrEnum):
    """A codec as an operator may ask for it: one of them, or what the bytes themselves show."""

    AUTO = "auto"
    PCM16LE = "pcm16le"
    ULAW = "ulaw"
    ALAW = "alaw"

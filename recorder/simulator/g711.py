"""G.711 for the sending side: 16-bit samples to mu-law and A-law bytes and back, as two lookup tables each.

Written from ITU-T G.711 alone, apart from the recorder's own decoders on purpose: a mistake must not be
able to cancel itself out. Knows nothing of messages or time.
"""

import numpy as np
from numpy.typing import NDArray

from recorder.core.media import Codec

_ALL_SAMPLES = np.arange(-0x8000, 0x8000, dtype=np.int32)
_ALL_BYTES = np.arange(0x100, dtype=np.int32)

_LINEAR = 32
"""Magnitudes of the two lowest A-law segments, whose steps are one."""


def encode(samples: NDArray[np.int16], codec: Codec) -> bytes:
    """The samples as a payload: one byte a sample for G.711, two (little-endian) for PCM."""
    if codec is Codec.PCM16LE:
        return samples.astype("<i2").tobytes()
    return _ENCODING[codec][samples.astype(np.int32) + 0x8000].tobytes()


def decode(payload: bytes, codec: Codec) -> NDArray[np.int16]:
    """What a receiver that knows the codec must make of the payload."""
    if codec is Codec.PCM16LE:
        return np.frombuffer(payload, dtype="<i2").astype(np.int16)
    return _DECODING[codec][np.frombuffer(payload, dtype=np.uint8)]


def _ulaw_encoding() -> NDArray[np.uint8]:
    """G.711 table 2: a biased magnitude as sign, three bits of exponent, four of mantissa, all inverted."""
    magnitude = np.minimum(np.abs(_ALL_SAMPLES), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(_ALL_SAMPLES < 0, 0x80, 0)
    code: NDArray[np.uint8] = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)
    return code


def _ulaw_decoding() -> NDArray[np.int16]:
    code = ~_ALL_BYTES & 0xFF
    magnitude = (((code & 0x0F) * 8 + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_encoding() -> NDArray[np.uint8]:
    """G.711 table 1: 13 significant bits, the even bits inverted; a set sign bit means positive."""
    magnitude = np.where(_ALL_SAMPLES < 0, ~_ALL_SAMPLES, _ALL_SAMPLES) >> 4
    # Above the linear part, each segment doubles its step.
    linear = magnitude < _LINEAR
    doublings = np.where(linear, 0, np.floor(np.log2(np.maximum(magnitude, _LINEAR))).astype(np.int32) - 4)
    segment = np.where(linear, magnitude >> 4, doublings + 1)
    mantissa = (magnitude >> doublings) & 0x0F
    sign = np.where(_ALL_SAMPLES < 0, 0, 0x80)
    code: NDArray[np.uint8] = ((sign | segment << 4 | mantissa) ^ 0x55).astype(np.uint8)
    return code


def _alaw_decoding() -> NDArray[np.int16]:
    code = _ALL_BYTES ^ 0x55
    segment = (code >> 4) & 7
    step = ((code & 0x0F) << 4) + 8
    magnitude = np.where(segment == 0, step, (step + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_ENCODING = {Codec.ULAW: _ulaw_encoding(), Codec.ALAW: _alaw_encoding()}
_DECODING = {Codec.ULAW: _ulaw_decoding(), Codec.ALAW: _alaw_decoding()}

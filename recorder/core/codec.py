"""The three codecs, from payload to PCM.

The G.711 tables are libsndfile's, read once through memory: there is no formula here that could differ.
"""

import io
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

from recorder.core.media import SAMPLE_RATE, Codec

Samples = npt.NDArray[np.int16]

BYTES_PER_SAMPLE: Final[Mapping[Codec, int]] = {Codec.PCM16LE: 2, Codec.ULAW: 1, Codec.ALAW: 1}


def _table(subtype: str) -> Samples:
    """The 16-bit sample that each of the 256 codes of a law of ITU-T G.711 stands for."""
    codes = io.BytesIO(bytes(range(256)))
    table, _ = soundfile.read(
        codes, samplerate=SAMPLE_RATE, channels=1, format="RAW", subtype=subtype, dtype="int16"
    )
    return np.asarray(table, dtype="<i2")


_ULAW, _ALAW = _table("ULAW"), _table("ALAW")

_DECODE: Final[Mapping[Codec, Callable[[bytes], Samples]]] = {
    Codec.PCM16LE: lambda payload: np.frombuffer(payload, dtype="<i2"),
    Codec.ULAW: lambda payload: _ULAW[np.frombuffer(payload, dtype=np.uint8)],
    Codec.ALAW: lambda payload: _ALAW[np.frombuffer(payload, dtype=np.uint8)],
}


def samples(codec: Codec, payload: bytes) -> Samples:
    """The samples of a payload, 16-bit little-endian.

    Raises:
        ValueError: the payload ends within a sample.
    """
    return _DECODE[codec](payload)


def decode(codec: Codec, payload: bytes) -> bytes:
    """The payload as 16-bit little-endian PCM.

    Raises:
        ValueError: the payload ends within a sample.
    """
    # PCM is what it is: no copy on the path that most platforms take.
    return payload if codec is Codec.PCM16LE and len(payload) % 2 == 0 else samples(codec, payload).tobytes()

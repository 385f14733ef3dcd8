"""Decoding, against libsndfile writing files and against values of ITU-T G.711."""

import io

import numpy as np
import pytest
import soundfile

from recorder.core.codec import BYTES_PER_SAMPLE, decode, samples
from recorder.core.media import Codec

LAWS = [Codec.ULAW, Codec.ALAW]


@pytest.mark.parametrize("law", LAWS)
def test_every_code_of_a_law_decodes_as_in_a_wav_file_of_that_law(law: Codec) -> None:
    encoded = io.BytesIO()
    every = np.arange(-32768, 32768).astype(np.int16)
    soundfile.write(encoded, every, 8000, format="WAV", subtype=law.name)
    codes = encoded.getvalue()[-len(every) :]
    encoded.seek(0)
    expected, _ = soundfile.read(encoded, dtype="int16")

    decoded = samples(law, codes)

    # In mu-law no sample is coded as minus zero: the two codes of zero are one sample.
    assert set(range(256)) - set(codes) <= {0x7F}
    assert np.array_equal(decoded, expected)
    assert int(np.abs(decoded.astype(int) - every).max()) <= 1024


@pytest.mark.parametrize(
    ("law", "code", "sample"),
    [
        # The tables of G.711 have 14 bits for mu-law and 13 bits for A-law: times 4, times 8.
        (Codec.ULAW, 0xFF, 0),
        (Codec.ULAW, 0x7F, 0),
        (Codec.ULAW, 0xFE, 2 * 4),
        (Codec.ULAW, 0x7E, -2 * 4),
        (Codec.ULAW, 0xEF, 33 * 4),
        (Codec.ULAW, 0x80, 8031 * 4),
        (Codec.ULAW, 0x00, -8031 * 4),
        (Codec.ALAW, 0xD5, 1 * 8),
        (Codec.ALAW, 0x55, -1 * 8),
        (Codec.ALAW, 0xD4, 3 * 8),
        (Codec.ALAW, 0xAA, 4032 * 8),
        (Codec.ALAW, 0x2A, -4032 * 8),
    ],
)
def test_codes_decode_to_the_values_of_g711(law: Codec, code: int, sample: int) -> None:
    assert samples(law, bytes([code])).tolist() == [sample]


def test_linear_is_little_endian_and_passes_as_it_is() -> None:
    payload = b"\x01\x00\xff\xff\x00\x80\xff\x7f"

    assert samples(Codec.PCM16LE, payload).tolist() == [1, -1, -32768, 32767]
    assert decode(Codec.PCM16LE, payload) is payload


@pytest.mark.parametrize("codec", list(Codec))
def test_a_payload_has_as_many_samples_as_its_bytes_make(codec: Codec) -> None:
    assert len(decode(codec, bytes(320))) == 2 * 320 // BYTES_PER_SAMPLE[codec]
    assert decode(codec, b"") == b""


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="buffer size"):
        decode(Codec.PCM16LE, b"abc")

"""What the simulator plays: its codecs against libsndfile's, and the speech it ships."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from recorder.core.media import Codec
from recorder.simulator import Tape, g711, played, speeches

EVERY_SAMPLE = np.arange(-0x8000, 0x8000).astype(np.int16)
EVERY_BYTE = bytes(range(0x100))

read = cast("Callable[..., tuple[NDArray[np.int16], int]]", soundfile.read)


def libsndfile(payload: bytes, subtype: str) -> NDArray[np.int16]:
    return read(
        io.BytesIO(payload), samplerate=8000, channels=1, format="RAW", subtype=subtype, dtype="int16"
    )[0]


@pytest.mark.parametrize(("codec", "subtype"), [(Codec.ULAW, "ULAW"), (Codec.ALAW, "ALAW")])
def test_every_byte_decodes_as_libsndfile_decodes_it(codec: Codec, subtype: str) -> None:
    assert np.array_equal(g711.decode(EVERY_BYTE, codec), libsndfile(EVERY_BYTE, subtype))


def test_every_sample_encodes_to_mu_law_as_libsndfile_encodes_it() -> None:
    file = io.BytesIO()
    soundfile.write(file, EVERY_SAMPLE, 8000, format="RAW", subtype="ULAW")

    assert g711.encode(EVERY_SAMPLE, Codec.ULAW) == file.getvalue()


@pytest.mark.parametrize("codec", [Codec.ULAW, Codec.ALAW])
def test_every_sample_becomes_one_of_its_two_neighbours(codec: Codec) -> None:
    levels = np.unique(g711.decode(EVERY_BYTE, codec)).astype(np.int32)
    coded = g711.decode(g711.encode(EVERY_SAMPLE, codec), codec).astype(np.int32)
    above = levels[np.minimum(np.searchsorted(levels, EVERY_SAMPLE), len(levels) - 1)]
    below = levels[np.maximum(np.searchsorted(levels, EVERY_SAMPLE, side="right") - 1, 0)]

    assert np.all((coded == above) | (coded == below))


@pytest.mark.parametrize("codec", list(Codec))
def test_what_was_coded_once_is_not_changed_again(codec: Codec) -> None:
    once = g711.decode(g711.encode(EVERY_SAMPLE, codec), codec)

    assert np.array_equal(g711.decode(g711.encode(once, codec), codec), once)


@pytest.mark.parametrize("name", speeches())
def test_a_shipped_meeting_has_talk_and_digital_silence(name: str) -> None:
    tape = Tape.speech(name)

    assert 20 <= len(tape) / 8000 <= 40
    assert 4_000 < np.abs(tape.samples.astype(np.int32)).max() < 20_000
    assert 0.03 < np.mean(tape.samples == 0) < 0.5


def test_the_shipped_speech_takes_less_than_a_megabyte() -> None:
    folder = Path(g711.__file__).parent / "speech"

    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
    assert all(f"## {name}.flac" in (folder / "README.md").read_text() for name in speeches())


def test_a_tape_goes_round_and_round(ramp: Tape) -> None:
    assert np.array_equal(played(ramp, Codec.PCM16LE, 7_900, 200)[100:], ramp.samples[:100])


def test_a_file_that_is_no_audio_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    path.write_bytes(b"not audio at all")

    with pytest.raises(ValueError, match=r"noise\.wav"):
        Tape.read(path)


def test_a_file_of_another_rate_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "wide.wav"
    soundfile.write(path, EVERY_SAMPLE, 16_000)

    with pytest.raises(ValueError, match=r"wide\.wav: 16000 samples a second"):
        Tape.read(path)


def test_a_tape_has_one_channel_and_at_least_a_sample() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        Tape(np.zeros((2, 2), np.int16))
    with pytest.raises(ValueError, match="at least one sample"):
        Tape(np.zeros(0, np.int16))

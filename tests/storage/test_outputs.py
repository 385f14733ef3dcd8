"""What is given back as a file or down a pipe is what was given, in every format."""

import io
import os
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from storage.outputs import OutputFormat, create, stream, wav_header
from tests.storage.segments import RATE, Samples, speech

LOSSLESS = [OutputFormat.WAV, OutputFormat.FLAC, OutputFormat.RAW]
LOSSY = [OutputFormat.OGG, OutputFormat.OPUS]


def decoded(data: bytes, output_format: OutputFormat) -> Samples:
    if output_format is OutputFormat.RAW:
        return np.frombuffer(data, "<i2")
    samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    assert rate == RATE
    return np.asarray(samples, np.int16)


def tune(count: int) -> Samples:
    at = np.arange(count) / RATE
    return (8000 * np.sin(2 * np.pi * (300 + 40 * at) * at)).astype(np.int16)


def written(path: Path, output_format: OutputFormat, samples: Samples) -> bytes:
    with create(path, output_format, len(samples), RATE) as out:
        for block in np.array_split(samples, 7):
            out.write(block)
    return path.read_bytes()


def piped(output_format: OutputFormat, samples: Samples) -> bytes:
    with io.BytesIO() as pipe:
        with stream(pipe, output_format, len(samples), RATE) as out:
            for block in np.array_split(samples, 7):
                out.write(block)
        return pipe.getvalue()


@pytest.mark.parametrize("output_format", LOSSLESS)
@pytest.mark.parametrize("count", [1, 12_345, 10 * RATE])
def test_every_sample_is_kept(tmp_path: Path, output_format: OutputFormat, count: int) -> None:
    samples = speech(count)

    assert np.array_equal(decoded(written(tmp_path / "x", output_format, samples), output_format), samples)
    assert np.array_equal(decoded(piped(output_format, samples), output_format), samples)


@pytest.mark.parametrize("output_format", LOSSY)
def test_of_lossy_formats_the_length_is_kept_and_the_sound(
    tmp_path: Path, output_format: OutputFormat
) -> None:
    samples = tune(30 * RATE)

    for data in (written(tmp_path / "x", output_format, samples), piped(output_format, samples)):
        heard = decoded(data, output_format)
        assert len(heard) == len(samples)
        assert len(data) < len(samples)
        assert np.corrcoef(heard, samples)[0, 1] > 0.95


def test_a_header_for_a_pipe_is_that_of_a_file() -> None:
    samples = speech(1000)
    with io.BytesIO() as file:
        with wave.open(file, "wb") as out:
            out.setparams((1, 2, RATE, len(samples), "NONE", ""))
            out.writeframes(samples.tobytes())
        assert wav_header(len(samples), RATE) + samples.tobytes() == file.getvalue()


def test_what_is_too_long_for_a_wav_is_an_rf64(tmp_path: Path) -> None:
    count = (1 << 31) + 5
    header = wav_header(count, RATE)
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + count * 2)  # a hole: the disk holds next to nothing

    info = soundfile.info(path)

    assert (info.format, info.frames, info.samplerate, info.channels) == ("RF64", count, RATE, 1)
    assert struct.unpack("<Q", header[20:28]) == (len(header) + count * 2 - 8,)


def test_a_file_longer_than_4_gib_is_an_rf64(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with create(path, OutputFormat.WAV, (1 << 31) + 5, RATE) as out:
        out.write(speech(100))

    assert soundfile.info(path).format == "RF64"


@pytest.mark.parametrize("output_format", OutputFormat)
def test_nobody_at_the_other_end_of_a_pipe_is_an_error(output_format: OutputFormat) -> None:
    read, write = os.pipe()
    os.close(read)
    pipe = os.fdopen(write, "wb", buffering=0)

    with (
        pytest.raises(BrokenPipeError),
        stream(pipe, output_format, 100 * RATE, RATE) as out,
    ):
        out.write(speech(100 * RATE))
    pipe.close()


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"mine")

    for output_format in OutputFormat:
        with pytest.raises(OSError, match=r"x\.wav"), create(path, output_format, 10, RATE):
            pass

    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.wav", "wav"),
        ("a.FLAC", "flac"),
        ("a.ogg", "ogg"),
        ("a.opus", "opus"),
        ("a.pcm", "raw"),
        ("a", None),
    ],
)
def test_a_suffix_says_what_a_file_is_to_be(name: str, expected: str | None) -> None:
    assert OutputFormat.of_suffix(Path(name)) == expected

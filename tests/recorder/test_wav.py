"""WAV files of the spool: readable by anybody when closed, repairable when not."""

import struct
import wave
from pathlib import Path

import pytest

from recorder.wav import HEADER_SIZE, WavWriter, measure, repair

TONE = struct.pack("<800h", *[(i % 40 - 20) * 800 for i in range(800)])


def read(path: Path) -> bytes:
    """By the standard library, which knows nothing of libsndfile."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        return bytes(file.readframes(file.getnframes()))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(TONE)
    writer.write_silence(12_345)
    writer.write(TONE)
    writer.close()
    levels = measure(tmp_path / "a.wav").levels

    assert read(tmp_path / "a.wav") == TONE + bytes(2 * 12_345) + TONE
    assert writer.samples == 800 + 12_345 + 800
    assert (tmp_path / "a.wav").stat().st_size == HEADER_SIZE + 2 * writer.samples
    assert levels.peak_dbfs == pytest.approx(-6.2, abs=0.1)


def test_digital_silence_has_no_level(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(bytes(320))

    writer.close()

    assert measure(tmp_path / "a.wav").levels.model_dump() == {"peak_dbfs": None, "rms_dbfs": None}


def test_full_scale_is_zero_decibels_though_it_has_no_positive_twin(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(struct.pack("<2h", -32768, -32768))

    writer.close()

    assert measure(tmp_path / "a.wav").levels.model_dump() == {"peak_dbfs": 0.0, "rms_dbfs": 0.0}


def test_what_is_written_is_with_the_kernel_at_once(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(TONE)

    assert (tmp_path / "a.wav").read_bytes()[HEADER_SIZE:] == TONE
    writer.close()


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"precious")

    with pytest.raises(FileExistsError):
        WavWriter(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == b"precious"


@pytest.mark.parametrize("torn", [0, 1])
def test_a_file_that_was_never_closed_is_given_its_length(tmp_path: Path, torn: int) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(TONE)
    dead = tmp_path / "dead.wav"
    dead.write_bytes((tmp_path / "a.wav").read_bytes() + b"\x7f" * torn)
    writer.close()

    assert (repair(dead), read(dead)) == (800, TONE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "dead.wav"]


def test_a_file_without_a_whole_header_repairs_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "dead.wav").write_bytes(b"RIFF")

    assert repair(tmp_path / "dead.wav") == 0

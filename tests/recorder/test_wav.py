"""WAV files of the spool: readable by anybody when closed, repairable when not."""

import struct
import wave
from pathlib import Path

import pytest

from recorder.wav import HEADER_SIZE, WavWriter, copy, holes, measure, repair, torn

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


def test_what_is_passed_over_reads_as_silence_and_is_known_for_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    writer = WavWriter(path)
    writer.write(TONE)
    writer.skip(40_000)
    writer.write(bytes(20_000))
    writer.skip(30_000)
    writer.close()

    assert read(path) == TONE + bytes(2 * 80_000)
    first, second = holes(path)
    assert 800 <= first.start < first.end <= 40_800
    assert first.samples > 40_000 - 2 * 2048
    assert second.start >= 50_800
    assert second.end == 80_800, "silence that was written is none, and one at the end is found"


def test_a_file_without_holes_has_none(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write_silence(100_000)
    writer.close()

    assert holes(tmp_path / "a.wav") == ()


@pytest.mark.parametrize(
    ("samples", "silent", "doubtful"),
    [
        (20_000, 0, 0),
        (20_000, 3, 3),
        (20_000, 20_000, (44 + 40_000) % 4096 // 2),
        (2026, 2026, 2026),
        (2026 + 2048, 2048, 2048),
    ],
)
def test_zeros_at_the_very_end_are_in_doubt_up_to_a_block(
    tmp_path: Path, samples: int, silent: int, doubtful: int
) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(b"\1\2" * (samples - silent) + bytes(2 * silent))
    writer.close()

    assert [(entry.start, entry.samples) for entry in torn(tmp_path / "a.wav")] == (
        [(samples - doubtful, doubtful)] if doubtful else []
    )


def test_a_copy_has_what_can_be_read_and_says_what_cannot(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "a.wav")
    writer.write(TONE)
    writer.skip(40_000)
    writer.write(TONE)
    writer.close()

    lost = copy(tmp_path / "a.wav", tmp_path / "b.wav")

    assert lost == holes(tmp_path / "a.wav") != ()
    assert (tmp_path / "b.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()
    assert holes(tmp_path / "b.wav") == ()

"""WAV files of the spool through libsndfile: written as they grow, and repaired if the writer died.

Of the daemon's audio files, soundfile is imported here only. Blocking: knows no spool, no bucket and no name.
"""

import contextlib
import errno
import math
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from recorder.core.media import SAMPLE_RATE, SAMPLE_WIDTH
from storage.durable import rename, sync_file, temporary
from storage.manifest import Levels

HEADER_SIZE: Final = 44
"""Bytes before the first sample of a WAV of ours: RIFF, fmt and data, and nothing else."""

_FULL_SCALE: Final = 32768
_SILENCE: Final = bytes(SAMPLE_WIDTH * SAMPLE_RATE)  # a second of it


class WavWriter:
    """A new WAV file: 8 kHz, one channel, 16 bits. What is written reaches the kernel at once.

    The header holds the length only after `close`; until then it is the length of the file that counts.

    Raises:
        OSError: the file exists already or cannot be created.
    """

    def __init__(self, path: Path) -> None:
        # libsndfile's own errors do not tell what is wrong with a path; opening it ourselves does.
        self._descriptor = path.open("xb+", buffering=0)
        self._file = soundfile.SoundFile(
            self._descriptor.fileno(), "w", SAMPLE_RATE, 1, "PCM_16", format="WAV", closefd=False
        )
        self._peak = 0
        self._energy = 0.0
        self.samples = 0

    def write(self, pcm: bytes) -> None:
        """Append 16-bit little-endian samples.

        Raises:
            OSError: the disk did not take them.
        """
        self._append(pcm)
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.int32)
        if len(samples):
            self._peak = max(self._peak, int(np.abs(samples).max()))
            self._energy += float(np.square(samples.astype(np.float64)).sum())
            self.samples += len(samples)

    def write_silence(self, samples: int) -> None:
        """Append `samples` zeros."""
        self.samples += samples
        for _ in range(samples // SAMPLE_RATE):
            self._append(_SILENCE)
        self._append(_SILENCE[: samples % SAMPLE_RATE * SAMPLE_WIDTH])

    def close(self) -> Levels:
        """Write the final header and return how loud it was. Not yet on the disk: that takes an fsync."""
        try:
            self._file.close()
        except soundfile.SoundFileError as error:
            raise _write_error(error) from error
        finally:
            self._descriptor.close()
        rms = math.sqrt(self._energy / self.samples) if self.samples else 0.0
        return Levels(peak_dbfs=_decibels(self._peak), rms_dbfs=_decibels(rms))

    def abandon(self) -> None:
        """Let go of a file that the disk has failed. What has been written stays."""
        with contextlib.suppress(OSError):
            self.close()

    def _append(self, pcm: bytes) -> None:
        try:
            self._file.buffer_write(pcm, dtype="int16")
        except (soundfile.SoundFileError, AssertionError) as error:
            # libsndfile reports a failed write in its own words, and soundfile a short one by asserting.
            raise _write_error(error) from error


def repair(path: Path) -> tuple[int, Levels]:
    """Give a WAV that was never closed the header its length deserves; return its samples and levels.

    A sample of which only half was written is cut off. The file is replaced at once or not at all, so that a
    repair that is interrupted can be begun again.
    """
    content = path.read_bytes()[HEADER_SIZE:]
    aside = temporary(path)
    writer = WavWriter(aside)
    try:
        writer.write(content[: len(content) // SAMPLE_WIDTH * SAMPLE_WIDTH])
        levels = writer.close()
        sync_file(aside)
        rename(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return writer.samples, levels


def _write_error(error: Exception) -> OSError:
    return OSError(errno.EIO, f"libsndfile could not write: {error}")


def _decibels(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude / _FULL_SCALE), 2) if amplitude else None

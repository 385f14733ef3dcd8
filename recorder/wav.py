"""WAV files of the spool: written as they grow, measured when they are finished, repaired if the writer died.

libsndfile writes the header, and of the daemon's audio files soundfile is imported here only. Blocking: knows
no spool, no bucket and no name.
"""

import contextlib
import errno
import hashlib
import io
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from recorder.core.media import SAMPLE_RATE, SAMPLE_WIDTH
from storage.manifest import GapReason, LedgerEntry, Levels

HEADER_SIZE: Final = 44
"""Bytes before the first sample of a WAV of ours: RIFF, fmt and data, and nothing else."""

_SIZES_AT: Final = ((4, HEADER_SIZE - 8), (40, 0))
"""Where the header has a size, and what that counts beside the samples: of the RIFF and the data chunk."""
_FULL_SCALE: Final = 32768
_SILENCE: Final = bytes(SAMPLE_WIDTH * SAMPLE_RATE)  # a second of it
_BLOCK: Final = 1 << 20
_FS_BLOCK: Final = 4096
"""Bytes that a file system knows as one, unless it is a strange one."""


def _empty_wav() -> bytes:
    """The header of a file without samples, as libsndfile writes it."""
    file = io.BytesIO()
    soundfile.SoundFile(file, "w", SAMPLE_RATE, 1, "PCM_16", format="WAV").close()
    return file.getvalue()


_HEADER: Final = _empty_wav()


class WavWriter:
    """A new WAV file: 8 kHz, one channel, 16 bits. What is written reaches the kernel at once.

    The header holds the length only after `close`; until then it is the length of the file that counts.

    Attributes:
        samples: how many whole ones the disk took; where it fails in the midst of a write, the first of them.

    Raises:
        OSError: the file exists already or cannot be created.
    """

    def __init__(self, path: Path) -> None:
        # libsndfile's own errors do not tell what is wrong with a path or a disk; writing it ourselves does.
        self._file = path.open("xb", buffering=0)
        self.samples = 0
        try:
            self._append(_HEADER)
        except OSError:
            # The name must be free for the next attempt. There is nothing in it.
            with contextlib.suppress(OSError):
                self._file.close()
            with contextlib.suppress(OSError):
                path.unlink()
            raise

    def write(self, pcm: bytes) -> None:
        """Append 16-bit little-endian samples.

        Raises:
            OSError: the disk did not take all of them.
        """
        taken = 0
        try:
            # A disk that fills up takes a part first, and says why only when asked again.
            while taken < len(pcm):
                taken += self._file.write(memoryview(pcm)[taken:]) or 0
        finally:
            self.samples += taken // SAMPLE_WIDTH

    def write_silence(self, samples: int) -> None:
        """Append `samples` zeros.

        Raises:
            OSError: the disk did not take all of them.
        """
        for left in range(samples, 0, -SAMPLE_RATE):
            self.write(_SILENCE[: left * SAMPLE_WIDTH])

    def skip(self, samples: int) -> None:
        """Go on `samples` further. What is passed over reads as zeros, and takes no room on the disk.

        Raises:
            OSError: the disk does not let it; nothing has changed.
        """
        end = self._offset(self.samples + samples)
        self._file.truncate(self._offset(self.samples))  # a write that failed may have left half a sample
        self._file.truncate(end)
        self._file.seek(end)
        self.samples += samples

    def sync(self) -> None:
        """See what was written onto the disk."""
        os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """Write the final header. Not yet on the disk: that takes an fsync. Done again, it does nothing."""
        if self._file.closed:
            return
        self._file.seek(0)
        try:
            self._append(_sized(self.samples))
        except OSError:
            self._file.seek(self._offset(self.samples))  # what is tried again later begins there
            raise
        self._file.close()

    def abandon(self) -> None:
        """Let go of a file that the disk has failed. What has been written stays."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]

    @staticmethod
    def _offset(samples: int) -> int:
        return HEADER_SIZE + samples * SAMPLE_WIDTH


@dataclass(frozen=True, slots=True)
class Measure:
    """What only the finished file can tell: its SHA-256 (hex), its size in bytes, its length and loudness."""

    sha256: str
    size: int
    samples: int
    levels: Levels


def measure(path: Path) -> Measure:
    """Read a finished file of ours once, from the page cache as a rule.

    Raises:
        OSError: it cannot be read.
    """
    digest, peak, energy, size = hashlib.sha256(), 0, 0.0, 0
    with path.open("rb", buffering=0) as file:
        digest.update(file.read(HEADER_SIZE))
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            samples = np.frombuffer(block, dtype="<i2")
            peak = max(peak, int(samples.max()), -int(samples.min()))
            energy += float(np.square(samples, dtype=np.float32).sum(dtype=np.float64))
    count = size // SAMPLE_WIDTH
    rms = math.sqrt(energy / count) if count else 0.0
    levels = Levels(peak_dbfs=_decibels(peak), rms_dbfs=_decibels(rms))
    return Measure(digest.hexdigest(), HEADER_SIZE + size, count, levels)


def write_silent(path: Path, samples: int) -> None:
    """Write a new file of silence that takes no room for it, and see it onto the disk."""
    writer = WavWriter(path)
    try:
        writer.skip(samples)
        writer.close()
    finally:
        writer.abandon()
    with path.open("rb") as file:
        os.fsync(file.fileno())


def holes(path: Path) -> tuple[LedgerEntry, ...]:
    """Where a file reads as silence and has nothing on the disk, in whole blocks of the file system.

    Audio is always written, silent as it may be: what is a hole was passed over, or did not get to the disk.
    (A file system that keeps zeros as holes, as ZFS may, calls digital silence one. It is silence, at least.)
    """
    found: list[LedgerEntry] = []
    with path.open("rb", buffering=0) as file:
        size = file.seek(0, io.SEEK_END)
        position = HEADER_SIZE
        while position < size and (start := file.seek(position, os.SEEK_HOLE)) < size:
            try:
                position = min(size, file.seek(start, os.SEEK_DATA))
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                position = size  # there is nothing after it
            first, end = ((at - HEADER_SIZE) // SAMPLE_WIDTH for at in (start, position))
            if first < end:
                found.append(LedgerEntry(start=first, samples=end - first, reason=GapReason.DISK))
    return tuple(found)


def torn(path: Path) -> tuple[LedgerEntry, ...]:
    """What at the end of a file may have been audio before a power cut, and reads as silence.

    Within a block that it had already, a file system may know of a new length before it has the samples.
    """
    with path.open("rb", buffering=0) as file:
        size = file.seek(0, io.SEEK_END)
        start = max(HEADER_SIZE, (size - 1) // _FS_BLOCK * _FS_BLOCK)
        file.seek(start)
        kept = len(file.read().rstrip(b"\0"))
    first, end = (start + kept - HEADER_SIZE + 1) // SAMPLE_WIDTH, (size - HEADER_SIZE) // SAMPLE_WIDTH
    return (LedgerEntry(start=first, samples=end - first, reason=GapReason.DISK),) if first < end else ()


def copy(path: Path, copied: Path) -> tuple[LedgerEntry, ...]:
    """Write what can be read of a finished file to a new one, see that onto the disk, return what is lost.

    Raises:
        OSError: it cannot be read or written; `copied` may be there.
    """
    with path.open("rb", buffering=0) as source, copied.open("xb") as target:
        size = source.seek(0, io.SEEK_END)
        source.seek(HEADER_SIZE)
        target.write(_sized((size - HEADER_SIZE) // SAMPLE_WIDTH))
        while block := source.read(_BLOCK):
            target.write(block)
        # Only now: what the kernel let go of while it was copied is a hole by now.
        lost = holes(path)
        for entry in lost:
            target.seek(HEADER_SIZE + entry.start * SAMPLE_WIDTH)
            target.write(bytes(entry.samples * SAMPLE_WIDTH))
        target.flush()
        os.fsync(target.fileno())
    return lost


def repair(path: Path) -> int:
    """Give a WAV that was never closed the header its length deserves; return its samples.

    A sample of which only half was written is cut off. Done in place, for the disk may be full, and harmless
    when it is interrupted or done again: only the header is written, and it says what the file holds.
    """
    with path.open("r+b", buffering=0) as file:
        size = file.seek(0, io.SEEK_END)
        samples = max(0, size - HEADER_SIZE) // SAMPLE_WIDTH
        if samples:
            file.truncate(HEADER_SIZE + samples * SAMPLE_WIDTH)
            file.seek(0)
            file.write(_sized(samples))
            os.fsync(file.fileno())
    return samples


def _sized(samples: int) -> bytes:
    """The header of a file of so many samples."""
    header = bytearray(_HEADER)
    for position, more in _SIZES_AT:
        struct.pack_into("<I", header, position, samples * SAMPLE_WIDTH + more)
    return bytes(header)


def _decibels(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude / _FULL_SCALE), 2) if amplitude else None

"""What recordings are given back as: a WAV, a FLAC, Ogg or bare samples, into a file or down a pipe.

Mono, 16 bit. Knows no store, no time and no manifest; how many samples there will be is known beforehand.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile

from storage.audio import AudioWriter, Samples

_WIDTH = 2
"""Bytes of a sample."""

_WAV_LIMIT = (1 << 31) - (1 << 16)
"""Bytes of samples: a WAV has 32 bits for its size, read as signed by some. It is 37 hours at 8 kHz."""

_BLOCK = 1 << 13
"""Samples that are encoded at a time. The encoder of Vorbis takes room on the stack for all of them."""

_UNKNOWN = 0xFFFFFFFF
"""In the place of a size that stands in 64 bits elsewhere."""

_FLAC_COUNT = slice(21, 26)
"""Where a FLAC says how many samples it has, in the last 36 bits of these bytes."""


class OutputFormat(StrEnum):
    """What can be written. The first two keep every sample as it is; so does RAW, without a header."""

    WAV = "wav"
    """PCM, 16 bit; RF64 (EBU Tech 3306) where it is too long for a WAV."""
    FLAC = "flac"
    OGG = "ogg"
    """Vorbis. Lossy, as the next one is."""
    OPUS = "opus"
    """Opus in Ogg."""
    RAW = "raw"
    """16 bit, little-endian."""

    @classmethod
    def of_suffix(cls, path: Path) -> "OutputFormat | None":
        """What a file of that name is expected to be; None where the name does not say."""
        return _SUFFIXES.get(path.suffix.lower())


_SUFFIXES = {
    **{f".{output_format.value}": output_format for output_format in OutputFormat},
    ".wave": OutputFormat.WAV,
    ".oga": OutputFormat.OGG,
    ".pcm": OutputFormat.RAW,
}

_ENCODINGS = {
    OutputFormat.FLAC: ("FLAC", "PCM_16"),
    OutputFormat.OGG: ("OGG", "VORBIS"),
    OutputFormat.OPUS: ("OGG", "OPUS"),
}


@contextmanager
def create(path: Path, output_format: OutputFormat, samples: int, sample_rate: int) -> Iterator[AudioWriter]:
    """Create the file `path`, which is not there yet, for that many samples.

    Raises:
        OSError: it cannot be created or written.
    """
    with io.BufferedWriter(_Named(str(path), "xb")) as file:
        if output_format is OutputFormat.RAW:
            yield _Bare(file)
            return
        is_long = samples * _WIDTH > _WAV_LIMIT
        form, subtype = _ENCODINGS.get(output_format, ("RF64" if is_long else "WAV", "PCM_16"))
        # Not by name: what libsndfile cannot write as it closes a file, it does not tell.
        checked = _Checked(file)
        try:
            with soundfile.SoundFile(checked, "w", sample_rate, 1, subtype, format=form) as sound:
                yield _Encoded(sound, checked)
        except soundfile.LibsndfileError as error:
            checked.check()
            raise OSError(f"{path}: {error.error_string}") from error
        checked.check()


@contextmanager
def stream(
    file: BinaryIO, output_format: OutputFormat, samples: int, sample_rate: int
) -> Iterator[AudioWriter]:
    """Write that many samples to what may be a pipe: nothing in it is changed afterwards.

    A header says from the beginning how many samples follow. Of a FLAC it does not have the MD5 of them.

    Raises:
        OSError: it cannot be written.
    """
    if output_format in _ENCODINGS:
        form, subtype = _ENCODINGS[output_format]
        pipe = _Pipe(file, samples if output_format is OutputFormat.FLAC else None)
        with soundfile.SoundFile(pipe, "w", sample_rate, 1, subtype, format=form) as sound:
            yield _Encoded(sound, pipe)
        pipe.check()
    else:
        if output_format is OutputFormat.WAV:
            file.write(wav_header(samples, sample_rate))
        yield _Bare(file)
    file.flush()


def wav_header(samples: int, sample_rate: int) -> bytes:
    """What stands before so many samples: of a WAV, or of an RF64 where they are too many for one."""
    size = samples * _WIDTH
    format_chunk = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, sample_rate * _WIDTH, _WIDTH, 8 * _WIDTH
    )
    if size <= _WAV_LIMIT:
        before = struct.pack("<4sI4s", b"RIFF", size + 36, b"WAVE")
        return before + format_chunk + struct.pack("<4sI", b"data", size)
    before = struct.pack("<4sI4s", b"RF64", _UNKNOWN, b"WAVE")
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, size + 72, size, samples, 0)
    return before + sizes + format_chunk + struct.pack("<4sI", b"data", _UNKNOWN)


class _Bare:
    """Writes samples as they are."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, samples: Samples) -> None:
        self._file.write(samples.astype("<i2", copy=False).tobytes())


class _Encoded:
    """Writes samples through libsndfile, a few at a time."""

    def __init__(self, sound: soundfile.SoundFile, file: "_Checked") -> None:
        self._sound = sound
        self._file = file

    def write(self, samples: Samples) -> None:
        for at in range(0, len(samples), _BLOCK):
            self._sound.write(np.ascontiguousarray(samples[at : at + _BLOCK]))
            self._file.check()


class _Named(io.FileIO):
    """A file whose errors name it."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = self.name
            raise


class _Checked:
    """A file to libsndfile. What cannot be written is raised by `check`, and nothing is written after it.

    An exception would only be printed from within libsndfile.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Take what comes next."""
        if self._error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Where the next bytes go; writes those before."""
        try:
            self._file.seek(offset, whence)
        except OSError as error:
            self._error = self._error or error
        return self.tell()

    def tell(self) -> int:
        """Where that is."""
        return self._file.tell()

    def read(self, _: int = -1) -> bytes:
        """Nothing."""
        return b""

    def check(self) -> None:
        """Raise what went wrong since."""
        if self._error is not None:
            raise self._error


class _Pipe(_Checked):
    """The same of which nothing can be written twice.

    What libsndfile would complete in the header at the end is dropped: all of it may be unknown, and how many
    samples a FLAC has is put in at the beginning.
    """

    def __init__(self, file: BinaryIO, flac_samples: int | None) -> None:
        super().__init__(file)
        self._flac_samples = flac_samples
        self._at = 0
        self._written = 0

    def write(self, data: bytes) -> int:
        """Take what comes next."""
        if self._at == self._written:
            self._written += super().write(self._with_count(data))
        self._at += len(data)
        return len(data)

    def _with_count(self, block: bytes) -> bytes:
        first = _FLAC_COUNT.start - self._written
        last = _FLAC_COUNT.stop - self._written
        if self._flac_samples is None or first < 0 or len(block) < last:
            return block
        count = int.from_bytes(block[first:last], "big") | self._flac_samples
        return block[:first] + count.to_bytes(last - first, "big") + block[last:]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Where the next bytes would go."""
        self._at = offset + (0, self._at, self._written)[whence]
        return self._at

    def tell(self) -> int:
        """Where that is."""
        return self._at

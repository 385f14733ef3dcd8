"""What the audio of a finished segment is sealed as: its WAV as it is, or a FLAC that is proven equal.

A FLAC is an economy: whatever is wrong with the encoder or the disk, the WAV is sealed then. Blocking; knows
no order of steps and no state.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from recorder import flac, logs
from recorder.wav import Measure
from storage import durable
from storage.manifest import Audio
from storage.names import AudioFormat, SegmentName

_log = structlog.stdlib.get_logger(__name__)


@contextmanager
def finished(
    wav: Path, measure: Measure, name: SegmentName, audio_format: AudioFormat
) -> Iterator[tuple[Path, Audio]]:
    """The file, on the disk, that is to get the name of the sealed audio, and what its manifest says of it.

    It is `wav` itself, or one that is gone afterwards unless it was renamed.

    Raises:
        OSError: a file cannot be removed.
    """
    aside = durable.temporary(wav.with_name(name.spool_stem + AudioFormat.FLAC.suffix))
    wanted = audio_format is AudioFormat.FLAC and measure.samples  # libsndfile reads no FLAC of none
    try:
        encoded = _encode(wav, aside, name) if wanted else None
        if encoded:
            yield aside, encoded
        else:
            yield wav, Audio(key=name.audio_key, sha256=measure.sha256, size=measure.size)
    finally:
        aside.unlink(missing_ok=True)


def _encode(wav: Path, path: Path, name: SegmentName) -> Audio | None:
    try:
        encoded = flac.encode(wav, path)
    except (flac.NotEncoded, OSError) as error:
        _log.error(
            "segment kept as WAV: it could not be made a FLAC",
            **{logs.SEGMENT: name.stem, logs.ERROR: str(error)},
        )
        return None
    key = name.audio_key_as(AudioFormat.FLAC)
    return Audio(key=key, sha256=encoded.sha256, size=encoded.size, pcm_sha256=encoded.pcm_sha256)


def is_whole(path: Path, audio: Audio) -> bool:
    """Whether a file is there and is the audio that a manifest names.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == audio.sha256
    except FileNotFoundError:
        return False


def is_source(wav: Path, audio: Audio) -> bool:
    """Whether a finished WAV of ours holds the samples of the audio that a manifest names.

    Raises:
        OSError: it cannot be read.
    """
    return flac.pcm_sha256(wav) == audio.pcm_sha256

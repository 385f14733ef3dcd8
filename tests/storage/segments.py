"""Segments made up for tests: manifests, and the audio that belongs to them."""

import hashlib
import io
import wave
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import soundfile
from numpy.typing import NDArray

from storage.manifest import (
    Audio,
    ClosedBy,
    LedgerEntry,
    Levels,
    OpenedAfter,
    OpenedAfterReason,
    SegmentManifest,
    WatchFacts,
    format_manifest,
)
from storage.names import AudioFormat, SegmentName, WatchId, WatchKind
from storage.store import ObjectStore

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

RATE = 8000

Samples = NDArray[np.int16]


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def speech(samples: int, seed: int = 0) -> Samples:
    """Noise: no two samples of it are where the other could be."""
    return np.random.default_rng(seed).integers(-20_000, 20_000, samples, dtype=np.int16)


def wav(samples: Samples, *, chunk: bytes = b"") -> bytes:
    """A WAV file of these samples; `chunk` is put before the data, as an editor would."""
    with io.BytesIO() as file:
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(samples.tobytes())
        plain = file.getvalue()
    if not chunk:
        return plain
    extra = b"LIST" + len(chunk).to_bytes(4, "little") + chunk
    size = int.from_bytes(plain[4:8], "little") + len(extra)
    return plain[:4] + size.to_bytes(4, "little") + plain[8:36] + extra + plain[36:]


def flac(samples: Samples) -> bytes:
    """A FLAC file of these samples."""
    with io.BytesIO() as file:
        soundfile.write(file, samples, RATE, "PCM_16", format="FLAC")
        return file.getvalue()


def stored(samples: Samples, audio_format: AudioFormat) -> bytes:
    """The audio object of these samples."""
    return {AudioFormat.WAV: wav, AudioFormat.FLAC: flac}[audio_format](samples)


def manifest(
    samples: Samples,
    started_at: datetime = NOON,
    *,
    watch: WatchId = BOARD,
    recorder: str = "rec-a",
    number: int = 0,
    name: str | None = None,
    opened_after: OpenedAfterReason | None = OpenedAfterReason.START,
    away: float = 3600.0,
    closed_by: ClosedBy = ClosedBy.STOPPED,
    ledger: Iterable[LedgerEntry] = (),
    audio: bytes | None = None,
    audio_format: AudioFormat = AudioFormat.WAV,
    previous: SegmentManifest | None = None,
) -> SegmentManifest:
    """The manifest of a segment of these samples. A segment opened after nothing continues the one before."""
    audio = stored(samples, audio_format) if audio is None else audio
    is_wav = audio_format is AudioFormat.WAV
    return SegmentManifest(
        watch=WatchFacts(kind=watch.kind, id=watch.id, name=name),
        recorder=recorder,
        version="0.1.0",
        number=number,
        started_at=started_at,
        samples=len(samples),
        encapsulation="rtp",
        codec="ulaw",
        ledger=tuple(ledger),
        opened_after=OpenedAfter(reason=opened_after, seconds=away) if opened_after else None,
        closed_by=closed_by,
        audio=Audio(
            key=SegmentName(watch, started_at, recorder, number).audio_key_as(audio_format),
            sha256=hashlib.sha256(audio).hexdigest(),
            size=len(audio),
            pcm_sha256=None if is_wav else hashlib.sha256(samples.tobytes()).hexdigest(),
        ),
        levels=Levels(peak_dbfs=None, rms_dbfs=None),
        previous=hashlib.sha256(format_manifest(previous)).hexdigest() if previous else None,
    )


def store_segment(
    store: ObjectStore, samples: Samples, segment: SegmentManifest, *, audio: bytes | None = None
) -> SegmentManifest:
    """Put a segment into a store as the daemon does: audio, then manifest."""
    for key, data in (
        (segment.audio.key, stored(samples, segment.audio_format) if audio is None else audio),
        (segment.name.manifest_key, format_manifest(segment)),
    ):
        store.put(key, data, sha256=hashlib.sha256(data).hexdigest(), content_type="application/octet-stream")
    return segment

"""Giving up the audio of a sealed segment, to make room: what is left is a manifest that says so.

The audio becomes silence that takes no room on the disk, as long as it was; the ledger has it as `disk`, and
`replaces` names the manifest before. That silence follows from the number of samples alone. So the new
manifest comes first, and with it there the rest can be done at any later start: a segment is the old one or
the new. It is a WAV, whatever it was before. Blocking; knows no order of states.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from recorder import sealing, wav
from recorder.segment import SealedSegment
from storage import durable
from storage.ledger import merged
from storage.manifest import Audio, GapReason, LedgerEntry, Levels, SegmentManifest, format_manifest
from storage.names import AudioFormat

_BLOCK = 512
"""Bytes, as stat(2) counts the room that a file takes."""
_LITTLE = 16 << 10
"""Bytes that are not worth it: what silence takes, and some more."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A segment without its audio: how many samples of it were given up, and how many bytes that frees."""

    segment: SealedSegment
    samples: int
    size: int


class NotFinished(OSError):
    """The manifest has been replaced, and the audio has not: to be tried again before it is uploaded."""


def drop(segment: SealedSegment) -> Dropped:
    """Replace the audio of a segment by silence, and its manifest. Nobody may be uploading it.

    What is on legal hold is never given up.

    Raises:
        ManifestError: the manifest cannot be read.
        NotFinished: the disk did not let it be finished.
        OSError: the disk does not let it; nothing has changed.
    """
    before, data = segment.read_manifest()
    size = segment.audio.stat().st_blocks * _BLOCK
    silent_already = before.silence == before.samples and not before.replaces
    if size <= _LITTLE or silent_already or before.watch.legal_hold:
        return Dropped(segment, 0, 0)
    if before.replaces:
        lost = sum(entry.samples for entry in before.ledger if entry.reason is GapReason.DISK)
        return Dropped(_finished(segment, before), lost, size)
    aside = durable.temporary(_silent(segment))
    try:
        wav.write_silent(aside, before.samples)
        after = _without_audio(before, sha256(data).hexdigest(), wav.measure(aside))
        durable.write_file(segment.manifest, format_manifest(after))
    finally:
        aside.unlink(missing_ok=True)
    return Dropped(_finished(segment, after), before.samples - before.silence, size)


def _finished(segment: SealedSegment, manifest: SegmentManifest) -> SealedSegment:
    try:
        return finish(segment, manifest)
    except OSError as error:
        raise NotFinished(error.errno, error.strerror, str(segment.audio)) from error


def finish(segment: SealedSegment, manifest: SegmentManifest) -> SealedSegment:
    """Give a segment the audio that its manifest, which has been replaced, names; and no other.

    Raises:
        OSError: the disk does not let it.
    """
    silent = _silent(segment)
    if not sealing.is_whole(silent, manifest.audio):
        aside = durable.temporary(silent)
        try:
            wav.write_silent(aside, manifest.samples)
            durable.rename(aside, silent)
        finally:
            aside.unlink(missing_ok=True)
    durable.remove(silent.with_suffix(AudioFormat.FLAC.suffix))
    return replace(segment, audio=silent)


def _silent(segment: SealedSegment) -> Path:
    return segment.audio.with_suffix(AudioFormat.WAV.suffix)


def _without_audio(before: SegmentManifest, replaces: str, measure: wav.Measure) -> SegmentManifest:
    given_up = LedgerEntry(start=0, samples=before.samples, reason=GapReason.DISK)
    return before.model_copy(
        update={
            "ledger": merged(before.ledger, (given_up,)),
            "audio": Audio(key=before.name.audio_key, sha256=measure.sha256, size=measure.size),
            "levels": Levels(peak_dbfs=None, rms_dbfs=None),
            "replaces": replaces,
        }
    )

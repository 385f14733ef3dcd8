"""How one thing gets into the bucket and is seen to be there. Blocking; knows no second attempt."""

import contextlib
import hashlib
from typing import Final

from recorder import sealing
from recorder.segment import SealedSegment
from storage import deadline
from storage.errors import ObjectNotFound, StoreError, StoreUnavailable
from storage.manifest import ManifestError, SegmentManifest
from storage.store import ObjectStore

MANIFEST_TYPE: Final = "application/json"
_PROBE: Final = b"written by conference-recorder to see whether this store takes and gives back\n"
_READ_SIZE = 1 << 20


class ReadBackFailed(StoreUnavailable):
    """The store took something, and does not give it back as it was."""


class AudioDamaged(ValueError):
    """The audio of a segment is not what was sealed. It never will be: trying again does not help."""


def deliver(store: ObjectStore, segment: SealedSegment, limit: float) -> SegmentManifest:
    """Put a segment into a store and see that it is there, within `limit` seconds; return what it says.

    Raises:
        ReadBackFailed: it did not get there whole, though the store took it.
        StoreError: it did not get there.
        AudioDamaged: the audio in the spool is not what was sealed.
        ManifestError: the manifest in the spool is gone, or cannot be read.
        OSError: the spool cannot be read.
    """
    try:
        manifest, data = segment.read_manifest()
    except FileNotFoundError:
        raise ManifestError(f"there is no manifest beside {segment.audio}") from None
    digest = hashlib.sha256(data).hexdigest()
    name, content_type = segment.name, segment.audio_format.content_type
    with deadline.within(limit):
        try:
            store.put(
                segment.audio_key, segment.audio, sha256=manifest.audio.sha256, content_type=content_type
            )
        except StoreUnavailable:
            # That the bytes are not those of the SHA-256 is no different to a store from a bad line.
            _check_audio(segment, manifest)
            raise
        store.put(name.manifest_key, data, sha256=digest, content_type=MANIFEST_TYPE)
        if manifest.watch.legal_hold:
            store.hold(segment.audio_key)
            store.hold(name.manifest_key)
        read_back(store, segment.audio_key, manifest.audio.size, manifest.audio.sha256)
        read_back(store, name.manifest_key, len(data), digest)
    return manifest


def _check_audio(segment: SealedSegment, manifest: SegmentManifest) -> None:
    if not sealing.is_whole(segment.audio, manifest.audio):
        raise AudioDamaged(
            f"{segment.audio.name} is not what was sealed, its SHA-256 is another: the disk has damaged it;"
            " see the kernel log, and move the spool to another disk"
        )


def probe(store: ObjectStore, recorder: str, limit: float, *, locked: bool = False) -> None:
    """See whether a store takes something small and gives it back, within `limit` seconds.

    Where objects are `locked` it stays: deleted, it would be kept as a version, one more each time.

    Raises:
        StoreError: it does not.
    """
    key, digest = f"probe-{recorder}", hashlib.sha256(_PROBE).hexdigest()
    with deadline.within(limit):
        store.put(key, _PROBE, sha256=digest, content_type="text/plain")
        read_back(store, key, len(_PROBE), digest)
        if not locked:
            with contextlib.suppress(StoreError):  # who may not delete can record all the same
                store.delete(key)


def read_back(store: ObjectStore, key: str, size: int, sha256: str) -> None:
    """See that the store holds what it was given, by its own checksum where it has one, else by reading it.

    Raises:
        ReadBackFailed: it does not.
        StoreError: it does not say.
    """
    try:
        stat = store.stat(key)
        found = stat.sha256
        if found is None and stat.size == size:
            digest = hashlib.sha256()
            with store.open(key) as content:
                for part in iter(lambda: content.read(_READ_SIZE), b""):
                    digest.update(part)
            found = digest.hexdigest()
    except ObjectNotFound:
        raise ReadBackFailed(f"{key} was put and is not there") from None
    if (stat.size, found) != (size, sha256):
        raise ReadBackFailed(f"{key} was put and reads back differently: {stat.size} of {size} bytes")

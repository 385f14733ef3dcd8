"""The objects of one segment, looked at together: its manifest, its tombstones, its audio.

Knows no other segment, and so no chain.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from storage.chain import Link
from storage.errors import ObjectNotFound
from storage.findings import Erased, Fault, FaultKind
from storage.inspection import Flaw, inspect
from storage.layout import SAMPLE_RATE
from storage.manifest import SegmentManifest, parse_manifest
from storage.names import SegmentName
from storage.shelves import MAX_SEGMENT, Shelf
from storage.store import ObjectStore
from storage.tombstone import mistakes

MAX_MANIFEST = 64 << 20
"""Bytes. A day with a stall every ten seconds makes half a megabyte; beyond this it is not a manifest."""

_KINDS = {
    Flaw.MISSING: FaultKind.AUDIO_MISSING,
    Flaw.TRUNCATED: FaultKind.AUDIO_TRUNCATED,
    Flaw.ALTERED: FaultKind.AUDIO_ALTERED,
    Flaw.CONTRADICTED: FaultKind.AUDIO_CONTRADICTED,
}


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found of one segment.

    Attributes:
        manifest: what stands for it, its own manifest or a tombstone; None where neither can be used.
        link: its place in the chain, None where that is not known.
        is_sound: whether its audio is what that manifest says.
        size: bytes of audio that were read.
    """

    name: SegmentName
    manifest: SegmentManifest | None
    link: Link | None
    is_sound: bool
    size: int
    faults: tuple[Fault, ...]
    erased: tuple[Erased, ...] = ()


class NotRead(Exception):
    """A manifest that cannot be used, and the fault that this is."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def examine(store: ObjectStore, shelf: Shelf) -> Examined:
    """Look at all objects of a segment.

    Raises:
        StoreError: the store cannot be read.
    """
    faults: list[Fault] = []
    own, sha256 = _own(store, shelf, faults)
    standing = _tombstone(store, shelf, own, sha256, faults) if shelf.tombstones else own
    if standing is None:
        return Examined(shelf.name, None, _link(own, sha256), False, 0, tuple(faults))
    inspection = inspect(store, standing)
    if inspection.flaw:
        faults.append(Fault(_KINDS[inspection.flaw], standing.audio.key, inspection.message))
    faults += _left_over(shelf, standing)
    erasures = standing.erased.erasures if standing.erased else ()
    if standing.erased and sha256 is None:
        sha256 = standing.erased.manifest
    return Examined(
        shelf.name,
        standing,
        _link(own or standing, sha256),
        inspection.flaw is None,
        0 if inspection.flaw is Flaw.MISSING else standing.audio.size,
        tuple(faults),
        tuple(Erased(shelf.standing_key, erasure) for erasure in erasures),
    )


def read_link(store: ObjectStore, shelf: Shelf) -> Link | None:
    """The place of a segment in the chain, by its manifest alone; None where that cannot be used.

    Raises:
        StoreError: the store cannot be read.
    """
    return _link(*_own(store, shelf, []))


def read_manifest(store: ObjectStore, name: SegmentName, key: str) -> tuple[SegmentManifest, str]:
    """The manifest at a key, which is one of a segment of this name, and the SHA-256 (hex) of its JSON.

    Raises:
        NotRead: it cannot be used.
        StoreError: the store cannot be read.
    """
    try:
        with store.open(key, length=MAX_MANIFEST) as stream:
            data = stream.read()
        manifest = parse_manifest(data)
        its_name = manifest.name
    except ObjectNotFound:
        raise NotRead(Fault(FaultKind.MANIFEST_MISSING, key, "the manifest is not there")) from None
    except ValueError as error:  # a `ManifestError`, or what names no segment
        message = f"the manifest cannot be read: {error}"
        raise NotRead(Fault(FaultKind.MANIFEST_DAMAGED, key, message)) from None
    if its_name != name:
        whose = f"it is that of {its_name.watch}, segment {its_name.stem}"
        raise NotRead(Fault(FaultKind.OF_ANOTHER, key, whose))
    try:
        name.format_of(manifest.audio.key)
    except ValueError as error:
        raise NotRead(Fault(FaultKind.OF_ANOTHER, key, f"its audio is that of another: {error}")) from None
    if manifest.sample_rate != SAMPLE_RATE:
        message = f"its audio has {manifest.sample_rate} samples a second and not {SAMPLE_RATE}"
        raise NotRead(Fault(FaultKind.MANIFEST_DAMAGED, key, message))
    if manifest.samples > MAX_SEGMENT.total_seconds() * SAMPLE_RATE:
        message = f"it claims {manifest.samples} samples, which is more than a day"
        raise NotRead(Fault(FaultKind.MANIFEST_DAMAGED, key, message))
    return manifest, hashlib.sha256(data).hexdigest()


def _own(store: ObjectStore, shelf: Shelf, faults: list[Fault]) -> tuple[SegmentManifest | None, str | None]:
    try:
        # Also where none was listed: a recorder puts it after the audio, and may have done so since.
        return read_manifest(store, shelf.name, shelf.name.manifest_key)
    except NotRead as error:
        is_missing = error.fault.kind is FaultKind.MANIFEST_MISSING
        faults += (is_missing and tuple(_without_manifest(shelf))) or (error.fault,)
        return None, None


def _without_manifest(shelf: Shelf) -> Iterator[Fault]:
    missing = FaultKind.MANIFEST_MISSING
    if shelf.tombstones:
        yield Fault(missing, shelf.name.manifest_key, "the manifest is not there; a tombstone stands for it")
        return
    for key in shelf.audio:
        message = "there is no manifest for this audio: it was deleted, or is still to come"
        yield Fault(missing, key, message)
    for key in shelf.remains:
        yield Fault(missing, key, "an erasure left this, and there is neither manifest nor tombstone for it")


def _tombstone(
    store: ObjectStore,
    shelf: Shelf,
    own: SegmentManifest | None,
    sha256: str | None,
    faults: list[Fault],
) -> SegmentManifest | None:
    try:
        tombstone, _ = read_manifest(store, shelf.name, shelf.standing_key)
    except NotRead as error:
        faults.append(error.fault)
        return None
    wrong = list(mistakes(tombstone, own, sha256))
    faults += [Fault(FaultKind.TOMBSTONE_ALTERED, shelf.standing_key, each) for each in wrong]
    return None if tombstone.erased is None else tombstone


def _left_over(shelf: Shelf, standing: SegmentManifest) -> Iterator[Fault]:
    """Objects of the segment that what stands for it does not name."""
    others = [key for key in (*shelf.audio, *shelf.remains) if key != standing.audio.key]
    for key in others:
        if standing.erased:
            message = "this audio is still there, and its tombstone says it is erased: delete it again"
            yield Fault(FaultKind.NOT_ERASED, key, message)
        elif key in shelf.remains:
            message = "an erasure was interrupted, and has erased nothing yet: begin it again"
            yield Fault(FaultKind.NOT_ERASED, key, message)
        else:
            message = f"the manifest of this audio names another: {standing.audio.key}"
            yield Fault(FaultKind.MANIFEST_MISSING, key, message)


def _link(manifest: SegmentManifest | None, sha256: str | None) -> Link | None:
    if manifest is None or sha256 is None:
        return None
    return Link(
        manifest.name,
        sha256,
        manifest.previous,
        manifest.replaces,
        manifest.started_at,
        manifest.ended_at,
        manifest.opened_after,
    )

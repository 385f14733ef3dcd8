"""A tombstone: the manifest that stands for a segment once audio of it has been erased.

It says what the segment's own manifest says, but for the ledger, in which the erased samples are silence with
the reason `erased`, and the audio, which is what was left. The segment's own manifest stays, and so does the
chain that goes through it; the tombstone carries its SHA-256, and its own. Pure: knows no store and no audio.
"""

import hashlib
from collections.abc import Iterator, Sequence

from storage.ledger import merged
from storage.manifest import (
    Audio,
    Erasure,
    GapReason,
    LedgerEntry,
    Levels,
    SegmentManifest,
    Tombstone,
    format_manifest,
)

_UNSEALED = "0" * 64


def bury(
    manifest: SegmentManifest, sha256: str, erasure: Erasure, audio: Audio, levels: Levels
) -> SegmentManifest:
    """The tombstone of a segment of which `erasure` is erased; `audio` and `levels` are of what is left.

    `manifest` is what stood for the segment until now, its own or a tombstone, and `sha256` (hex) that of the
    JSON of its own.
    """
    before = manifest.erased.erasures if manifest.erased else ()
    ledger = silenced(manifest.ledger, erasure.start, erasure.stop)
    update = {"ledger": ledger, "audio": audio, "levels": levels}
    unsealed = manifest.model_copy(
        update={**update, "erased": Tombstone(manifest=sha256, erasures=(*before, erasure))}
    )
    return _with_seal(unsealed, _seal_of(unsealed))


def mistakes(tombstone: SegmentManifest, own: SegmentManifest | None, sha256: str | None) -> Iterator[str]:
    """What is wrong with a tombstone, beside `own`, the segment's own manifest, whose JSON has that SHA-256.

    None of them: the segment's own manifest cannot be read.
    """
    if tombstone.erased is None:
        yield "it does not say who erased what"
        return
    if tombstone.erased.seal != _seal_of(_with_seal(tombstone, _UNSEALED)):
        yield "it was altered: its seal is that of another"
    if own is None:
        return
    if tombstone.erased.manifest != sha256:
        yield "the manifest of the segment is not the one that it stands for"
    ledger = own.ledger
    for erasure in tombstone.erased.erasures:
        ledger = silenced(ledger, erasure.start, erasure.stop)
    update = {"ledger": ledger, **{key: getattr(tombstone, key) for key in ("audio", "levels", "erased")}}
    if tombstone != own.model_copy(update=update):
        yield "it says other things than the manifest of the segment and its erasures"


def silenced(ledger: Sequence[LedgerEntry], start: int, stop: int) -> tuple[LedgerEntry, ...]:
    """A ledger in which samples `start` to `stop` (not included) are erased, as far as they were audio."""
    return merged(ledger, (LedgerEntry(start=start, samples=stop - start, reason=GapReason.ERASED),))


def _seal_of(unsealed: SegmentManifest) -> str:
    return hashlib.sha256(format_manifest(unsealed)).hexdigest()


def _with_seal(manifest: SegmentManifest, seal: str) -> SegmentManifest:
    assert manifest.erased is not None  # noqa: S101  only tombstones have one
    return manifest.model_copy(update={"erased": manifest.erased.model_copy(update={"seal": seal})})

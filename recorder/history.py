"""What outlives the process beside its segments: the last manifest of each watch, and when we last lived.

    .last/KIND_ID.json  another name of the manifest that was sealed last, which stays when the segment goes

From it and the claim the first segment after a restart accounts for the time since the one before it, and
names that one's manifest. They are hints: without them a recording begins anew, and nothing is lost.
Blocking. Knows the spool's folder, and none of its states.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from recorder.claim import Claim
from recorder.core.absence import Past
from storage import durable
from storage.manifest import (
    ClosedBy,
    ManifestError,
    OpenedAfterReason,
    SegmentManifest,
    parse_manifest,
)
from storage.names import MANIFEST_SUFFIX, SegmentName, WatchId, are_of_one_life

LAST: Final = ".last"
KEPT: Final = timedelta(days=30)
"""How long the last manifest of a watch is remembered. Calls come once and would pile up."""
STARTED_WITH_US: Final = timedelta(minutes=1)
"""A watch that begins later than this after us was not watched until then."""

_LASTING: Final = {
    ClosedBy.IDLE: OpenedAfterReason.IDLE,
    ClosedBy.DISCONNECTED: OpenedAfterReason.DISCONNECTED,
    ClosedBy.STOPPED: OpenedAfterReason.STOPPED,
}
"""What went on after a segment had ended so. After the others, audio was to follow at once."""


@dataclass(frozen=True, slots=True)
class Before:
    """What came before a recording: its past, and the SHA-256 (hex) of the manifest sealed last."""

    past: Past | None = None
    manifest: str | None = None


class History:
    """The last manifests of all watches in one folder."""

    def __init__(self, folder: Path, claim: Claim) -> None:
        self._folder = folder / LAST
        self._claim = claim

    def note(self, name: SegmentName, manifest: Path, *, found: bool = False) -> None:
        """Remember a manifest, unless a later one is remembered already: some are sealed out of their turn.

        What is sealed as it is recorded comes after all of the lives before, whatever the clock says. What a
        start has `found` does so if it follows on what is remembered: else that has been for longer.

        Raises:
            OSError: the disk does not take it.
        """
        if last := _read(self._path(name.watch)):
            remembered, sha256 = last
            if are_of_one_life(remembered.name, name):
                if remembered.number > name.number:
                    return
            elif found and not _follows_on(sha256, manifest):
                return
        self._folder.mkdir(exist_ok=True)
        durable.link_over(manifest, self._path(name.watch))

    def last_before(self, name: SegmentName) -> str | None:
        """The SHA-256 (hex) of the manifest that is remembered of a watch, if it is of an earlier segment.

        Between two lives the clock tells, unless what is remembered was begun after the end of the life
        before, by a clock that has been set back since: none had begun later then.
        """
        last = _read(self._path(name.watch))
        if last is None:
            return None
        remembered, sha256 = last
        if are_of_one_life(remembered.name, name):
            return sha256 if name.number > remembered.number else None
        ended_at = self._claim.ended_at
        was_set_back = ended_at is not None and remembered.started_at > ended_at
        return sha256 if was_set_back or name.started_at > remembered.started_at else None

    def before(self, watch: WatchId) -> Before:
        """What came before a recording that begins now."""
        found = _read(self._path(watch))
        if found is None:
            return Before()
        manifest, sha256 = found
        causes = tuple(self._causes(manifest, self._claim.utc()))
        return Before(Past(manifest.ended_at, causes), sha256)

    def forget_old(self) -> None:
        """Forget what has not been recorded for long."""
        oldest = time.time() - KEPT.total_seconds()
        for path in self._folder.glob("*"):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _causes(self, last: SegmentManifest, now: datetime) -> Iterator[tuple[OpenedAfterReason, float]]:
        """Why nothing was recorded since the end of `last`, in order, each for so many seconds."""
        lasting, at = _LASTING.get(last.closed_by), last.ended_at
        claim = self._claim
        if claim.ended_at is None or at >= claim.began_at:
            yield lasting or OpenedAfterReason.STOPPED, (now - at).total_seconds()
            return
        if lasting and at < claim.ended_at:
            yield lasting, (claim.ended_at - at).total_seconds()
            at = claim.ended_at
        dead = OpenedAfterReason.STOPPED if claim.stopped else OpenedAfterReason.CRASH
        yield dead, (claim.began_at - at).total_seconds()
        if now - claim.began_at > STARTED_WITH_US:
            yield OpenedAfterReason.STOPPED, (now - claim.began_at).total_seconds()

    def _path(self, watch: WatchId) -> Path:
        return self._folder / f"{watch.kind}_{watch.id}{MANIFEST_SUFFIX}"


def _follows_on(sha256: str, manifest: Path) -> bool:
    found = _read(manifest)
    return found is not None and found[0].previous == sha256


def _read(path: Path) -> tuple[SegmentManifest, str] | None:
    """A manifest and the SHA-256 (hex) of it; None where there is none that can be read."""
    try:
        data = path.read_bytes()
        return parse_manifest(data), hashlib.sha256(data).hexdigest()
    except (OSError, ManifestError):
        return None

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
from storage.names import MANIFEST_SUFFIX, SegmentName, WatchId

LAST: Final = ".last"
KEPT: Final = timedelta(days=30)
"""How long the last manifest of a watch is remembered. Calls come once and would pile up."""
STARTED_WITH_US: Final = timedelta(minutes=1)
"""A watch that begins later than this after us was not watched until then."""
ONE_LIFE: Final = 10**9
"""Numbers of segments that are nearer to each other are of one life of the daemon: each begins at random."""

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

        What is sealed as it is recorded comes after all of the lives before, whatever the clock says; of what
        a start has `found`, only the clock tells.

        Raises:
            OSError: the disk does not take it.
        """
        last = _read(self._path(name.watch))
        if last and _is_later(last[0].name, name) and (found or _is_of_one_life(last[0].name, name)):
            return
        self._folder.mkdir(exist_ok=True)
        durable.link_over(manifest, self._path(name.watch))

    def last_before(self, name: SegmentName) -> str | None:
        """The SHA-256 (hex) of the manifest that is remembered of a watch, if it is of an earlier segment."""
        last = _read(self._path(name.watch))
        return last[1] if last and _is_later(name, last[0].name) else None

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


def _is_later(name: SegmentName, other: SegmentName) -> bool:
    """Whether a segment was begun after another.

    In one life of the daemon they are counted; between two, only the wall clock tells, which may be set back.
    """
    if _is_of_one_life(name, other):
        return name.number > other.number
    return name.started_at > other.started_at


def _is_of_one_life(name: SegmentName, other: SegmentName) -> bool:
    return abs(name.number - other.number) < ONE_LIFE


def _read(path: Path) -> tuple[SegmentManifest, str] | None:
    """A manifest and the SHA-256 (hex) of it; None where there is none that can be read."""
    try:
        data = path.read_bytes()
        return parse_manifest(data), hashlib.sha256(data).hexdigest()
    except (OSError, ManifestError):
        return None

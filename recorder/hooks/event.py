"""What a hook is told, as the JSON that it gets. Pure."""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from storage.manifest import OpenedAfterReason, SegmentManifest, WatchFacts, format_manifest


class Event(StrEnum):
    """What can have happened."""

    SEGMENT_UPLOADED = "segment-uploaded"
    """A segment is in the bucket, and was read back equal."""
    WATCH_BLOCKED = "watch-blocked"
    """A watch will not be recorded before a person does something."""
    AUDIO_LOST = "audio-lost"
    """A segment was sealed, recovered or given up that lacks audio, or begins after some was lost."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One thing that has happened.

    Attributes:
        event: what.
        id: by which a receiver knows what it was told before.
        watch: of which watch, as `conference 1ed1...`.
        body: all that is to be told, in UTF-8.
        at: when it was put into words, monotonic seconds.
    """

    event: Event
    id: str
    watch: str
    body: bytes
    at: float


def occurrence(
    event: Event,
    watch: WatchFacts,
    *,
    utc: datetime,
    now: float,
    manifest: SegmentManifest | None = None,
    reason: str | None = None,
) -> Occurrence:
    """Put into words what has happened. `now` is in monotonic seconds."""
    identity = str(uuid.uuid4())
    content: dict[str, Any] = {
        "event": event.value,
        "id": identity,
        "at": utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "watch": watch.model_dump(mode="json"),
        "reason": reason,
        "manifest": json.loads(format_manifest(manifest)) if manifest else None,
    }
    body = json.dumps(content, ensure_ascii=False).encode()
    return Occurrence(event, identity, f"{watch.kind.value} {watch.id}", body, now)


def loss(manifest: SegmentManifest) -> str | None:
    """Why audio is missing in a segment or just before it, as the ledger says it; None if none is."""
    reasons = dict.fromkeys(entry.reason.value for entry in manifest.ledger)
    before = manifest.opened_after
    if before and before.reason in {OpenedAfterReason.CRASH, OpenedAfterReason.DISCONNECTED}:
        reasons[before.reason.value] = None
    return ", ".join(reasons) or None

"""What happened, made up."""

from datetime import UTC, datetime

import pytest

from storage.manifest import (
    Audio,
    ClosedBy,
    GapReason,
    LedgerEntry,
    Levels,
    OpenedAfter,
    OpenedAfterReason,
    SegmentManifest,
    WatchFacts,
)
from storage.names import WatchKind

BOARD = WatchFacts(kind=WatchKind.CONFERENCE, id="1ed12456-eb4b-11ee-bba8-1bfb2838807a", name="board")


@pytest.fixture
def manifest() -> SegmentManifest:
    """A segment with nothing missing."""
    return made()


@pytest.fixture
def with_a_gap() -> SegmentManifest:
    return made(ledger=(LedgerEntry(start=0, samples=800, reason=GapReason.DISCONNECTED),))


@pytest.fixture
def after_a_crash() -> SegmentManifest:
    return made(opened_after=OpenedAfter(reason=OpenedAfterReason.CRASH, seconds=3.0))


def made(**of: object) -> SegmentManifest:
    facts: dict[str, object] = {
        "watch": BOARD,
        "recorder": "rec-a",
        "version": "0",
        "number": 1,
        "started_at": datetime(2026, 11, 22, 15, 5, tzinfo=UTC),
        "samples": 8000,
        "encapsulation": "rtp",
        "codec": "ulaw",
        "opened_after": OpenedAfter(reason=OpenedAfterReason.IDLE, seconds=3600),
        "closed_by": ClosedBy.GRID,
        "levels": Levels(peak_dbfs=None, rms_dbfs=None),
        "audio": Audio(
            key="conferences/1ed12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/22/20261122T150500.000Z_rec-a_1.wav",
            sha256="0" * 64,
            size=16044,
        ),
    }
    return SegmentManifest.model_validate(facts | of)

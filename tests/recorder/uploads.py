"""Sealed segments, and an uploader at work on them on virtual time."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio

from recorder.offload import Offload
from recorder.spool import Spool
from recorder.uploader import Uploader
from storage.manifest import ClosedBy, SegmentFacts, SegmentManifest, WatchFacts
from storage.names import WatchKind
from storage.store import ObjectStore
from tests.virtual import Inline, virtual_clock

WATCH = "652af662-eb45-11ee-b1a5-6fde165f9226"
AUDIO = b"\1\2" * 800


def watch(number: int) -> str:
    """The id of one of many watches."""
    return f"{number:08x}-eb45-11ee-b1a5-6fde165f9226"


def seal(
    spool: Spool, number: int, audio: bytes = AUDIO, watch_id: str = WATCH, *, legal_hold: bool = False
) -> SegmentManifest:
    """The segment of minute `number`, sealed."""
    facts = SegmentFacts(
        watch=WatchFacts(kind=WatchKind.CALL, id=watch_id, legal_hold=legal_hold),
        recorder="rec-a",
        version="0",
        number=number,
        started_at=datetime(2026, 11, 22, 15, tzinfo=UTC) + timedelta(minutes=number),
        samples=len(audio) // 2,
        encapsulation="sln",
        codec="ulaw",
        closed_by=ClosedBy.GRID,
    )
    segment = spool.open(facts)
    segment.wav.write(audio)
    manifest, _ = spool.seal(segment, facts, None)
    return manifest


@asynccontextmanager
async def uploading(
    spool: Spool, store: ObjectStore, network: Offload | None = None
) -> AsyncIterator[Uploader]:
    uploader = Uploader(
        spool,
        store,
        clock=virtual_clock(),
        disk=Inline(),
        network=network or Inline(seconds=0.1),
        chance=random.Random(1).random,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uploader.run)
        yield uploader
        tasks.cancel_scope.cancel()


def in_spool(spool: Spool) -> int:
    return len(list(spool.sealed()))

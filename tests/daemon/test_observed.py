"""The installed daemon with `observe`, through a day of a platform: joined, left, joined again, deleted."""

from pathlib import Path

import anyio
import numpy as np
import pytest
import soundfile

from recorder.core.media import Encapsulation
from recorder.simulator import (
    Away,
    CallBecame,
    CallStatus,
    Deleted,
    Delivery,
    Happening,
    Joined,
    Left,
    Platform,
    Programme,
    RateLimit,
    Refuse,
    Tape,
    WatchRecord,
    live_through,
    simulate,
)
from storage.directory import DirectoryStore
from storage.manifest import ClosedBy, SegmentManifest, parse_manifest
from storage.names import WatchId, WatchKind
from tests.daemon.process import Site, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
NEVER = WatchId(WatchKind.CONFERENCE, "2ed12456-eb4b-11ee-bba8-1bfb2838807b")
LATER = WatchId(WatchKind.CONFERENCE, "3ed12456-eb4b-11ee-bba8-1bfb2838807c")
CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")

SOON = 5.0
"""Seconds. `python -m tests.bench discovery` measures it; here other tests run beside it."""

DAY: list[Happening] = [
    Joined(1.0, BOARD),
    Joined(1.0, BOARD),
    CallBecame(3.0, CALL, CallStatus.HANGUP),
    Left(4.0, BOARD),
    Left(4.0, BOARD),
    Away(5.0, Refuse(503), seconds=3.0),
    Joined(6.0, BOARD),  # while nobody can be asked
    Joined(10.0, LATER),
    Deleted(13.0, BOARD),
]


def recorded(bucket: Path, watch: WatchId) -> tuple[list[SegmentManifest], np.ndarray]:
    """The manifests of a watch, and what of its audio is not silence of ours."""
    store, manifests, heard = DirectoryStore(bucket), list[SegmentManifest](), []
    for each in store.list(watch.prefix):
        if each.key.endswith(".json"):
            with store.open(each.key) as file:
                manifests.append(parse_manifest(file.read()))
            samples, _ = soundfile.read(bucket / manifests[-1].audio.key, dtype="int16")
            ours = np.zeros(len(samples), bool)
            for entry in manifests[-1].ledger:
                ours[entry.start : entry.start + entry.samples] = True
            heard.append(samples[~ours])
    return manifests, np.concatenate(heard)


def sent(record: WatchRecord) -> np.ndarray:
    return np.concatenate([connection.samples() for connection in record.connections])


async def test_a_day_is_recorded_as_it_was_and_nobody_is_hammered(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    platform = Platform(
        Programme(CALL, Tape.speech("planung")), limit=RateLimit(), delivery=Delivery(delay=0.1)
    )
    board = platform.create(Programme(BOARD, Tape.speech("standup")))
    later = platform.create(Programme(LATER, Tape.speech("reunion")))
    platform.create(Programme(NEVER, Tape.speech("standup")))
    async with simulate(platform) as server:
        site = Site(tmp_path, server.url, (tmp_path / "bucket").as_uri(), voipbin={"observe": True})
        site.write((watch, Encapsulation.RTP) for watch in (BOARD, NEVER, LATER, CALL))
        async with running(site) as daemon:
            await daemon.said_of("listening to events", 1)
            await live_through(DAY, server)
            with anyio.fail_after(5):
                while server.listeners(BOARD):  # noqa: ASYNC110  the simulator rings no bell
                    await anyio.sleep(0.05)
            assert server.listeners(LATER) == 1
            assert await daemon.stop() == 0
        assert daemon.other == []

    for watch in (BOARD, LATER, CALL):
        _, heard = recorded(tmp_path / "bucket", watch)
        assert np.array_equal(heard, sent(platform.record(watch))), watch
    assert recorded(tmp_path / "bucket", BOARD)[0][-1].closed_by is ClosedBy.IDLE
    for conference, record in ((board, platform.record(BOARD)), (later, platform.record(LATER))):
        runs = [run for connection in record.connections for run in connection.runs]
        assert runs[0].sent_at - conference.stays[0].joined_at < SOON, "from the first participant on"
    streams = [asked for asked in platform.asked if asked.target.endswith("/media_stream")]
    assert sum(NEVER.id in asked.target for asked in streams) <= 3, (
        "before the first answer, and in the outage"
    )
    assert not [asked for asked in platform.asked if asked.status == 429]
    moments = [asked.at for asked in platform.asked]
    assert max(sum(1 for at in moments if first <= at < first + 1) for first in moments) <= 17

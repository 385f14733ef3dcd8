"""A new version takes over: the old one stops, the new one starts, and what that cost is in the ledger."""

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from recorder.core.media import SAMPLE_RATE, Encapsulation
from recorder.simulator import Platform, Programme, Tape, simulate
from recorder.simulator.verdict import Fetched
from storage.manifest import ClosedBy, OpenedAfterReason, SegmentManifest, parse_manifest
from storage.names import WatchId, WatchKind
from tests.daemon.process import Site, fetch, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

BOARD = WatchId(WatchKind.CONFERENCE, "2ed12456-eb4b-11ee-bba8-00000000000c")


def manifests(bucket: Path) -> list[SegmentManifest]:
    found = [parse_manifest(path.read_bytes()) for path in bucket.rglob("*.json")]
    return sorted(found, key=lambda manifest: manifest.started_at)


async def test_an_upgrade_loses_only_the_seconds_it_takes_and_the_ledger_has_them(tmp_path: Path) -> None:
    platform = Platform(Programme(BOARD, Tape.speech("standup")))
    (tmp_path / "bucket").mkdir()
    async with simulate(platform) as server:
        site = Site(tmp_path, server.url, (tmp_path / "bucket").as_uri(), recording={"segment": "24h"})
        site.write([(BOARD, Encapsulation.SLN)])
        for _ in range(2):
            async with running(site) as daemon:
                await daemon.said_of("audio began", 1)
                await anyio.sleep(2)
                assert await daemon.stop() == 0

    segments = manifests(tmp_path / "bucket")
    (begins,) = (number for number, each in enumerate(segments) if number and each.opened_after)
    before, after = segments[begins - 1 : begins + 1]
    assert before.closed_by is ClosedBy.STOPPED
    assert after.opened_after is not None
    assert after.opened_after.reason is OpenedAfterReason.STOPPED
    between = after.started_at - before.started_at - timedelta(seconds=before.samples / SAMPLE_RATE)
    assert after.opened_after.seconds == pytest.approx(between.total_seconds(), abs=0.01)
    assert [each.silence for each in segments if each.silence] == []
    heard = Fetched.read(tmp_path / "out.wav", await fetch(site, BOARD, tmp_path / "out.wav")).heard()
    sent = [connection.samples() for connection in platform.record(BOARD).connections]
    assert len(heard) == sum(map(len, sent)), "all of what was sent to either of them, and no more"

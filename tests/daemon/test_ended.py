"""The installed daemon when what it records is over: what is missed before is a gap, what follows is none."""

from pathlib import Path

import anyio
import pytest

from recorder.core.media import Encapsulation
from recorder.simulator import Drop, Platform, Programme, Refuse, Tape, simulate
from storage.manifest import ClosedBy, GapReason, OpenedAfterReason
from storage.names import WatchId, WatchKind
from tests.daemon.process import Daemon, Site, fetch, running
from tests.daemon.recorded import manifests_of
from tests.starving import Starving

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
DOWN = 7.0
"""Seconds without a stream, until it is deleted: over an instant of the grid at least."""


def states(daemon: Daemon) -> list[str]:
    return [line["state"] for line in daemon.said("state")]


async def test_what_is_deleted_while_its_stream_is_down_was_missed_until_then_and_may_come_back(
    tmp_path: Path,
) -> None:
    (tmp_path / "bucket").mkdir()
    script = (Drop(at=16_000), Refuse(503, times=99))
    platform, starving = Platform(Programme(BOARD, Tape.speech("standup"), script=script)), Starving()
    async with simulate(platform) as server:
        site = Site(tmp_path, server.url, (tmp_path / "bucket").as_uri(), voipbin={"observe": True})
        site.write([(BOARD, Encapsulation.SLN)])
        async with running(site) as daemon, starving.watched(daemon.process.pid):
            await daemon.said_of("stream lost", 1)
            await anyio.sleep(DOWN)
            platform.conference(BOARD).delete()
            await daemon.until(lambda _: "ended" in states(daemon))
            await anyio.sleep(2)
            platform.create(Programme(BOARD, Tape.speech("reunion"))).join()
            await daemon.until(lambda _: states(daemon)[-1] == "recording")
            await anyio.sleep(1)
            assert await daemon.stop() == 0
        said = await fetch(site, BOARD, tmp_path / "board.wav")
    assert daemon.other == []

    segments = manifests_of(tmp_path / "bucket", BOARD)
    back = next(number for number, each in enumerate(segments) if number and each.opened_after)
    missed = sum(entry.samples for each in segments[:back] for entry in each.ledger) / 8000
    assert {entry.reason for each in segments for entry in each.ledger} == {GapReason.DISCONNECTED}
    assert missed == pytest.approx(DOWN, abs=2)
    assert segments[back - 1].closed_by is ClosedBy.IDLE
    after = segments[back].opened_after
    assert after is not None
    assert after.reason is OpenedAfterReason.IDLE
    assert after.by_reason.get(OpenedAfterReason.DISCONNECTED, 0.0) < 1 + starving.seconds, starving
    told = sum(each["samples"] for each in said["silence"] if each["reason"] == "disconnected") / 8000
    assert told == pytest.approx(missed, abs=1)

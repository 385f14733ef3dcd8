"""The installed daemon on a disk that fills up and is emptied again: it goes on, the ledger has the rest."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import numpy as np
import pytest

from recorder.core.media import Encapsulation
from recorder.simulator import Platform, Programme, Tape, simulate
from recorder.simulator.verdict import Fetched
from storage.names import WatchId, WatchKind
from tests.daemon.process import Site, fetch, running
from tests.recorder.ext4 import Ext4, ext4_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

WATCH = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-000000000001")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Ext4]:
    with ext4_of(tmp_path, 64 << 20) as disk:
        yield disk


@pytest.mark.parametrize("left", [pytest.param(4 << 20, id="the reserve"), pytest.param(0, id="nothing")])
async def test_what_the_disk_does_not_take_is_the_only_loss_and_is_accounted_for(
    tmp_path: Path, disk: Ext4, left: int
) -> None:
    (tmp_path / "bucket").mkdir()
    platform = Platform(Programme(WATCH, Tape.speech("standup")))
    async with simulate(platform) as server:
        recording = {"spool": str(disk.folder / "spool"), "min_free": "8MiB"}
        site = Site(tmp_path, server.url, (tmp_path / "bucket").as_uri(), recording=recording)
        site.write([(WATCH, Encapsulation.RTP)])
        async with running(site) as daemon:
            await daemon.said_of("audio began", 1)
            await anyio.sleep(4)
            disk.fill(but=left)
            await anyio.sleep(7)
            disk.empty()
            await anyio.sleep(5)
            assert await daemon.stop() == 0

    assert daemon.other == []
    assert any(line["event"].startswith("not recorded") for line in daemon.log)
    assert any(line["event"].startswith("recording again") for line in daemon.log)
    output = tmp_path / "fetched.wav"
    fetched = Fetched.read(output, await fetch(site, WATCH, output))
    sent = np.concatenate([each.samples() for each in platform.record(WATCH).connections])
    got = fetched.samples
    assert len(got) == len(sent), "the time that was not recorded is as long as it was"
    recorded = np.ones(len(sent), bool)
    for at, samples, reason in fetched.silence:
        assert reason == "disk"
        recorded[at : at + samples] = False
    assert np.array_equal(got[recorded], sent[recorded])
    assert fetched.silent()
    assert 4 * 8000 < np.count_nonzero(~recorded) < 11 * 8000
    assert list((disk.folder / "spool").glob("[!.]*")) == [], "nothing is left behind"


async def test_the_oldest_give_their_audio_up_while_the_store_is_away_and_all_is_accounted_for(
    tmp_path: Path, disk: Ext4
) -> None:
    bucket = tmp_path / "bucket"
    platform = Platform(Programme(WATCH, Tape.speech("standup")))
    async with simulate(platform) as server:
        recording = {
            "spool": str(disk.folder / "spool"),
            "min_free": "1MiB",
            "when_full": "drop-oldest",
            "idle_after": "60s",
        }
        site = Site(tmp_path, server.url, bucket.as_uri(), recording=recording)
        site.write([(WATCH, Encapsulation.RTP)])
        async with running(site) as daemon:
            await daemon.said_of("segment sealed", 5, within=40)
            disk.fill(but=(1 << 20) - 20_000)
            await anyio.sleep(4)
            bucket.mkdir()
            await anyio.sleep(1)
            assert await daemon.stop() == 0

    given_up = [line for line in daemon.log if line["event"].startswith("audio given up")]
    output = tmp_path / "fetched.wav"
    fetched = Fetched.read(output, await fetch(site, WATCH, output))
    sent = np.concatenate([each.samples() for each in platform.record(WATCH).connections])
    assert 1 <= len(given_up) <= 3
    assert {reason for _, _, reason in fetched.silence} == {"disk"}
    # On a busy machine the disk may be seen below its reserve for a moment, and what comes then has no room.
    missed = sum(line["samples_missed"] for line in daemon.log if "samples_missed" in line)
    lost = missed + sum(line["samples_lost"] for line in given_up)
    assert sum(samples for _, samples, _ in fetched.silence) == lost
    assert len(fetched.samples) == len(sent)
    kept = np.ones(len(sent), bool)
    for at, samples, _ in fetched.silence:
        kept[at : at + samples] = False
    assert np.array_equal(fetched.samples[kept], sent[kept])
    assert fetched.silent()
    assert list((disk.folder / "spool").glob("[!.]*")) == []

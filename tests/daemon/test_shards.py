"""Several instances on one watch list record it as one would."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from recorder.core.media import Encapsulation
from recorder.simulator import Platform, Programme, Tape, simulate
from recorder.simulator.verdict import Fetched, judge
from storage.names import WatchId, WatchKind
from tests.daemon.process import BIN, Daemon, Site, fetch, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

WATCHES = [WatchId(WatchKind.CONFERENCE, f"3ed12456-eb4b-11ee-bba8-{number:012x}") for number in range(1, 9)]
ADDED = WatchId(WatchKind.CALL, "3ed12456-eb4b-11ee-bba8-000000000009")


async def recordings(site: Site) -> dict[str, Any]:
    command = [str(BIN / "recordings"), "list", "--config", str(site.config), "--json"]
    result = await anyio.run_process(command, env=site.variables)
    said: dict[str, Any] = json.loads(result.stdout)
    return said


async def everything_heard(*daemons: Daemon, listed: int) -> None:
    """Wait until each has followed a list of so many, and hears all that is its own."""
    for daemon in daemons:

        def followed(_: object, daemon: Daemon = daemon) -> bool:
            watching = daemon.said("watching")
            return (
                bool(watching)
                and watching[-1]["listed"] == listed
                and watching[-1]["count"] == len(daemon.said("audio began"))
            )

        await daemon.until(followed)


async def test_two_shards_record_every_watch_once(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    programmes = [Programme(watch, Tape.speech("standup")) for watch in (*WATCHES, ADDED)]
    platform = Platform(*programmes)
    async with simulate(platform) as server:
        sites = []
        for number in (1, 2):
            (tmp_path / str(number)).mkdir()
            site = Site(
                tmp_path / str(number),
                server.url,
                (tmp_path / "bucket").as_uri(),
                voipbin={"connect_rate": 4},
                recording={"shard": f"{number}/2", "recorder": f"test-{number}of2"},
            )
            site.write((watch, Encapsulation.RTP) for watch in WATCHES)
            sites.append(site)
        async with running(sites[0]) as one, running(sites[1]) as two:
            await everything_heard(one, two, listed=len(WATCHES))
            for site in sites:
                site.watch((watch, Encapsulation.RTP) for watch in (*WATCHES, ADDED))
            await everything_heard(one, two, listed=len(WATCHES) + 1)
            assert [await one.stop(), await two.stop()] == [0, 0]

    for daemon, shard in ((one, "1/2"), (two, "2/2")):
        first, *_, last = daemon.said("watching")
        assert (first["shard"], first["listed"], last["listed"]) == (shard, len(WATCHES), len(WATCHES) + 1)
        assert 0 < last["count"] < last["listed"]
        began, ended = [
            datetime.fromisoformat(line["timestamp"]).timestamp()
            for line in (first, daemon.said("stream connected")[first["count"] - 1])
        ]
        assert ended - began > 0.7 * (first["count"] - 1) / 2, "two a second, for the other makes two as well"
    assert one.said("watching")[-1]["count"] + two.said("watching")[-1]["count"] == len(WATCHES) + 1
    assert [len(platform.record(p.watch).connections) for p in programmes] == [1] * len(programmes)
    for programme in programmes:
        output = tmp_path / f"{programme.watch.kind}-{programme.watch.id}.wav"
        fetched = Fetched.read(output, await fetch(sites[0], programme.watch, output))
        assert judge(programme, platform.record(programme.watch), fetched).differing == 0
    lists = [await recordings(site) for site in sites]
    assert lists[0] == lists[1]
    assert {entry["id"] for entry in lists[0]["watches"]} == {p.watch.id for p in programmes}

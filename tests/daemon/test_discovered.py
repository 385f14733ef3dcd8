"""The installed daemon finds what its patterns name, also after a start that could ask nobody."""

import json
from pathlib import Path

import anyio
import numpy as np
import pytest

from recorder.simulator import (
    Away,
    Created,
    Deleted,
    Happening,
    Joined,
    Platform,
    Programme,
    RateLimit,
    Refuse,
    Renamed,
    Tape,
    live_through,
    simulate,
)
from storage.names import WatchId, WatchKind
from tests.daemon.process import BIN, Site, running
from tests.daemon.recorded import SOON, recorded, sent

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

BERLIN = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
PARIS = WatchId(WatchKind.CONFERENCE, "2ed12456-eb4b-11ee-bba8-1bfb2838807b")
TEST = WatchId(WatchKind.CONFERENCE, "3ed12456-eb4b-11ee-bba8-1bfb2838807c")
OTHER = WatchId(WatchKind.CONFERENCE, "4ed12456-eb4b-11ee-bba8-1bfb2838807d")

PATTERNS = """
[[discover]]
name = "board*"
exclude = ["*test*"]
encapsulation = "sln"

[[discover]]
name = "bord paris"
"""

DAY: list[Happening] = [
    Created(0.5, Programme(BERLIN, Tape.speech("standup")), "Board Berlin"),
    Created(0.5, Programme(TEST, Tape.speech("standup")), "Board Test"),
    Joined(1.0, BERLIN),
    Joined(1.0, TEST),
    Created(3.0, Programme(OTHER, Tape.speech("reunion")), "something else"),
    Joined(3.5, OTHER),
    Renamed(4.0, BERLIN, "secret"),
    Created(5.0, Programme(PARIS, Tape.speech("reunion")), "board paris"),
    Joined(6.0, PARIS),
]


def site_at(folder: Path, url: str, *, observe: bool = True) -> Site:
    (folder / "bucket").mkdir()
    site = Site(folder, url, (folder / "bucket").as_uri(), voipbin={"observe": observe})
    site.write([])
    (folder / "watchlist.toml").write_text(PATTERNS)
    return site


async def test_a_conference_that_a_pattern_names_is_recorded_soon_after_its_first_participant(
    tmp_path: Path,
) -> None:
    platform = Platform(limit=RateLimit())
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url)
        async with running(site) as daemon:
            await daemon.said_of("ready", 1)
            await live_through([*DAY, Deleted(9.0, BERLIN)], server)
            with anyio.fail_after(10):
                while server.listeners(BERLIN):  # noqa: ASYNC110  the simulator tells nobody
                    await anyio.sleep(0.05)
            assert server.listeners(PARIS) == 1
            status = await anyio.run_process(
                [str(BIN / "conference-recorder"), "status", "--json", "--config", str(site.config)],
                env=site.variables,
            )
            assert await daemon.stop() == 0
        assert daemon.other == []

    for watch in (BERLIN, PARIS):
        manifests, heard = recorded(tmp_path / "bucket", watch)
        assert np.array_equal(heard, sent(platform.record(watch))), watch
        first = platform.record(watch).connections[0].runs[0].sent_at
        assert first - platform.conference(watch).stays[0].joined_at < SOON
        assert manifests[0].encapsulation == "sln"
    for watch in (TEST, OTHER):
        assert not [asked for asked in platform.asked if f"{watch.id}/media_stream" in asked.target]
    told = json.loads(status.stdout)
    assert {each["name"]: each["discovered"] for each in told["watches"]} == {
        "Board Berlin": True,
        "board paris": True,
    }
    assert [(each["pattern"], each["conferences"]) for each in told["patterns"]] == [
        ('discover[1] (line 2) "board*"', 1),
        ('discover[2] (line 7) "bord paris"', 0),
    ]
    assert daemon.said("a pattern of the watch list names no conference that there is now")


async def test_a_start_while_nobody_can_be_asked_goes_on_with_what_was_found(tmp_path: Path) -> None:
    platform = Platform()
    platform.create(Programme(BERLIN, Tape.speech("standup")), "Board Berlin").join()
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url)
        async with running(site) as daemon:
            await daemon.said_of("audio began", 1)
            with anyio.fail_after(20):  # what was found is written down every five seconds
                while not (site.spool / ".discovered").exists():  # noqa: ASYNC110  it tells nobody
                    await anyio.sleep(0.05)
            daemon.process.kill()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(live_through, [Away(0.0, Refuse(503), seconds=30.0)], server)
            async with running(site) as daemon:
                await daemon.said_of("audio began", 1)
                await daemon.said_of("the platform does not say what becomes of conferences", 1)
                assert await daemon.stop() == 0
            tasks.cancel_scope.cancel()

    assert len(platform.record(BERLIN).connections) == 2


async def test_a_pattern_without_anybody_to_ask_is_refused_before_the_start(tmp_path: Path) -> None:
    site = site_at(tmp_path, "ws://127.0.0.1:9/v1.0", observe=False)

    result = await anyio.run_process(
        [str(BIN / "conference-recorder"), "check", "--config", str(site.config)],
        env=site.variables,
        check=False,
    )

    assert result.returncode == 2
    assert b"watchlist.toml:2: discover[1]: nobody asks the platform what there is" in result.stderr

"""The installed daemon writes down what the platform said: who was there, when, and a name that finds it."""

from pathlib import Path

import anyio
import pytest

from recorder.core.media import Encapsulation
from recorder.simulator import (
    Deleted,
    Happening,
    Joined,
    Left,
    Platform,
    Programme,
    Refuse,
    Renamed,
    Tape,
    live_through,
    simulate,
)
from storage.directory import DirectoryStore
from storage.lookup import find
from storage.names import WatchId, WatchKind
from storage.register import REGISTER, Entry
from tests.daemon.process import Site, running
from tests.daemon.recorded import recorded

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
DAY: list[Happening] = [
    Joined(1.0, BOARD),
    Joined(3.0, BOARD),
    Renamed(4.0, BOARD, "Board of Directors"),
    Left(6.0, BOARD),
    Deleted(8.0, BOARD),
]


async def test_who_was_there_and_what_it_was_called_is_in_the_bucket(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    platform = Platform()
    conference = platform.create(Programme(BOARD, Tape.speech("standup")), name="Board")
    async with simulate(platform) as server:
        site = Site(tmp_path, server.url, (tmp_path / "bucket").as_uri(), voipbin={"observe": True})
        site.write([(BOARD, Encapsulation.RTP)])
        platform.api_trouble = Refuse(503)
        async with running(site) as daemon:
            await daemon.said_of("stream connected", 1)  # nothing is known, so it was asked for
            refused = sum(asked.status == 503 for asked in platform.asked)
            with anyio.fail_after(20):
                while sum(asked.status == 503 for asked in platform.asked) == refused:  # noqa: ASYNC110  nor here
                    await anyio.sleep(0.05)
            platform.api_trouble = None
            await daemon.said_of("listening to events", 1)
            await live_through(DAY, server)
            with anyio.fail_after(10):
                while server.listeners(BOARD):  # noqa: ASYNC110  the simulator rings no bell
                    await anyio.sleep(0.05)
            assert await daemon.stop() == 0
        assert daemon.other == []

    store = DirectoryStore(tmp_path / "bucket")
    facts = [manifest.platform for manifest in recorded(tmp_path / "bucket", BOARD)[0]]
    said = [each for each in facts if each]
    assert len(said) == len(facts) > 0, "in each manifest"
    assert (said[-1].name, said[-1].type) == ("Board of Directors", "conference")
    assert said[0].status_at_start == "progressing"
    assert said[-1].status_at_end in ("terminating", "terminated")
    assert max(each.participants_most or 0 for each in said) == 2
    assert said[-1].participants_at_end == 0
    ids = {stay.participant for stay in conference.stays}
    came = {each for one in said for change in one.participants for each in (*change.present, *change.joined)}
    gone = {each for one in said for change in one.participants for each in change.left}
    assert (came, gone) == (ids, ids), "the platform's own ids, and nobody else's"
    assert said[0].failures, "before there was anything to record"
    assert all(failure.request_id.startswith("req_") for failure in said[0].failures)
    assert Entry("board of directors", BOARD).key in {item.key for item in store.list(REGISTER)}
    assert [named.watch for named in find(store, "board of directors").watches] == [BOARD]

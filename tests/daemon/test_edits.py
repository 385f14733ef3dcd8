"""The watch list is edited a hundred times while fifty others are recorded: they lose not one sample."""

import json
import signal
import wave
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import pytest
from numpy.typing import NDArray

from recorder.core.media import Encapsulation
from recorder.simulator import Platform, Programme, Tape, simulate
from storage.names import WatchId, WatchKind
from tests.daemon.process import Daemon, Site, running
from tests.starving import Starving

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

SLN = Encapsulation.SLN
UNTOUCHED = 50
EDITS = 100
LIMIT = 2.0
"""Seconds within which an edit has its effect."""


def conference(number: int) -> WatchId:
    return WatchId(WatchKind.CONFERENCE, f"4ed12456-eb4b-11ee-bba8-{number:012x}")


def recorded(bucket: Path, watch: WatchId) -> tuple[NDArray[np.int16], list[object]]:
    """All samples of a watch in the bucket, and all that its ledgers say."""
    audio, ledger = [np.zeros(0, np.int16)], []
    for path in sorted(bucket.glob(f"conferences/{watch.id}/**/*.wav")):
        with wave.open(str(path)) as file:
            audio.append(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
        ledger += json.loads(path.with_suffix(".json").read_text())["ledger"]
    return np.concatenate(audio), ledger


class Edits:
    """Edits one by one, and how long each took to have its effect."""

    def __init__(self, site: Site, platform: Platform, daemon: Daemon) -> None:
        self.site = site
        self.platform = platform
        self.daemon = daemon
        self.untouched = [(conference(number), SLN) for number in range(UNTOUCHED)]
        self.took: list[float] = []

    async def edit(self, number: int) -> None:
        """Have one more watched than the untouched, another one each time, in one of the usual ways."""
        added = conference(UNTOUCHED + number % 2)
        before = len(self.platform.record(added).connections)
        began = anyio.current_time()
        watches = [*self.untouched, (added, SLN)]
        if number % 3 == 1:
            await self._write_in_place(watches)
            began = anyio.current_time()
        else:
            self.site.watch(watches)
        if number % 3 == 2:
            self.daemon.process.send_signal(signal.SIGHUP)
        await self._until(lambda: len(self.platform.record(added).connections) > before)
        self.took.append(anyio.current_time() - began)

    async def _write_in_place(self, watches: list[tuple[WatchId, Encapsulation]]) -> None:
        """As a slow editor does: at first there is nothing, and then a half that is a list as well."""
        entries = [f'[[{w.kind}]]\nid = "{w.id}"\nencapsulation = "{e}"\n' for w, e in watches]
        with (self.site.folder / "watchlist.toml").open("w") as file:
            for some in (entries[:25], entries[25:]):
                await anyio.sleep(0.1)
                file.write("".join(some))
                file.flush()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        with anyio.fail_after(20):
            while not is_so():  # noqa: ASYNC110  the simulator tells nobody
                await anyio.sleep(0.01)


async def test_a_hundred_edits_leave_what_they_do_not_name_alone(tmp_path: Path) -> None:
    tape = Tape.speech("standup")
    platform = Platform(*(Programme(conference(number), tape) for number in range(UNTOUCHED + 2)))
    (tmp_path / "bucket").mkdir()
    starving = Starving()
    async with simulate(platform) as server:
        site = Site(
            tmp_path,
            server.url,
            (tmp_path / "bucket").as_uri(),
            recording={"segment": "1m"},
            voipbin={"connect_rate": 1000},
        )
        site.write([(conference(number), SLN) for number in range(UNTOUCHED)])
        async with running(site) as daemon, starving.watched(daemon.process.pid):
            await daemon.said_of("codec detected", UNTOUCHED)
            edits = Edits(site, platform, daemon)
            for number in range(EDITS):
                await edits.edit(number)
            assert await daemon.stop() == 0

    assert max(edits.took) <= LIMIT + starving.seconds, (starving, sorted(edits.took)[-10:])
    assert [line for line in daemon.log if line["level"] in ("error", "critical")] == []
    lost: dict[str, str] = {}
    for watch, _ in edits.untouched:
        got, ledger = await anyio.to_thread.run_sync(recorded, tmp_path / "bucket", watch)
        connections = platform.record(watch).connections
        sent = np.concatenate([each.samples() for each in connections])
        if len(connections) != 1 or ledger or not np.array_equal(got, sent):
            lost[watch.id] = f"{len(connections)} connections, {len(got)} of {len(sent)}, {ledger}"
    assert lost == {}
    assert len(sent) > 20 * 8000

"""Hooks of a daemon: what they are told, and that one that hangs or fails costs not a sample."""

import asyncio
import contextlib
import json
import stat
from pathlib import Path

import pytest

from recorder.core.media import Encapsulation
from recorder.simulator import Drop, Platform, Programme, Refuse, Tape, simulate
from recorder.simulator.verdict import Fetched, judge
from storage.names import WatchId, WatchKind
from tests.daemon.process import Site, fetch, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

SLN = Encapsulation.SLN
BOARD = WatchId(WatchKind.CONFERENCE, "2ed12456-eb4b-11ee-bba8-00000000000d")
FORBIDDEN = WatchId(WatchKind.CONFERENCE, "2ed12456-eb4b-11ee-bba8-00000000000e")
KEY = "what-only-the-two-know"


def program(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


async def test_hooks_that_hang_or_fail_cost_no_sample_and_the_others_are_told(tmp_path: Path) -> None:
    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(-1)
        writer.close()

    hanging = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = hanging.sockets[0].getsockname()[1]
    programme = Programme(BOARD, Tape.speech("standup"), script=[Drop(at=24_000)])
    forbidden = Programme(FORBIDDEN, Tape.speech("standup"), script=[Refuse(403, times=99)])
    platform = Platform(programme, forbidden)
    told = tmp_path / "told"
    hooks = f"""
[[hooks]]
command = [{json.dumps(program(tmp_path, "teller", f"cat >> {told}; echo >> {told}"))}]

[[hooks]]
command = [{json.dumps(program(tmp_path, "sleeper", "sleep 600"))}]
timeout = "1s"
give_up_after = "2s"

[[hooks]]
name = "hanging"
url = "http://127.0.0.1:{port}/a-secret-path"
key = "hook-key"

[[hooks]]
name = "absent"
url = "http://127.0.0.1:9/a-secret-path"
key = "hook-key"
give_up_after = "1s"
"""
    (tmp_path / "bucket").mkdir()
    async with hanging, simulate(platform) as server:
        environment = {"HOOK_KEY": KEY}
        site = Site(tmp_path, server.url, (tmp_path / "bucket").as_uri(), environment=environment)
        site.write([(BOARD, SLN), (FORBIDDEN, SLN)])
        site.config.write_text(site.config.read_text() + hooks)
        async with running(site) as daemon:
            await daemon.said_of("segment uploaded", 2, within=60)
            await daemon.said_of("hook failed; it will be tried again", 1)
            assert await daemon.stop(within=60) == 0

    events = [json.loads(line) for line in told.read_text().splitlines()]
    uploaded = [event for event in events if event["event"] == "segment-uploaded"]
    assert len(uploaded) == len(daemon.said("segment uploaded"))
    assert all(event["manifest"]["watch"]["id"] == BOARD.id for event in uploaded)
    (lost, *_) = (event for event in events if event["event"] == "audio-lost")
    assert lost["reason"] == "disconnected"
    assert lost["manifest"]["ledger"][0]["reason"] == "disconnected"
    (blocked,) = (event for event in events if event["event"] == "watch-blocked")
    assert blocked["watch"]["id"] == FORBIDDEN.id
    assert "403" in blocked["reason"]
    given_up = {line["hook"] for line in daemon.said("hook given up: this was not told, and will not be")}
    assert {"sleeper", "absent", "hanging"} <= given_up
    everything = json.dumps(daemon.log) + "".join(daemon.other)
    assert KEY not in everything
    assert "a-secret-path" not in everything
    output = tmp_path / "out.wav"
    fetched = Fetched.read(output, await fetch(site, BOARD, output))
    assert judge(programme, platform.record(BOARD), fetched).differing == 0

"""The life of the process: stopped, killed, starved of its store, told of another watch list."""

import asyncio
import contextlib
import json
import signal
import subprocess
from pathlib import Path

import anyio
import pytest

from recorder.core.media import Encapsulation
from recorder.simulator import TOKEN, Platform, Programme, Refuse, Tape, simulate
from recorder.simulator.seaweedfs import SeaweedFS
from recorder.simulator.verdict import Fetched, judge
from storage.names import WatchId, WatchKind
from tests.daemon.process import BIN, Site, fetch, running, verify
from tests.daemon.recorded import manifests_of
from tests.starving import Starving

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

SLN = Encapsulation.SLN


def conference(number: int) -> WatchId:
    return WatchId(WatchKind.CONFERENCE, f"2ed12456-eb4b-11ee-bba8-{number:012x}")


def site_at(folder: Path, url: str, **recording: object) -> Site:
    (folder / "bucket").mkdir()
    return Site(folder, url, (folder / "bucket").as_uri(), recording=recording)


async def test_what_cannot_be_uploaded_before_the_deadline_is_uploaded_after_the_next_start(
    tmp_path: Path,
) -> None:
    programme = Programme(conference(1), Tape.speech("standup"))
    store = SeaweedFS(tmp_path / "store")
    platform = Platform(programme)
    async with simulate(platform) as server:
        site = Site(
            tmp_path,
            server.url,
            f"s3://{store.bucket}/late",
            environment=store.environment,
            recording={"drain_timeout": "1s"},
            storage={"endpoint_url": store.endpoint_url},
        )
        site.write([(conference(1), SLN)])
        async with running(site) as daemon:
            await daemon.said_of("segment sealed", 1)
            await daemon.said_of("upload failed; it will be tried again", 1)
            assert await daemon.stop() == 0
        assert daemon.said(
            "stopped before everything was uploaded; the spool keeps the rest for the next start"
        )
    waiting = len(list(site.spool.glob("*.wav")))
    assert waiting >= 1

    await anyio.to_thread.run_sync(store.start)
    try:
        site.watch([])
        async with running(site) as daemon:
            await daemon.said_of("segment uploaded", waiting)
            assert await daemon.stop() == 0
        report = await fetch(site, conference(1), tmp_path / "out.wav")
    finally:
        await anyio.to_thread.run_sync(store.kill)

    verdict = judge(programme, platform.record(conference(1)), Fetched.read(tmp_path / "out.wav", report))
    assert verdict.differing == 0


async def test_a_recorder_that_is_killed_loses_a_second_at_most_and_says_so(tmp_path: Path) -> None:
    programme = Programme(conference(1), Tape.speech("standup"))
    platform, starving = Platform(programme), Starving()
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url, segment="24h")
        site.write([(conference(1), SLN)])
        async with running(site) as daemon, starving.watched(daemon.process.pid):
            await daemon.said_of("codec detected", 1)
            await anyio.sleep(3)
            daemon.process.send_signal(signal.SIGKILL)
            await daemon.process.wait()
        site.watch([])
        async with running(site) as daemon:
            await daemon.said_of("segment uploaded", 1)
            await daemon.stop()

    (recovered,) = daemon.said("segment recovered: the recorder died while it was open")
    report = await fetch(site, conference(1), tmp_path / "out.wav")
    heard = Fetched.read(tmp_path / "out.wav", report).heard()
    sent = platform.record(conference(1)).connections[0].samples()
    assert recovered["samples"] == len(heard)
    assert (heard == sent[: len(heard)]).all()
    assert len(sent) - len(heard) <= 8000 + 2 * 160 + starving.samples, starving


async def test_an_edit_of_the_watch_list_starts_and_stops_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    programmes = [Programme(conference(number), Tape.speech("standup")) for number in (1, 2, 3)]
    platform = Platform(*programmes)
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url)
        site.write([(conference(1), SLN), (conference(2), SLN)])
        async with running(site) as daemon:
            await daemon.said_of("audio began", 2)
            (tmp_path / "watchlist.toml").write_text("[[conference]]\nid = 7")
            await daemon.said_of("the watch list is not followed: it has a mistake", 1)
            site.watch([(conference(2), SLN), (conference(3), SLN)])
            await daemon.said_of("audio began", 3)
            await anyio.sleep(1)
            await daemon.stop()

    assert [len(platform.record(conference(n)).connections) for n in (1, 2, 3)] == [1, 1, 1]
    for programme in programmes:
        output = tmp_path / f"{programme.watch.id}.wav"
        fetched = Fetched.read(output, await fetch(site, programme.watch, output))
        assert judge(programme, platform.record(programme.watch), fetched).differing == 0


async def test_an_edit_of_what_is_being_recorded_costs_what_it_takes_and_the_chain_holds(
    tmp_path: Path,
) -> None:
    platform, starving = Platform(Programme(conference(1), Tape.speech("standup"))), Starving()
    entry = f'[[conference]]\nid = "{conference(1).id}"\nencapsulation = "sln"\n'
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url, segment="24h")
        site.write([(conference(1), SLN)])
        async with running(site) as daemon, starving.watched(daemon.process.pid):
            await daemon.said_of("audio began", 1)
            for number, name in enumerate(("standup", "Monday's standup"), start=2):
                await anyio.sleep(3)
                (tmp_path / "watchlist.toml").write_text(f'{entry}name = "{name}"\n')
                await daemon.said_of("audio began", number)
            await anyio.sleep(1)
            await daemon.stop()

    segments = manifests_of(tmp_path / "bucket", conference(1))
    assert [each.watch.name for each in segments] == [None, "standup", "Monday's standup"]
    for each in segments[1:]:
        assert each.opened_after is not None
        assert each.opened_after.seconds < 2 + starving.seconds, starving
    await verify(site, conference(1))


async def test_a_watch_list_behind_links_is_followed(tmp_path: Path) -> None:
    """As orchestrators mount one: the link of the folder is swapped, and nothing happens beside the file."""
    platform = Platform(*(Programme(conference(number), Tape.speech("standup")) for number in (1, 2, 3)))
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url)
        for number in (1, 2, 3):
            site.write([(conference(number), SLN)])
            (tmp_path / str(number)).mkdir()
            (tmp_path / "watchlist.toml").rename(tmp_path / str(number) / "watchlist.toml")
        (tmp_path / "data").symlink_to("1")
        (tmp_path / "watchlist.toml").symlink_to("data/watchlist.toml")
        async with running(site) as daemon:
            await daemon.said_of("audio began", 1)
            for number in (2, 3):  # the first may be seen as what came before there was a watcher
                (tmp_path / "aside").symlink_to(str(number))
                (tmp_path / "aside").rename(tmp_path / "data")
                await daemon.said_of("audio began", number)
            await daemon.stop()

    assert [len(platform.record(conference(number)).connections) for number in (1, 2, 3)] == [1, 1, 1]


async def test_an_edit_of_the_watch_list_while_the_daemon_starts_is_not_missed(tmp_path: Path) -> None:
    platform = Platform(Programme(conference(1), Tape.speech("standup")))
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url)
        site.voipbin = {"connect_rate": 18}
        site.write([])
        async with running(site) as daemon:
            await daemon.said_of("configuration", 1)  # the warning of the rate: the list has been read
            site.watch([(conference(1), SLN)])
            await daemon.said_of("audio began", 1)
            await daemon.stop()

    counts = [line["count"] for line in daemon.said("watching")]
    assert (counts[0], {*counts[1:]}) == (0, {1}), "an edit may be read twice"


async def test_a_credential_that_is_refused_is_an_alarm_and_never_shown(tmp_path: Path) -> None:
    platform = Platform(Programme(conference(1), Tape.speech("standup"), script=[Refuse(401, times=9)]))
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url)
        site.write([(conference(1), SLN)])
        async with running(site) as daemon:
            await daemon.said_of("no stream", 1)
            await daemon.stop()

    (line,) = daemon.said("no stream")
    assert (line["level"], line["state"]) == ("error", "refused")
    assert "401" in line["reason"]
    assert TOKEN not in json.dumps(daemon.log)


async def test_a_daemon_does_not_outlive_a_test_that_fails(tmp_path: Path) -> None:
    async with simulate(Platform()) as server:
        site = site_at(tmp_path, server.url)
        site.write([])
        with pytest.raises(ExceptionGroup), anyio.fail_after(20):
            async with running(site) as daemon:
                raise ZeroDivisionError

    assert daemon.process.returncode == -signal.SIGKILL


async def test_two_daemons_on_one_spool_are_one_too_many(tmp_path: Path) -> None:
    async with simulate(Platform()) as server:
        site = site_at(tmp_path, server.url)
        site.write([])
        async with running(site) as first:
            await first.said_of("watching", 1)
            async with running(site) as second:
                status = await second.process.wait()
            await first.stop()

    assert status == 1
    assert "another recorder uses the spool" in second.said("cannot start")[0]["error"]


def test_nothing_starts_with_a_broken_configuration(tmp_path: Path) -> None:
    (tmp_path / "recorder.toml").write_text("[recording]\nspool = 'spool'")

    result = subprocess.run(
        [BIN / "conference-recorder", "run", "--config", "recorder.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "spool").exists()


async def test_a_store_that_hangs_holds_up_neither_the_recording_nor_the_stop(tmp_path: Path) -> None:
    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(-1)
        writer.close()

    store = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = store.sockets[0].getsockname()[1]
    async with store, simulate(Platform(Programme(conference(1), Tape.speech("standup")))) as server:
        site = Site(
            tmp_path,
            server.url,
            "s3://recordings/hung",
            environment={"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
            recording={"drain_timeout": "1s"},
            storage={"endpoint_url": f"http://127.0.0.1:{port}"},
        )
        site.write([(conference(1), SLN)])
        async with running(site) as daemon:
            await daemon.said_of("segment sealed", 1)
            began = anyio.current_time()
            assert await daemon.stop() == 0
            assert anyio.current_time() - began < 15, "not the minute that the store may take to answer"

    assert len(list(site.spool.glob("*.wav"))) >= 2, "nothing was let go"

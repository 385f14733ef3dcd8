"""What the installed daemon says of itself: on its local socket, over HTTP and to systemd."""

import asyncio
import json
import signal
import socket
import stat
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from prometheus_client.parser import text_string_to_metric_families

from recorder.core.media import Encapsulation
from recorder.simulator import (
    AcceptThenClose,
    AnswerLate,
    NeverAudio,
    Platform,
    Programme,
    Refuse,
    Step,
    Tape,
    simulate,
)
from recorder.state import State
from storage.names import WatchId, WatchKind
from tests.daemon.process import BIN, Daemon, Site, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

SLN = Encapsulation.SLN
AT_EACH_STATE: dict[State, tuple[Step, ...]] = {
    State.RECORDING: (),
    State.WAITING: (),  # for nobody has ever joined
    State.BLOCKED: (Refuse(401, times=99),),
    State.DEGRADED: (Refuse(500, times=99),),
    State.IDLE: (NeverAudio(),),
    State.CONNECTING: (AnswerLate(seconds=9, times=99),),
    State.ENDED: (),  # for it was deleted
}


def conference(number: int) -> WatchId:
    return WatchId(WatchKind.CONFERENCE, f"3ed12456-eb4b-11ee-bba8-{number:012x}")


def site_at(folder: Path, url: str, **recording: object) -> Site:
    (folder / "bucket").mkdir()
    return Site(folder, url, (folder / "bucket").as_uri(), recording=recording)


async def status(site: Site, *arguments: str) -> tuple[int, str, str]:
    command = [str(BIN / "conference-recorder"), "status", "--config", str(site.config), *arguments]
    # No credential: who asks needs none.
    result = await anyio.run_process(command, check=False, env={"PATH": "/usr/bin:/bin", "COLUMNS": "200"})
    return result.returncode, result.stdout.decode(), result.stderr.decode()


async def status_as_json(site: Site) -> dict[str, Any]:
    exit_status, output, error = await status(site, "--json")
    assert exit_status == 0, error
    said: dict[str, Any] = json.loads(output)
    return said


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def address(daemon: Daemon) -> str:
    await daemon.said_of("metrics and health can be asked for", 1)
    return f"http://{daemon.said('metrics and health can be asked for')[0]['address']}"


async def test_every_state_is_seen_in_status_metrics_and_log_alike(tmp_path: Path) -> None:
    watches = {state: conference(number) for number, state in enumerate(AT_EACH_STATE)}
    platform = Platform(
        *(Programme(watches[s], Tape.speech("standup"), script=steps) for s, steps in AT_EACH_STATE.items())
    )
    platform.create(Programme(watches[State.WAITING], Tape.speech("standup")))
    platform.conference(watches[State.IDLE]).leave()  # who stays may say nothing
    platform.conference(watches[State.ENDED]).delete()
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url, idle_after="2s")
        site.voipbin = {"observe": True, "no_audio_after": "60s"}
        site.metrics = {"listen": "127.0.0.1:0"}
        others = [(watch, SLN) for state, watch in watches.items() if state is not State.CONNECTING]
        site.write(others)
        async with running(site) as daemon:
            url = await address(daemon)
            await daemon.until(
                lambda log: (
                    {line["state"] for line in log if line["event"] == "state"}
                    >= {state.value for state in State if state is not State.CONNECTING}
                )
            )
            site.watch([*others, (watches[State.CONNECTING], SLN)])
            await daemon.said_of("watching", 2)
            # Beside each other, for a watch is not connecting for long.
            (_, metrics), said, (_, table, _) = await asyncio.gather(
                anyio.to_thread.run_sync(get, f"{url}/metrics"), status_as_json(site), status(site)
            )
            await daemon.stop()

    of = {each["id"]: each for each in said["watches"]}
    for state, watch in watches.items():
        assert of[watch.id]["state"] == state.value, of[watch.id]
        lines = [line for line in daemon.said("state") if line["watch"] == str(watch)]
        assert state is State.CONNECTING or lines[-1]["state"] == state.value
        assert f"{state.value} " in table
    assert "does not know the token" in of[watches[State.BLOCKED].id]["why"]
    assert of[watches[State.ENDED].id]["why"] == "terminated"
    assert table.splitlines()[-1].startswith(f"conference {watches[State.ENDED].id} "), "below the others"
    assert "500" in of[watches[State.DEGRADED].id]["why"]
    values = {
        sample.labels["state"]: sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "conference_recorder_streams"
    }
    assert values == {state.value: 1 for state in State}
    heard = of[watches[State.RECORDING].id]
    assert heard["recorded"] > 0.5
    assert heard["last_audio"] < 2
    assert (heard["codec"], heard["gaps"]) == ("pcm16le", 0)
    assert heard["jitter_ms"] < 500


async def test_a_platform_that_ends_every_stream_is_told_once_and_with_what_to_do(tmp_path: Path) -> None:
    script = (AcceptThenClose(times=99),)
    watches = [conference(number) for number in range(3)]
    platform = Platform(*(Programme(each, Tape.speech("standup"), script=script) for each in watches))
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url)
        site.voipbin = {"observe": True}
        site.metrics = {"listen": "127.0.0.1:0"}
        site.write((each, SLN) for each in watches)
        async with running(site) as daemon:
            await daemon.said_of("no stream brings audio", 1)
            said = await status_as_json(site)
            _, table, _ = await status(site)
            _, metrics = await anyio.to_thread.run_sync(get, f"{await address(daemon)}/metrics")
            await daemon.stop()

    (line,) = daemon.said("no stream brings audio")
    assert line["level"] == "error"
    assert "POD_IP" in line["reason"]
    assert said["trouble"].partition("(")[0] == line["reason"].partition("(")[0]
    assert "POD_IP" in table
    assert "conference_recorder_platform_trouble 1.0" in metrics
    assert {each["state"] for each in said["watches"]} == {"degraded"}, "people are there, and missed"


async def test_a_stream_that_stands_in_a_stale_bridge_is_opened_anew_and_counted(tmp_path: Path) -> None:
    platform = Platform(Programme(conference(1), Tape.speech("standup"), script=(NeverAudio(),)))
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url)
        site.voipbin = {"observe": True, "no_audio_after": "5s"}
        site.metrics = {"listen": "127.0.0.1:0"}
        site.write([(conference(1), SLN)])
        async with running(site) as daemon:
            await daemon.said_of("audio began", 1)
            (watch,) = (await status_as_json(site))["watches"]
            _, metrics = await anyio.to_thread.run_sync(get, f"{await address(daemon)}/metrics")
            await daemon.stop()

    (line,) = daemon.said("stream opened anew: it brought nothing")
    assert "the platform may have lost its bridge" in line["reason"]
    assert 5 <= line["seconds"] < 10, "five, and a list that is three seconds old"
    assert watch["reopened"] == watch["reconnects"] == 1
    assert 'conference_recorder_reconnects_total{reason="silent"} 1.0' in metrics


async def test_the_daemon_is_ready_when_it_records_and_says_so_to_everybody(tmp_path: Path) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "n"))
    manager.setblocking(False)
    heard: list[str] = []

    async def listen() -> None:
        while True:
            await anyio.wait_readable(manager)
            heard.append(manager.recv(4096).decode())

    async with simulate(Platform(Programme(conference(1), Tape.speech("standup")))) as server:
        site = site_at(tmp_path, server.url)
        site.environment = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "4000000"}
        site.metrics = {"listen": "127.0.0.1:0"}
        site.write([(conference(1), SLN)])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            async with running(site) as daemon:
                url = await address(daemon)
                await daemon.said_of("ready", 1)
                await daemon.said_of("state", 1)
                ready = await anyio.to_thread.run_sync(get, f"{url}/readyz")
                health = await anyio.to_thread.run_sync(get, f"{url}/healthz")
                nowhere = await anyio.to_thread.run_sync(get, f"{url}/etc/passwd")
                await daemon.said_of("segment sealed", 1)
                daemon.process.send_signal(signal.SIGHUP)
                await daemon.said_of("configuration read again", 1)
                await anyio.sleep(1)
                mode = stat.S_IMODE((site.spool / ".status").stat().st_mode)
                await daemon.stop()
            tasks.cancel_scope.cancel()
    manager.close()

    events = [line["event"] for line in daemon.log]
    assert events.index("watching") < events.index("ready")
    assert ready[0] == health[0] == 200
    assert (health[1], nowhere[0]) == ("ok\n", 404)
    assert "recording, 0 waiting, 0 blocked; spool " in ready[1]
    states = [each.split("\n")[0] for each in heard if each.startswith(("READY", "RELOADING", "STOPPING"))]
    assert states == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    assert heard.count("WATCHDOG=1") >= 2
    assert any(each.startswith("STATUS=1 recording, 0 waiting, 0 blocked; spool ") for each in heard)
    assert not mode & 0o117, "nobody else may ask"
    assert not (site.spool / ".status").exists()
    assert list((tmp_path / "bucket").glob("probe*")) == [], "what was sent to try the store is gone"


async def test_a_store_that_is_away_at_the_start_is_told_and_keeps_nobody_from_recording(
    tmp_path: Path,
) -> None:
    async with simulate(Platform(Programme(conference(1), Tape.speech("standup")))) as server:
        site = Site(tmp_path, server.url, (tmp_path / "missing").as_uri(), recording={"drain_timeout": "0s"})
        site.write([(conference(1), SLN)])
        async with running(site) as daemon:
            await daemon.said_of("ready", 1)
            await daemon.said_of("audio began", 1)
            said = await status_as_json(site)
            await daemon.stop()

    assert said["phase"] == "ready"
    assert said["uploads"]["away"]
    assert "no such folder" in said["uploads"]["problem"]


async def test_where_no_daemon_answers_the_exit_status_says_so(tmp_path: Path) -> None:
    site = site_at(tmp_path, "ws://127.0.0.1:1/v1.0")
    site.write([])
    site.spool.mkdir()
    without = await status(site)
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stale.bind(str(site.spool / ".status"))  # and nobody listens any more
    stale.close()
    with_a_stale_one = await status(site)

    async with running(site) as daemon:
        await daemon.said_of("ready", 1)
        with_a_daemon = await status(site)
        daemon.process.send_signal(signal.SIGKILL)
        await daemon.process.wait()
    killed = await status(site)
    async with running(site) as daemon:
        await daemon.said_of("ready", 1)
        again = await status(site)
        await daemon.stop()

    assert [each[0] for each in (without, with_a_stale_one, with_a_daemon, killed, again)] == [3, 3, 0, 3, 0]
    assert "no daemon answers at " in killed[2]
    assert "Traceback" not in killed[2]


async def test_a_deep_spool_is_no_obstacle_to_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    site = site_at(tmp_path, "ws://127.0.0.1:1/v1.0", spool=str(deep / "spool"))
    site.write([])
    async with running(site) as daemon:
        await daemon.said_of("ready", 1)
        exit_status, output, _ = await status(site)
        await daemon.stop()

    assert exit_status == 0
    assert "0 recording, 0 waiting, 0 blocked" in output


async def test_a_socket_that_another_daemon_answers_is_left_to_it(tmp_path: Path) -> None:
    sites = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        site = site_at(tmp_path / name, "ws://127.0.0.1:1/v1.0", recorder=name)
        site.status = {"socket": str(tmp_path / "shared")}
        site.write([])
        sites.append(site)
    async with running(sites[0]) as first:
        await first.said_of("ready", 1)
        async with running(sites[1]) as second:
            await second.said_of("answering on the local socket failed; it is tried again", 1)
            await second.said_of("ready", 1)
            said = await status_as_json(sites[1])
            await second.stop()
        await first.stop()

    assert said["recorder"] == "one"


async def test_a_changed_configuration_is_adopted_as_far_as_it_can_be(tmp_path: Path) -> None:
    async with simulate(Platform(Programme(conference(1), Tape.speech("standup")))) as server:
        site = site_at(tmp_path, server.url)
        site.write([(conference(1), SLN)])
        async with running(site) as daemon:
            await daemon.said_of("audio began", 1)
            site.recording = {"segment": "10s", "drain_timeout": "7s", "min_free": "1MiB"}
            site.voipbin = {"connect_rate": 3.5, "no_audio_after": "9s"}
            site.write([(conference(1), SLN)])
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.said_of("configuration read again", 1)
            site.recording = {"segment": "7m"}
            site.write([(conference(1), SLN)])
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.said_of("the configuration is not followed: it has a mistake", 1)
            await daemon.stop()

    (line,) = daemon.said("configuration read again")
    assert line["level"] == "warning"
    assert set(line["adopted"]) == {
        "recording.drain_timeout",
        "recording.min_free",
        "voipbin.connect_rate",
        "voipbin.no_audio_after",
    }
    assert line["needs_restart"] == ["recording.segment"]
    assert "recorder.toml:" in daemon.said("the configuration is not followed: it has a mistake")[0]["error"]
    assert len(daemon.said("audio began")) == 1, "and what is recorded goes on"

"""The service in a booted systemd. It takes a minute or two, and is run by its name:

python -m pytest -n0 tests/service/booted.py
"""

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TypeVar

import anyio
import pytest

from recorder.simulator import TOKEN, Platform, Programme, Tape, simulate
from recorder.simulator.seaweedfs import SeaweedFS
from storage.manifest import ClosedBy, OpenedAfterReason, SegmentManifest, parse_manifest
from storage.names import WatchId, WatchKind
from storage.s3 import S3Store
from tests.service.machine import SITE, UNIT, Machine, booted, follow_readme

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

CONFIG = "/etc/conference-recorder/recorder.toml"
WATCHLIST = "/etc/conference-recorder/watchlist.toml"
SPOOL = "var/lib/private/conference-recorder"
DROP_IN = f"/etc/systemd/system/{UNIT}.service.d/test.conf"


Result = TypeVar("Result")


def conference(number: int) -> WatchId:
    return WatchId(WatchKind.CONFERENCE, f"2ed12456-eb4b-11ee-bba8-{number:012x}")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with booted(tmp_path_factory.mktemp("machine")) as machine:
        follow_readme(machine, "install")
        yield machine


@pytest.fixture
async def platform() -> Platform:
    return Platform(*(Programme(conference(n), Tape.speech("standup")) for n in (1, 2)))


@pytest.fixture
def prefix() -> str:
    return f"booted-{os.urandom(4).hex()}"


@pytest.fixture
async def machine(
    installed: Machine, platform: Platform, seaweedfs: SeaweedFS, prefix: str
) -> AsyncIterator[Machine]:
    """Configured, with no life of the service before."""
    installed.write(f"{SITE}/voipbin-token", TOKEN, 0o600)
    keys = f"aws_access_key_id = {seaweedfs.access_key}\naws_secret_access_key = {seaweedfs.secret_key}\n"
    installed.write(f"{SITE}/aws-credentials", f"[default]\n{keys}", 0o600)
    for name, file in (("voipbin-token", "voipbin-token"), ("aws", "aws-credentials")):
        kept = f"/etc/credstore/conference-recorder.{name}"
        installed.run("install", "-D", "-m", "600", f"{SITE}/{file}", kept)
    watch(installed, [conference(1)])
    async with simulate(platform) as server:
        installed.write(
            CONFIG,
            f"""\
watchlist = "watchlist.toml"
[voipbin]
url = "{server.url}"
allow_insecure = true
encapsulation = "sln"
[recording]
spool = "/var/lib/conference-recorder"
recorder = "booted"
segment = "5s"
[storage]
url = "s3://{seaweedfs.bucket}/{prefix}"
endpoint_url = "{seaweedfs.endpoint_url}"
""",
        )
        try:
            yield installed
        finally:
            await in_thread(lambda: forget(installed))


async def in_thread(call: Callable[[], Result]) -> Result:
    """The platform is served by this loop, and must not wait."""
    return await anyio.to_thread.run_sync(call)


def watch(machine: Machine, watches: Iterable[WatchId]) -> None:
    machine.write(WATCHLIST, "".join(f'[[{watch.kind}]]\nid = "{watch.id}"\n' for watch in watches))


def configure(machine: Machine, drop_in: str) -> None:
    machine.write(DROP_IN, drop_in)
    machine.systemctl("daemon-reload")


def forget(machine: Machine) -> None:
    """Leave nothing of this life to the next."""
    machine.systemctl("stop", UNIT)
    machine.run("rm", "-rf", DROP_IN, f"/{SPOOL}", "/var/lib/conference-recorder")
    machine.systemctl("daemon-reload")
    machine.systemctl("reset-failed", check=False)


def said(machine: Machine, cursor: str, event: str) -> list[dict[str, object]]:
    return [line for line in machine.log(cursor) if line["event"] == event]


def manifests(server: SeaweedFS, prefix: str) -> list[SegmentManifest]:
    """What is in the bucket, in order."""
    store = S3Store(
        server.bucket,
        prefix,
        endpoint_url=server.endpoint_url,
        region="us-east-1",
        access_key=server.access_key,
        secret_key=server.secret_key,
    )
    found = []
    for item in store.list("conferences/"):
        if item.key.endswith(".json"):
            with store.open(item.key) as stream:
                found.append(parse_manifest(stream.read()))
    store.close()
    return sorted(found, key=lambda manifest: manifest.started_at)


def start_and_hear(machine: Machine) -> str:
    """Start, wait for audio, and return where the journal of this life begins."""
    cursor = machine.cursor()
    machine.systemctl("start", UNIT)
    machine.until(lambda: bool(said(machine, cursor, "audio began")))
    return cursor


async def test_it_is_ready_when_it_can_record_and_says_so_in_fields(machine: Machine) -> None:
    cursor = await in_thread(lambda: start_and_hear(machine))

    assert machine.property("ActiveState") == "active"
    assert "record" in machine.property("StatusText")
    entries = machine.entries(cursor)
    messages = [str(entry["MESSAGE"]) for entry in entries]
    watching = next(n for n, message in enumerate(messages) if '"watching"' in message)
    started = next(n for n, message in enumerate(messages) if message.startswith("Started "))
    assert watching < started, "READY comes after the watches were begun"
    (line,) = said(machine, cursor, "audio began")
    assert line["watch"] == f"conference {conference(1).id}"
    assert {"timestamp", "level", "logger"} <= line.keys()
    assert all(entry["_SYSTEMD_UNIT"] == f"{UNIT}.service" for entry in entries if entry["_PID"] != "1")
    assert not [line for line in machine.log(cursor) if line["level"] in {"warning", "error", "critical"}]
    assert TOKEN not in "".join(messages)


async def test_it_is_not_root_and_writes_nowhere_but_to_its_state(machine: Machine) -> None:
    await in_thread(lambda: start_and_hear(machine))
    pid = machine.property("MainPID")

    status = machine.run("cat", f"/proc/{pid}/status").stdout
    fields = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    uid = fields["Uid"].split()[0]
    assert int(uid) > 0
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"
    inside = ["nsenter", "-t", pid, "-m", "--"]
    for folder in (
        "/",
        "/etc",
        "/etc/conference-recorder",
        "/opt",
        "/usr",
        "/var",
        "/var/lib",
        "/home",
        "/root",
    ):
        tried = machine.run(*inside, "touch", f"{folder}/a-file", check=False)
        assert tried.returncode, f"{folder} is writable"
    for file in ("/etc/credstore/conference-recorder.voipbin-token", "/etc/shadow"):
        tried = machine.run(*inside, "setpriv", "--reuid", uid, "--clear-groups", "cat", file, check=False)
        assert tried.returncode, f"{file} is readable"
    machine.run(
        *inside, "setpriv", "--reuid", uid, "--clear-groups", "touch", "/var/lib/conference-recorder/.a"
    )


async def test_a_reload_follows_the_watch_list_and_leaves_the_rest_alone(
    machine: Machine, platform: Platform
) -> None:
    cursor = await in_thread(lambda: start_and_hear(machine))
    pid = machine.property("MainPID")

    watch(machine, [conference(1), conference(2)])
    await in_thread(lambda: machine.systemctl("reload", UNIT))
    await in_thread(lambda: machine.until(lambda: len(said(machine, cursor, "audio began")) == 2))

    assert machine.property("MainPID") == pid
    assert machine.property("ActiveState") == "active"
    assert [len(platform.record(conference(n)).connections) for n in (1, 2)] == [1, 1]


async def test_a_process_that_is_wedged_is_killed_and_started_again(
    machine: Machine, seaweedfs: SeaweedFS, prefix: str
) -> None:
    configure(machine, "[Service]\nWatchdogSec=10s\n")
    cursor = await in_thread(lambda: start_and_hear(machine))
    await anyio.sleep(12)
    assert machine.property("NRestarts") == "0", "what works is left alone"

    machine.run("kill", "-STOP", machine.property("MainPID"))
    await in_thread(lambda: machine.until(lambda: len(said(machine, cursor, "audio began")) == 2, 60))

    assert machine.property("NRestarts") == "1"
    messages = [str(entry["MESSAGE"]) for entry in machine.entries(cursor)]
    assert any("watchdog" in message.lower() for message in messages)
    await in_thread(lambda: machine.systemctl("stop", UNIT))
    found = manifests(seaweedfs, prefix)
    assert OpenedAfterReason.CRASH in [m.opened_after.reason for m in found if m.opened_after]


async def test_a_stop_uploads_all_that_was_heard(machine: Machine, seaweedfs: SeaweedFS, prefix: str) -> None:
    cursor = await in_thread(lambda: start_and_hear(machine))
    await anyio.sleep(2)

    await in_thread(lambda: machine.systemctl("stop", UNIT))

    (stopped,) = said(machine, cursor, "stopped")
    assert stopped["waiting"] == 0
    assert machine.property("Result") == "success"
    assert list((machine.tree / SPOOL).glob("*.wav*")) == []
    *_, last = manifests(seaweedfs, prefix)
    assert last.closed_by is ClosedBy.STOPPED


async def test_an_upgrade_costs_the_seconds_that_it_takes_and_says_so(
    machine: Machine, seaweedfs: SeaweedFS, prefix: str
) -> None:
    cursor = await in_thread(lambda: start_and_hear(machine))
    await anyio.sleep(2)

    await in_thread(lambda: follow_readme(machine, "upgrade"))
    await in_thread(lambda: machine.until(lambda: len(said(machine, cursor, "audio began")) == 2))
    running = machine.run("cat", f"/proc/{machine.property('MainPID')}/cmdline").stdout
    version = machine.run(running.split("\0")[1], "--version").stdout
    await anyio.sleep(2)
    await in_thread(lambda: machine.systemctl("stop", UNIT))

    assert version == "conference-recorder 0.2.0\n"
    (gap,) = [m.opened_after for m in manifests(seaweedfs, prefix) if m.opened_after][1:]
    assert gap.reason is OpenedAfterReason.STOPPED
    assert gap.seconds < 15


async def test_a_broken_configuration_is_not_tried_again(machine: Machine) -> None:
    cursor = machine.cursor()
    machine.write(CONFIG, "watchlist = 7\n")

    result = await in_thread(lambda: machine.systemctl("start", UNIT, check=False))
    await anyio.sleep(5)

    assert result.returncode
    assert machine.property("ActiveState") == "failed"
    assert machine.property("NRestarts") == "0"
    assert machine.property("ExecMainStatus") == "2"
    messages = [str(entry["MESSAGE"]) for entry in machine.entries(cursor)]
    assert any("recorder.toml" in message and "watchlist" in message for message in messages)


async def test_a_start_that_fails_again_and_again_comes_to_an_end(machine: Machine) -> None:
    configure(machine, "[Unit]\nStartLimitBurst=3\n[Service]\nRestartSec=100ms\n")
    await in_thread(lambda: start_and_hear(machine))
    await in_thread(lambda: machine.systemctl("stop", UNIT))
    machine.run("systemd-run", "-q", "--unit=squatter", "flock", f"/{SPOOL}/.claim", "sleep", "600")
    try:
        await in_thread(lambda: machine.systemctl("start", UNIT, check=False))
        await in_thread(lambda: machine.until(lambda: machine.property("ActiveState") == "failed"))
    finally:
        machine.systemctl("stop", "squatter")

    assert machine.property("Result") in {"exit-code", "start-limit-hit"}
    assert int(machine.property("NRestarts")) >= 1
    assert int(machine.property("NRestarts")) <= 3


async def test_the_doctor_runs_beside_the_daemon_as_its_user(machine: Machine) -> None:
    await in_thread(lambda: start_and_hear(machine))
    cursor = machine.cursor()

    await in_thread(lambda: machine.systemctl("start", f"{UNIT}-doctor"))

    messages = [str(entry["MESSAGE"]) for entry in machine.entries(cursor, f"{UNIT}-doctor")]
    found = [message for message in messages if message.startswith(("ok", "warning", "failed"))]
    assert len(found) == 18
    assert not [message for message in found if message.startswith("failed")]
    assert any("belongs to us" in message for message in found)
    assert machine.property("ActiveState") == "active"


async def test_the_steps_of_the_readme_lead_to_a_service_that_records(machine: Machine) -> None:
    cursor = machine.cursor()

    await in_thread(lambda: follow_readme(machine, "begin"))
    await in_thread(lambda: machine.until(lambda: bool(said(machine, cursor, "audio began"))))

    assert machine.systemctl("is-enabled", UNIT).stdout.strip() == "enabled"
    machine.systemctl("disable", UNIT)

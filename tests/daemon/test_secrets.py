"""No secret in anything that the daemon emits, whatever goes wrong: all of it is searched."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import anyio
import pytest

from recorder.core.media import Encapsulation
from recorder.simulator import ACCESSKEY, TOKEN, Drop, Platform, Programme, Refuse, Stall, Tape, simulate
from recorder.simulator.seaweedfs import SeaweedFS
from storage.names import WatchId, WatchKind
from tests.daemon.process import BIN, Daemon, Site, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

BOARD = WatchId(WatchKind.CONFERENCE, "2ed12456-eb4b-11ee-bba8-00000000000f")
STORE_SECRET = "store/secret+key=of-some-length"
SESSION = "session-token-of-the-store"
HOOK_KEY = "key-of-the-hook"
HOOK_URL = "http://127.0.0.1:9/hooks/a-secret-path"


def secrets(*more: str) -> set[str]:
    known = {TOKEN, ACCESSKEY, STORE_SECRET, SESSION, HOOK_KEY, HOOK_URL, *more}
    return known | {quote(secret, safe="") for secret in known}


async def emitted(site: Site, daemon: Daemon) -> Iterator[str]:
    """All that left the process, and what its commands say beside it."""
    texts = [str(line) for line in daemon.log] + daemon.other
    for command in (["status", "--json"], ["doctor"], ["check", "--json"]):
        arguments = [str(BIN / "conference-recorder"), *command, "--config", str(site.config)]
        result = await anyio.run_process(arguments, env=site.variables, cwd=site.folder, check=False)
        texts += [result.stdout.decode(), result.stderr.decode()]
    for folder in (site.spool, site.folder / "bucket"):
        texts += [read(path) for path in folder.rglob("*") if path.suffix not in {".wav", ".open"}]
    return iter(texts)


def read(path: Path) -> str:
    """What stands in it; nothing where it has gone since: who writes is still at work."""
    try:
        return path.read_text(errors="replace") if path.is_file() else ""
    except FileNotFoundError:
        return ""


def found(texts: Iterator[str], *more: str) -> list[str]:
    return [text[:2000] for text in texts if any(secret in text for secret in secrets(*more))]


def with_a_hook(site: Site) -> None:
    hook = f'\n[[hooks]]\nurl = "{HOOK_URL}"\nkey = "hook-key"\ngive_up_after = "1s"\n'
    site.config.write_text(site.config.read_text() + hook)


def site_at(folder: Path, url: str, store: str, **environment: str) -> Site:
    (folder / "bucket").mkdir()
    keys = {"HOOK_KEY": HOOK_KEY, "AWS_SECRET_ACCESS_KEY": STORE_SECRET, "AWS_SESSION_TOKEN": SESSION}
    site = Site(
        folder,
        url,
        store or (folder / "bucket").as_uri(),
        environment={"AWS_ACCESS_KEY_ID": "key", **keys, **environment},
    )
    site.write([(BOARD, Encapsulation.SLN)])
    with_a_hook(site)
    return site


@pytest.mark.parametrize("status", [401, 403, 429, 502])
async def test_none_where_the_platform_refuses(tmp_path: Path, status: int) -> None:
    platform = Platform(Programme(BOARD, Tape.speech("standup"), script=[Refuse(status, times=99)]))
    async with simulate(platform) as server:
        site = site_at(tmp_path, server.url, "")
        async with running(site) as daemon:
            await daemon.said_of("no stream", 1)
            texts = await emitted(site, daemon)
            await daemon.stop()

    assert found(texts) == []
    assert found(iter(map(str, daemon.log))) == []


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9/v1.0", "ws://voipbin.invalid/v1.0"])
async def test_none_where_an_access_key_stands_in_a_url_that_cannot_be_reached(
    tmp_path: Path, url: str
) -> None:
    site = site_at(tmp_path, url, "", VOIPBIN_ACCESSKEY=ACCESSKEY, VOIPBIN_TOKEN="")
    async with running(site) as daemon:
        await daemon.said_of("no stream", 1)
        texts = await emitted(site, daemon)
        await daemon.stop()

    assert found(texts) == []


async def test_none_where_streams_break_and_hooks_fail(tmp_path: Path) -> None:
    drops = [Drop(at=8000), Drop(at=8000)]
    async with simulate(Platform(Programme(BOARD, Tape.speech("standup"), script=drops))) as server:
        site = site_at(tmp_path, server.url, "", VOIPBIN_ACCESSKEY=ACCESSKEY, VOIPBIN_TOKEN="")
        async with running(site) as daemon:
            await daemon.said_of("stream lost", 1)
            await daemon.said_of("segment uploaded", 1, within=40)
            await daemon.said_of("hook given up: this was not told, and will not be", 1)
            texts = await emitted(site, daemon)
            await daemon.stop()

    assert found(texts) == []
    assert found(iter([str(line) for line in daemon.log] + daemon.other)) == []


async def test_none_where_the_store_is_away_or_refuses_the_keys(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    async with simulate(Platform(Programme(BOARD, Tape.speech("standup")))) as server:
        site = site_at(tmp_path, server.url, f"s3://{seaweedfs.bucket}/secrets", AWS_SESSION_TOKEN="")
        for endpoint in (seaweedfs.endpoint_url, "http://127.0.0.1:9"):
            site = replace(site, storage={"endpoint_url": endpoint, "region": "us-east-1"})
            site.write([(BOARD, Encapsulation.SLN)])
            with_a_hook(site)
            async with running(site) as daemon:
                await daemon.said_of("upload failed; it will be tried again", 1, within=40)
                texts = await emitted(site, daemon)
                daemon.process.terminate()
                await daemon.said_of("stopping", 1)
                daemon.process.terminate()
                await daemon.process.wait()
            assert found(texts) == []
            assert found(iter([str(line) for line in daemon.log] + daemon.other)) == []


async def test_none_where_a_process_that_hangs_is_aborted_and_it_says_where(tmp_path: Path) -> None:
    """It is as still here as one that hangs: of threads that run, Python reads frames while they change."""
    silent = Programme(BOARD, Tape.speech("standup"), script=[Stall(8000, 60.0)])
    async with simulate(Platform(silent)) as server:
        site = site_at(tmp_path, server.url, "")
        async with running(site) as daemon:
            await daemon.said_of("audio began", 1)
            await anyio.sleep(2)
            daemon.process.send_signal(signal.SIGABRT)
            await daemon.process.wait()

    everything = [str(line) for line in daemon.log] + daemon.other
    assert any("Fatal Python error: Aborted" in line for line in everything)
    assert any("recorder/app.py" in line for line in everything), "\n".join(everything)
    assert found(iter(everything)) == []


async def test_none_of_the_files_that_systemd_gives(tmp_path: Path) -> None:
    """And the configuration has them where none belongs."""
    given = tmp_path / "credentials"
    given.mkdir()
    (given / "voipbin-accesskey").write_text(ACCESSKEY)
    (given / "aws").write_text(
        f"[default]\naws_access_key_id = key\naws_secret_access_key = {STORE_SECRET}\n"
        f"aws_session_token = {SESSION}\n"
    )
    site = site_at(tmp_path, f"ws://{ACCESSKEY}.invalid/{STORE_SECRET}", "")
    environment = {
        "CREDENTIALS_DIRECTORY": str(given),
        "AWS_SHARED_CREDENTIALS_FILE": str(given / "aws"),
        "VOIPBIN_TOKEN": "",
        "HOOK_KEY": HOOK_KEY,
    }
    site = replace(site, environment=environment)

    async with running(site) as daemon:
        await daemon.said_of("no stream", 1)
        texts = await emitted(site, daemon)
        await daemon.stop()

    assert found(texts) == []
    everything = [str(line) for line in daemon.log] + daemon.other
    assert everything
    assert found(iter(everything)) == []


def test_the_secrets_that_are_looked_for_would_be_found() -> None:
    assert found(iter([f"a line with {TOKEN} in it"])) != []
    assert found(iter([f"a line with {quote(STORE_SECRET, safe='')} in it"])) != []

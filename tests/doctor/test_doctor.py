"""The doctor against environments that are broken in one way each: it must name that way, and what to do."""

import base64
import json
import os
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from recorder.clock import wall_clock
from recorder.core.media import Encapsulation
from recorder.doctor import Finding, Verdict, examine
from recorder.simulator import (
    TOKEN,
    AcceptThenClose,
    ErrorStyle,
    NeverAudio,
    Platform,
    Programme,
    RateLimit,
    Refuse,
    Step,
    Tape,
    simulate,
)
from recorder.simulator.platform import Grant
from recorder.simulator.seaweedfs import SeaweedFS
from recorder.spool import Spool
from storage.names import WatchId, WatchKind
from tests.daemon.process import BIN, Site, running
from tests.recorder.ext4 import Ext4, ext4_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

BOARD = WatchId(WatchKind.CONFERENCE, "2ed12456-eb4b-11ee-bba8-00000000000b")
ABSENT = WatchId(WatchKind.CONFERENCE, "2ed12456-eb4b-11ee-bba8-0000000000ff")
WATCHES = [(BOARD, Encapsulation.SLN)]
CHECKS = [
    "configuration",
    "credential",
    "platform address",
    "platform TLS",
    "clock",
    "platform API",
    "watches",
    "one watch",
    "spool write",
    "spool owner",
    "spool room",
    "store put",
    "store conditional put",
    "store read back",
    "store range",
    "store list",
    "store delete",
    "limits",
]


@dataclass(frozen=True)
class Report:
    """What the command said."""

    status: int
    findings: list[dict[str, Any]]
    everything: str

    @property
    def wrong(self) -> dict[str, str]:
        """What failed, with its words and the remedy."""
        return {
            f["check"]: f"{f['said']} -> {f['remedy']}" for f in self.findings if f["verdict"] == "failed"
        }

    @property
    def doubtful(self) -> dict[str, str]:
        return {
            f["check"]: f"{f['said']} -> {f['remedy']}" for f in self.findings if f["verdict"] == "warning"
        }


@pytest.fixture
async def platform() -> Platform:
    return Platform(Programme(BOARD, Tape.speech("standup")))


@pytest.fixture
async def url(platform: Platform) -> AsyncIterator[str]:
    async with simulate(platform) as server:
        yield server.url


@pytest.fixture
def site(tmp_path: Path, url: str) -> Site:
    return site_at(tmp_path, url)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Ext4]:
    with ext4_of(tmp_path) as disk:
        yield disk


def site_at(folder: Path, url: str) -> Site:
    bucket = folder / "bucket"
    bucket.mkdir()
    site = Site(folder, url, bucket.as_uri(), recording={"min_free": "1MiB"}, voipbin={"observe": True})
    site.spool.mkdir()
    site.write(WATCHES)
    return site


async def doctor(site: Site, *, limit: int | None = None) -> Report:
    command = [str(BIN / "conference-recorder"), "doctor", "--config", str(site.config), "--json"]
    if limit:
        command = ["prlimit", f"--nofile={limit}:{limit}", *command]
    result = await anyio.run_process(command, env=site.variables, cwd=site.folder, check=False)
    everything = (result.stdout + result.stderr).decode()
    assert result.returncode in {0, 1}, everything
    return Report(result.returncode, json.loads(result.stdout)["findings"], everything)


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


async def test_where_all_is_well_every_check_says_so_and_nothing_is_left(
    site: Site, platform: Platform
) -> None:
    report = await doctor(site)

    assert report.status == 0
    assert [finding["check"] for finding in report.findings] == CHECKS
    assert report.wrong == {}
    assert list(report.doubtful) == ["platform TLS"], "a rehearsal goes unencrypted"
    assert left_in(site.spool) == []
    assert left_in(site.folder / "bucket") == []
    said = {f["check"]: f["said"] for f in report.findings}
    assert said["platform API"] == "it answers, and lists 1 conference of ours"
    assert said["watches"].startswith("1 of 1 are there; ")
    assert said["watches"].endswith(": progressing, 2 participants")
    assert said["one watch"].endswith(": 2 participants, and audio comes")
    (connection,) = platform.record(BOARD).connections
    assert connection.ended is not None, "no stream stays"


async def test_people_get_a_line_for_each_check_with_its_remedy(site: Site) -> None:
    site = replace(site, store_url="file:///nowhere/at/all")
    site.write(WATCHES)

    command = [str(BIN / "conference-recorder"), "doctor", "--config", str(site.config)]
    result = await anyio.run_process(command, env=site.variables, cwd=site.folder, check=False)

    assert result.returncode == 1
    lines = result.stdout.decode().splitlines()
    assert len(lines) == len(CHECKS)
    (line,) = (line for line in lines if line.startswith("failed"))
    assert "store put" in line
    assert line.endswith("-> create it, or mount its file system")


async def test_a_daemon_that_runs_is_not_disturbed(site: Site) -> None:
    async with running(site) as daemon:
        await daemon.said_of("audio began", 1)
        report = await doctor(site)
        await anyio.sleep(1)
        status = await daemon.stop()

    assert report.status == 0
    assert status == 0
    assert not daemon.said("gap")
    assert not daemon.said("stream lost")
    assert not [line for line in daemon.log if line["level"] == "error"]


# The configuration and the credential


async def test_every_mistake_in_the_configuration_is_a_finding(site: Site) -> None:
    site.config.write_text(site.config.read_text().replace('segment = "5s"', 'segment = "7m"\ncolour = 1'))

    report = await doctor(site)

    assert report.status == 1
    wrong = [f for f in report.findings if f["verdict"] == "failed"]
    assert [f["check"] for f in wrong] == ["configuration"] * 2
    assert any("recording.segment" in f["said"] for f in wrong)


async def test_a_credential_that_is_missing_is_told_as_such(site: Site) -> None:
    report = await doctor(replace(site, environment={"VOIPBIN_TOKEN": ""}))

    assert "VOIPBIN_TOKEN" in report.wrong["credential"]
    assert "configuration" not in report.wrong


def jwt(**claims: object) -> str:
    parts = ({"alg": "HS256"}, claims)
    return ".".join(
        [
            *(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts),
            "c2ln",
        ]
    )


@pytest.mark.parametrize(("seconds", "verdict"), [(-60, "failed"), (3600, "warning"), (90 * 86400, "ok")])
@pytest.mark.parametrize("claim", ["exp", "expire"])
async def test_a_token_that_ends_is_told_before_it_does(
    site: Site, claim: str, seconds: int, verdict: str
) -> None:
    ends = wall_clock() + timedelta(seconds=seconds)
    token = jwt(**{claim: int(ends.timestamp()) if claim == "exp" else f"{ends:%Y-%m-%dT%H:%M:%S.%fZ}"})

    report = await doctor(replace(site, environment={"VOIPBIN_TOKEN": token}))

    (found,) = (f for f in report.findings if f["check"] == "credential")
    assert found["verdict"] == verdict
    assert token not in report.everything


async def test_a_credential_that_is_refused_is_not_mistaken_for_a_network_that_fails(site: Site) -> None:
    report = await doctor(replace(site, environment={"VOIPBIN_TOKEN": jwt(sub="nobody")}))

    assert list(report.wrong) == ["platform API", "one watch"]
    for wrong in report.wrong.values():
        assert "401" in wrong
        assert "does not know the token: it may be of another platform" in wrong


async def test_a_credential_without_permission_is_told(site: Site, platform: Platform) -> None:
    platform.tokens[TOKEN] = Grant.WEAK

    report = await doctor(site)

    assert list(report.wrong) == ["platform API", "one watch"]
    assert "403" in report.wrong["one watch"]
    assert report.wrong["platform API"].endswith(
        "-> its role is too weak: it takes CustomerAdmin or CustomerManager"
    )


async def test_an_id_of_another_customer_is_told(site: Site, platform: Platform) -> None:
    platform.foreign.add(BOARD)

    report = await doctor(site)

    assert list(report.wrong) == ["watches", "one watch"]
    assert "this one is another customer's -> correct its id" in report.wrong["watches"]


async def test_an_account_that_is_frozen_is_told_with_its_dates(site: Site, platform: Platform) -> None:
    platform.tokens[TOKEN] = Grant.FROZEN

    report = await doctor(site)

    for wrong in report.wrong.values():
        assert "frozen since 2026-09-01T00:00:00Z and will be deleted at 2026-10-01T00:00:00Z" in wrong


# The platform


async def test_a_host_without_an_address_is_told(site: Site) -> None:
    site = replace(site, platform_url="ws://voipbin.invalid/v1.0")
    site.write(WATCHES)

    report = await doctor(site)

    assert list(report.wrong) == ["platform address"]
    assert "no address" in report.wrong["platform address"]
    assert "correct voipbin.url" in report.wrong["platform address"]


async def test_a_port_where_nobody_listens_is_told(site: Site) -> None:
    site = replace(site, platform_url="ws://127.0.0.1:9/v1.0")
    site.write(WATCHES)

    report = await doctor(site)

    assert list(report.wrong) == ["platform address"]
    assert "refused" in report.wrong["platform address"].lower()


@pytest.mark.parametrize(
    ("issued_for", "trusted", "said"),
    [
        ("127.0.0.1", False, "set voipbin.ca_file"),
        ("elsewhere.example", True, "IP address mismatch"),
        ("127.0.0.1", True, None),
    ],
)
async def test_a_certificate_is_looked_at(
    tmp_path: Path, platform: Platform, issued_for: str, said: str | None, *, trusted: bool
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(issued_for).configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with simulate(platform, ssl=context) as server:
        site = site_at(tmp_path, server.url)
        site = replace(site, voipbin={"ca_file": "ca.pem"} if trusted else {})
        site.write(WATCHES)
        report = await doctor(site)

    if said is None:
        assert report.wrong == report.doubtful == {}
    else:
        assert "not trusted" in report.wrong["platform TLS"]
        assert said in report.wrong["platform TLS"]


async def test_a_server_without_tls_is_told(site: Site) -> None:
    site = replace(site, platform_url=site.platform_url.replace("ws://", "wss://"))
    site.write(WATCHES)

    report = await doctor(site)

    assert "no TLS on port" in report.wrong["platform TLS"]


@pytest.mark.parametrize("hours", [-2, 1])
async def test_a_clock_that_is_wrong_is_told(site: Site, hours: int) -> None:
    """As wrong as the recorder's own would look, were the platform's right."""

    def findings() -> list[Finding]:
        return list(examine(site.config, site.variables, lambda: wall_clock() + timedelta(hours=hours)))

    wrong = {f.check: f for f in await anyio.to_thread.run_sync(findings) if f.verdict is Verdict.FAILED}

    assert list(wrong) == ["clock"]
    assert ("ahead of" if hours > 0 else "behind") in wrong["clock"].said
    assert "NTP" in wrong["clock"].remedy


async def test_a_conference_that_nobody_has_joined_is_no_failure(site: Site) -> None:
    site.write([(ABSENT, Encapsulation.SLN)])

    report = await doctor(site)

    assert report.status == 0
    assert "404" in report.doubtful["one watch"]
    assert "unless it is yet to come" in report.doubtful["one watch"]
    assert "the platform knows none of that id" in report.doubtful["watches"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (AcceptThenClose(), "set POD_IP of api-manager"),
        (NeverAudio(), 'may not know encapsulation = "sln"'),
    ],
)
async def test_people_who_are_not_heard_are_told(tmp_path: Path, step: Step, words: str) -> None:
    platform = Platform(Programme(BOARD, Tape.speech("standup"), script=[step]))
    async with simulate(platform) as server:
        report = await doctor(site_at(tmp_path, server.url))

    assert list(report.wrong) == ["one watch"]
    assert "2 participants, and" in report.wrong["one watch"]
    assert words in report.wrong["one watch"]


async def test_what_is_over_is_told(site: Site, platform: Platform) -> None:
    platform.conference(BOARD).delete()

    report = await doctor(site)

    assert report.wrong == {}
    assert "it is over (terminated) -> take it out of the watch list" in report.doubtful["watches"]


async def test_who_is_there_in_a_form_that_is_not_known_is_told(site: Site, platform: Platform) -> None:
    platform.conference(BOARD).participants[:] = ["", ""]

    report = await doctor(site)

    assert "is said in a form that this release does not know" in report.doubtful["watches"]
    said = [f["said"] for f in report.findings if f["check"] == "watches"]
    assert not [each for each in said if "participant" in each]


async def test_what_patterns_find_is_looked_at(site: Site) -> None:
    (site.folder / "watchlist.toml").write_text('[[discover]]\nname = "*"\nencapsulation = "sln"\n')

    report = await doctor(site)

    said = {f["check"]: f["said"] for f in report.findings}
    assert said["watches"].startswith("1 of 1 are there; ")
    assert said["one watch"].endswith(": 2 participants, and audio comes")


async def test_a_platform_that_is_not_asked_who_is_there_is_no_failure(site: Site) -> None:
    site = replace(site, voipbin={"observe": False})
    site.write(WATCHES)

    report = await doctor(site)

    assert report.status == 0
    assert [f["check"] for f in report.findings if f["verdict"] == "skipped"] == ["platform API", "watches"]


async def test_an_old_server_is_asked_for_what_it_cannot_say(tmp_path: Path) -> None:
    platform = Platform(tokens={TOKEN: Grant.WEAK}, errors=ErrorStyle.BARE)
    async with simulate(platform) as server:
        report = await doctor(site_at(tmp_path, server.url))

    assert "an old server gives no reason" in report.wrong["one watch"]
    assert "an old server gives no reason" in report.doubtful["platform API"]


async def test_a_url_that_is_not_that_of_the_api_is_told(site: Site) -> None:
    site = replace(site, platform_url=site.platform_url.replace("/v1.0", "/v1"))
    site.write(WATCHES)

    report = await doctor(site)

    assert "correct voipbin.url" in report.wrong["one watch"]
    assert "correct voipbin.url" in report.doubtful["platform API"]


async def test_a_platform_that_answers_with_errors_is_told(tmp_path: Path) -> None:
    platform = Platform(Programme(BOARD, Tape.speech("standup"), script=[Refuse(status=500, times=5)]))
    async with simulate(platform) as server:
        report = await doctor(site_at(tmp_path, server.url))

    assert "500" in report.wrong["one watch"]


async def test_a_platform_that_is_asked_too_often_is_told(tmp_path: Path) -> None:
    platform = Platform(Programme(BOARD, Tape.speech("standup")), limit=RateLimit(0.1, burst=0))
    async with simulate(platform) as server:
        report = await doctor(site_at(tmp_path, server.url))

    assert "429" in report.doubtful["platform API"]
    assert "429" in report.wrong["one watch"]
    assert "connect_rate" in report.wrong["one watch"]


# The spool


async def test_a_disk_that_is_full_is_told(site: Site, disk: Ext4) -> None:
    site = replace(site, recording={"spool": str(disk.folder)})
    site.write(WATCHES)
    disk.fill()

    report = await doctor(site)

    assert "free some space" in report.wrong["spool write"]
    assert "nothing is recorded" in report.wrong["spool room"]


async def test_a_disk_that_is_read_only_is_told(site: Site, disk: Ext4) -> None:
    site = replace(site, recording={"spool": str(disk.folder)})
    site.write(WATCHES)
    await anyio.run_process(["mount", "-o", "remount,ro", str(disk.folder)])

    report = await doctor(site)

    (wrong,) = report.wrong.values()
    assert "recording.spool" in wrong
    assert "read-only" in wrong.lower()


async def test_a_spool_of_somebody_else_is_told(site: Site) -> None:
    if os.geteuid():
        pytest.skip("only root can give a folder to somebody else")
    os.chown(site.spool, 12345, 12345)

    report = await doctor(site)

    assert "belongs to user 12345" in report.doubtful["spool owner"]


async def test_a_spool_that_bridges_no_hour_is_told(site: Site, disk: Ext4) -> None:
    site = replace(site, recording={"spool": str(disk.folder), "min_free": "1MiB"})
    site.write(WATCHES)

    report = await doctor(site)

    assert report.wrong == {}
    assert "larger disk" in report.doubtful["spool room"]


async def test_a_spool_that_is_in_use_stays_so(site: Site) -> None:
    spool = Spool(site.spool)
    before = left_in(site.spool)
    try:
        report = await doctor(site)
    finally:
        spool.release()

    assert report.status == 0
    assert left_in(site.spool) == before


# The store


def in_s3(site: Site, server: SeaweedFS, bucket: str, **environment: str) -> Site:
    site = replace(
        site,
        store_url=f"s3://{bucket}/doctors",
        environment={**server.environment, **environment},
        storage={"endpoint_url": server.endpoint_url},
    )
    site.write(WATCHES)
    return site


async def test_a_store_of_s3_is_tried_and_left_as_it_was(site: Site, seaweedfs: SeaweedFS) -> None:
    report = await doctor(in_s3(site, seaweedfs, seaweedfs.bucket))

    assert report.wrong == {}
    assert [f["verdict"] for f in report.findings if f["check"].startswith("store")] == ["ok"] * 6


class _NoSuchBucket(BaseHTTPRequestHandler):
    """What Amazon's S3 answers; SeaweedFS makes a bucket that is not there."""

    def do_PUT(self) -> None:
        self._refuse(b"<Error><Code>NoSuchBucket</Code></Error>")

    def do_HEAD(self) -> None:
        self._refuse(b"")

    do_DELETE = do_GET = do_PUT  # noqa: N815  as the base class calls them

    def _refuse(self, body: bytes) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


async def test_a_bucket_that_is_not_there_is_told(site: Site) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _NoSuchBucket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site = replace(
            site,
            store_url="s3://no-such-bucket",
            environment={"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "any"},
            storage={"endpoint_url": f"http://127.0.0.1:{server.server_address[1]}"},
        )
        site.write(WATCHES)
        report = await doctor(site)
        server.shutdown()

    assert list(report.wrong) == ["store put"]
    assert "create it, or correct `url`" in report.wrong["store put"]


async def test_keys_that_the_store_does_not_know_are_told(site: Site, seaweedfs: SeaweedFS) -> None:
    secret = "a-secret-key-that-is-wrong"
    report = await doctor(in_s3(site, seaweedfs, seaweedfs.bucket, AWS_SECRET_ACCESS_KEY=secret))

    assert list(report.wrong) == ["store put"]
    assert "key" in report.wrong["store put"]
    assert secret not in report.everything


async def test_a_certificate_of_the_store_is_looked_at(site: Site, seaweedfs_tls: SeaweedFS) -> None:
    another = site.folder / "another-ca.pem"
    trustme.CA().cert_pem.write_to_path(another)

    report = await doctor(in_s3(site, seaweedfs_tls, seaweedfs_tls.bucket, AWS_CA_BUNDLE=str(another)))

    assert "AWS_CA_BUNDLE" in report.wrong["store put"]


async def test_a_store_that_does_not_answer_is_told(site: Site) -> None:
    site = replace(
        site,
        store_url="s3://recordings",
        environment={"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "any"},
        storage={"endpoint_url": "http://127.0.0.1:9"},
    )
    site.write(WATCHES)

    report = await doctor(site)

    assert "check `endpoint_url`" in report.wrong["store put"]


async def test_a_folder_that_is_full_is_told(site: Site, disk: Ext4) -> None:
    site = replace(site, store_url=disk.folder.as_uri())
    site.write(WATCHES)
    disk.fill()

    report = await doctor(site)

    assert list(report.wrong) == ["store put"]
    assert "free some space" in report.wrong["store put"]


# Limits


async def test_too_few_open_files_are_told(site: Site) -> None:
    numbered = [WatchId(WatchKind.CALL, f"2ed12456-eb4b-11ee-bba8-{n:012x}") for n in range(100)]
    site.watch([*WATCHES, *((watch, Encapsulation.SLN) for watch in numbered)])

    report = await doctor(site, limit=200)

    assert list(report.wrong) == ["limits"]
    assert "LimitNOFILE=" in report.wrong["limits"]

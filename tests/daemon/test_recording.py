"""The main job, end to end: what a platform sends is in the bucket, in order, once, and all of it."""

import hashlib
import itertools
import ssl
import wave
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import pytest
import soundfile
import trustme

from recorder.core.media import Codec, Encapsulation
from recorder.simulator import (
    ODD,
    OVERSIZED,
    UNREADABLE,
    Drop,
    Duplicate,
    End,
    Fragment,
    Generation,
    Junk,
    Lose,
    NotLive,
    Platform,
    Programme,
    Refuse,
    Reorder,
    ResetConnection,
    Split,
    Stall,
    Tape,
    simulate,
)
from recorder.simulator.seaweedfs import SeaweedFS
from recorder.simulator.verdict import Fetched, judge
from storage.names import WatchId, WatchKind
from tests.daemon.process import Site, fetch, running
from tests.daemon.recorded import manifests_of
from tests.starving import Starving

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

GOLDEN = Path(__file__).parent.parent / "golden"
SECOND = 8000


def conference(number: int) -> WatchId:
    return WatchId(WatchKind.CONFERENCE, f"1ed12456-eb4b-11ee-bba8-{number:012x}")


CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")
RTP, SLN, AUDIOSOCKET = Encapsulation.RTP, Encapsulation.SLN, Encapsulation.AUDIOSOCKET


def meeting() -> dict[WatchId, tuple[Encapsulation, Programme]]:
    """Four conferences and a call, each with faults of its own."""
    junk = [Junk(2 * SECOND, message) for message in (*UNREADABLE[RTP], OVERSIZED)]
    programmes = [
        (RTP, Programme(conference(1), Tape.speech("standup"), script=[*junk, Drop(4 * SECOND, torn=40)])),
        (
            RTP,
            Programme(
                conference(2),
                Tape.speech("planung"),
                Codec.ULAW,
                generation=Generation.PASSED_THROUGH,
                script=[
                    Reorder(2 * SECOND, by=3),
                    Duplicate(3 * SECOND, times=2),
                    Lose(4 * SECOND, messages=5),
                    Reorder(6 * SECOND, by=10),
                ],
            ),
        ),
        (
            SLN,
            Programme(
                conference(3),
                Tape.speech("reunion"),
                Codec.ULAW,
                frame=(160, 80, 240),
                script=[
                    NotLive(times=1, after=0.1),
                    Stall(3 * SECOND, 1.0),
                    Stall(6 * SECOND, 1.0, burst=True),
                ],
            ),
        ),
        (
            AUDIOSOCKET,
            Programme(
                conference(4),
                Tape.speech("soporte"),
                script=[
                    Refuse(404, times=1),
                    Fragment(2 * SECOND, pieces=3),
                    Split(3 * SECOND, first=7, seconds=0.2),
                    *(Junk(4 * SECOND, junk) for junk in (*UNREADABLE[AUDIOSOCKET], ODD[AUDIOSOCKET])),
                    ResetConnection(5 * SECOND),
                ],
            ),
        ),
        (RTP, Programme(CALL, Tape.speech("roundtable"), Codec.ALAW)),
    ]
    return {programme.watch: (encapsulation, programme) for encapsulation, programme in programmes}


@pytest.mark.parametrize("tls", [False, True], ids=["ws and http", "wss and https"])
async def test_every_sample_is_in_the_bucket_in_order_once(
    tls: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store: SeaweedFS = await anyio.to_thread.run_sync(
        request.getfixturevalue, "seaweedfs_tls" if tls else "seaweedfs"
    )
    context = None
    voipbin: dict[str, object] = {}
    if tls:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        voipbin["ca_file"] = "ca.pem"
    stage = meeting()
    platform, starving = Platform(*(programme for _, programme in stage.values())), Starving()
    async with simulate(platform, ssl=context) as server:
        site = Site(
            tmp_path,
            server.url,
            f"s3://{store.bucket}/meeting",
            environment=store.environment,
            voipbin=voipbin,
            storage={"endpoint_url": store.endpoint_url},
        )
        site.write((watch, encapsulation) for watch, (encapsulation, _) in stage.items())
        async with running(site) as daemon, starving.watched(daemon.process.pid):
            await daemon.said_of("audio began", 5)
            await anyio.sleep(9)
            assert await daemon.stop() == 0

    assert daemon.other == []
    for watch, (_, programme) in stage.items():
        record = platform.record(watch)
        report = await fetch(site, watch, tmp_path / f"{watch.id}.wav")
        fetched = Fetched.read(tmp_path / f"{watch.id}.wav", report)
        verdict = judge(programme, record, fetched)

        assert verdict.differing == 0, (watch, verdict)
        assert record.received_messages == 0, "a pure recorder says nothing"
        unheard = sum(
            count for _, count in record.unheard(0, max(r.runs[-1].end for r in record.connections if r.runs))
        )
        wrong = abs(sum(verdict.silence.values()) - unheard)
        assert wrong <= 3 * 160 + starving.samples, (watch, verdict, starving)
    assert list(site.spool.glob("[!.]*")) == [], "nothing is left behind"


async def test_flac_in_the_bucket_is_the_same_to_the_sample_and_formats_may_change(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    programmes = [
        Programme(conference(1), Tape.speech("standup"), script=[Drop(SECOND)]),
        Programme(conference(2), Tape.speech("planung"), Codec.ULAW),
    ]
    platform = Platform(*programmes)
    async with simulate(platform) as server:
        for audio_format in ("flac", "wav"):
            recording = {"format": audio_format}
            site = Site(tmp_path, server.url, (tmp_path / "bucket").as_uri(), recording=recording)
            site.write((programme.watch, RTP) for programme in programmes)
            async with running(site) as daemon:
                await daemon.said_of("audio began", 2)
                await anyio.sleep(2)
                assert await daemon.stop() == 0
            assert daemon.other == []

    stored = [path.suffix for path in (tmp_path / "bucket").rglob("*_*.*")]
    assert {".flac", ".wav", ".json"} == set(stored)
    assert stored.count(".json") == stored.count(".flac") + stored.count(".wav")
    for programme in programmes:
        watch = programme.watch
        output = tmp_path / f"{watch.id}.wav"
        verdict = judge(
            programme, platform.record(watch), Fetched.read(output, await fetch(site, watch, output))
        )
        assert verdict.differing == 0, (watch, verdict)
    assert list(site.spool.glob("[!.]*")) == [], "nothing is left behind"


async def test_segments_join_exactly_and_manifests_tell_the_truth(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    platform = Platform(Programme(conference(1), Tape.speech("standup"), script=[Drop(7 * SECOND)]))
    async with simulate(platform) as server:
        site = Site(tmp_path, server.url, (tmp_path / "bucket").as_uri())
        site.write([(conference(1), RTP)])
        async with running(site) as daemon:
            await daemon.said_of("segment uploaded", 3, within=30)
            await daemon.stop()

    manifests = manifests_of(tmp_path / "bucket", conference(1))
    audio = []
    for manifest in manifests:
        path = tmp_path / "bucket" / manifest.audio.key
        assert hashlib.sha256(path.read_bytes()).hexdigest() == manifest.audio.sha256
        with wave.open(str(path)) as file:
            assert file.getnframes() == manifest.samples
            audio.append(np.frombuffer(file.readframes(manifest.samples), "<i2"))
    for before, after in itertools.pairwise(manifests):
        assert before.ended_at == after.started_at, "labels join"
        assert after.opened_after is None
        assert after.previous is not None
        assert (after.started_at.timestamp() % 5, after.name.stem[15:20]) == (0, ".000Z"), "on the grid"
    joined = np.concatenate(audio)
    ours = np.zeros(len(joined), bool)
    start = 0
    for manifest in manifests:
        for entry in manifest.ledger:
            ours[start + entry.start : start + entry.start + entry.samples] = True
        start += manifest.samples
    sent = np.concatenate([c.samples() for c in platform.record(conference(1)).connections])
    assert np.array_equal(joined[~ours], sent)
    span = manifests[-1].ended_at - manifests[0].started_at
    assert span == timedelta(seconds=len(joined) / SECOND), "samples and gaps make up the time"


async def test_the_golden_signal_over_real_sockets_comes_back_exactly(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    signal = Tape.read(GOLDEN / "signal.wav")
    cases = list(itertools.product((RTP, SLN, AUDIOSOCKET), (Codec.PCM16LE, Codec.ULAW)))
    watches = [conference(number) for number in range(1, len(cases) + 1)]
    platform = Platform(
        *(
            Programme(watch, signal, codec, end=End.CLOSE)
            for watch, (_, codec) in zip(watches, cases, strict=True)
        )
    )
    async with simulate(platform) as server:
        site = Site(tmp_path, server.url, (tmp_path / "bucket").as_uri())
        site.write((watch, encapsulation) for watch, (encapsulation, _) in zip(watches, cases, strict=True))
        async with running(site) as daemon:
            await daemon.said_of("stream lost", len(cases))
            await daemon.stop()

    for watch, (encapsulation, codec) in zip(watches, cases, strict=True):
        report = await fetch(site, watch, tmp_path / f"{watch.id}.wav")
        samples, _ = soundfile.read(tmp_path / f"{watch.id}.wav", dtype="int16")
        name = "signal.wav" if codec is Codec.PCM16LE else "signal-ulaw.wav"
        expected, _ = soundfile.read(GOLDEN / name, dtype="int16")
        assert report["silence"] == []
        assert np.array_equal(samples, expected), (encapsulation, codec)

"""`conference-recorder demo`: everything for real on one machine, and a verdict to the sample.

A simulated platform plays meetings, the installed daemon records them into a real S3 store, one stream is cut
on purpose, and the installed `recordings` fetches all of it back. What comes out of the bucket is compared
with what the platform sent. Nothing is looked up inside the daemon: it is a process, its log and its bucket.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.abc
import anyio.to_thread
from anyio.streams.text import TextReceiveStream

from recorder.core.media import SAMPLE_RATE, Codec, Encapsulation
from recorder.simulator.platform import TOKEN, Platform
from recorder.simulator.programme import Programme
from recorder.simulator.screen import Screen
from recorder.simulator.script import Drop
from recorder.simulator.seaweedfs import SeaweedFS, SeaweedFSError
from recorder.simulator.server import simulate
from recorder.simulator.tape import Tape
from recorder.simulator.verdict import Fetched, Verdict, judge
from storage.names import WatchId, WatchKind

CUT_AFTER: Final = 0.3
"""Share of the demo after which one stream is cut, so that the way back in is seen too."""
SEGMENT: Final = "5s"

_STAGE: Final = (
    (
        WatchKind.CONFERENCE,
        "1ed12456-eb4b-11ee-bba8-1bfb2838807a",
        "standup",
        Encapsulation.RTP,
        Codec.PCM16LE,
    ),
    (WatchKind.CONFERENCE, "2f0c9b1e-7a34-4c1d-9d2e-5b8f4a6e1c02", "planung", Encapsulation.RTP, Codec.ULAW),
    (WatchKind.CONFERENCE, "3a7d5e88-12cb-4f6a-8c3b-91d2f0e4b703", "reunion", Encapsulation.SLN, Codec.ULAW),
    (
        WatchKind.CONFERENCE,
        "4c61b2f7-8e0d-4a95-b7f1-2d3c9e5a8f04",
        "soporte",
        Encapsulation.SLN,
        Codec.PCM16LE,
    ),
    (
        WatchKind.CALL,
        "652af662-eb45-11ee-b1a5-6fde165f9226",
        "roundtable",
        Encapsulation.AUDIOSOCKET,
        Codec.ULAW,
    ),
)


class DemoError(Exception):
    """The demo could not be carried through; the message says at what and why."""


def run_demo(*, seconds: float, keep: Path | None) -> int:
    """Play, record, fetch, compare; return the exit status: 0 if not one sample differs.

    Args:
        seconds: how long to record.
        keep: folder for the WAV files; None for a new temporary one.
    """
    recordings = keep or Path(tempfile.mkdtemp(prefix="conference-recorder-demo-"))
    screen = Screen()
    try:
        recordings.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="conference-recorder-demo-") as work:
            verdicts = anyio.run(_play, Path(work), recordings, seconds, screen)
    except (DemoError, SeaweedFSError, OSError) as error:
        screen.fail(str(error))
        return 1
    screen.show_verdicts(verdicts, recordings)
    return 0 if all(verdict.identical for verdict in verdicts) else 1


async def _play(work: Path, recordings: Path, seconds: float, screen: Screen) -> list[Verdict]:
    programmes = [_programme(*each, cut_at=seconds * CUT_AFTER) for each in _STAGE]
    platform = Platform(*programmes)
    store = SeaweedFS(work / "store")
    screen.say("starting a simulated VoIPBIN and an S3 store (SeaweedFS) on this machine")
    await anyio.to_thread.run_sync(store.start)
    try:
        async with simulate(platform) as server:
            config = _write_configuration(work, server.url, store)
            environment = {**os.environ, **store.environment, "VOIPBIN_TOKEN": TOKEN}
            screen.say(
                f"conference-recorder run --config {config}   (segments of {SEGMENT}, for {seconds:g} s)"
            )
            await _record(config, environment, seconds, screen)
        screen.say("fetching everything back from the bucket with `recordings fetch`")
        return [await _judge(platform, each, config, environment, recordings) for each in programmes]
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(store.kill)


def _programme(
    kind: WatchKind, id_: str, tape: str, encapsulation: Encapsulation, codec: Codec, *, cut_at: float
) -> Programme:
    cut = [Drop(at=round(cut_at * SAMPLE_RATE))] if (encapsulation, codec) == _CUT else []
    return Programme(WatchId(kind, id_), Tape.speech(tape), codec=codec, script=cut)


_CUT = (Encapsulation.RTP, Codec.PCM16LE)


def _write_configuration(work: Path, url: str, store: SeaweedFS) -> Path:
    """The two files that any operator would write."""
    watches = [
        f'[[{kind}]]\nid = "{id_}"\nname = "{name}"\nencapsulation = "{encapsulation}"\n'
        for kind, id_, name, encapsulation, _ in _STAGE
    ]
    (work / "watchlist.toml").write_text("\n".join(watches))
    config = work / "recorder.toml"
    config.write_text(
        f"""\
watchlist = "watchlist.toml"

[voipbin]
url = "{url}"
allow_insecure = true

[recording]
spool = "spool"
recorder = "demo"
segment = "{SEGMENT}"

[storage]
url = "s3://{store.bucket}/demo"
endpoint_url = "{store.endpoint_url}"
"""
    )
    return config


async def _record(config: Path, environment: Mapping[str, str], seconds: float, screen: Screen) -> None:
    """Run the daemon for a while, showing what it says, and stop it as systemd would."""
    async with _daemon(config, environment) as daemon, anyio.create_task_group() as tasks:
        tasks.start_soon(_show, daemon, screen)
        with screen.live([(f"{kind} {id_}", name) for kind, id_, name, *_ in _STAGE]):
            with anyio.move_on_after(seconds):
                await daemon.wait()
            if daemon.returncode is None:
                screen.say("stopping the daemon with SIGTERM: it closes its segments and drains its spool")
                daemon.send_signal(signal.SIGTERM)
            if status := await daemon.wait():
                raise DemoError(f"the daemon ended with status {status}")


@asynccontextmanager
async def _daemon(config: Path, environment: Mapping[str, str]) -> AsyncIterator[anyio.abc.Process]:
    command = [sys.executable, "-m", "recorder", "run", "--config", str(config)]
    async with await anyio.open_process(command, env=environment) as process:
        yield process


async def _show(daemon: anyio.abc.Process, screen: Screen) -> None:
    """Pass on what the daemon logs, line by line."""
    assert daemon.stderr is not None  # noqa: S101  opened with a pipe
    rest = ""
    async for text in TextReceiveStream(daemon.stderr):
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            screen.show(line)


async def _judge(
    platform: Platform, programme: Programme, config: Path, environment: Mapping[str, str], recordings: Path
) -> Verdict:
    """Fetch one watch with the installed command, and compare."""
    path = recordings / f"{programme.tape.name}.wav"
    command = [sys.executable, "-m", "storage", "fetch", programme.watch.id, "--config", str(config)]
    command += ["--output", str(path), "--force", "--json"]
    result = await anyio.run_process(command, env=environment, check=False)
    if result.returncode:
        raise DemoError(f"{programme.tape.name} could not be fetched: {result.stderr.decode().strip()}")
    fetched = Fetched.read(path, json.loads(result.stdout))
    return judge(programme, platform.record(programme.watch), fetched)

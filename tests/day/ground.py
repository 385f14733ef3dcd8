"""One planned day, lived through by the installed daemon and its simulated platform, over real sockets."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import soundfile
from numpy.typing import NDArray

from recorder.simulator import Delivery, Platform, RateLimit, live_through, simulate
from storage.manifest import SegmentManifest
from storage.names import WatchId
from tests.daemon.process import BIN, Site, running
from tests.daemon.recorded import manifests_of
from tests.day.plan import Plan
from tests.starving import Starving

AFTERWARDS = 6.5
"""Seconds that the daemon is given after the last that happens: longer than an ended stream may stand."""
DELAY = 0.3
"""Seconds that an event is late, at most."""


@dataclass
class Recorded:
    """What the bucket has of one watch.

    Attributes:
        heard: what of its audio is not silence of ours.
        silences: seconds of silence by reason, by the sample of `heard` before which they are: those in the
            ledger of a segment, and those between two.
    """

    manifests: list[SegmentManifest] = field(default_factory=list)
    heard: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    silences: dict[int, dict[str, float]] = field(default_factory=dict)


@dataclass
class Outcome:
    """A day that is over. Instants are by `time.monotonic()`.

    Attributes:
        began: when the day did.
        watching: since when the daemon has watched.
        stopped: when it was told to stop.
        verdict: what `recordings verify` said, if it found anything.
        starving: how much a busy machine had to do with it.
    """

    plan: Plan
    platform: Platform
    began: float
    watching: float
    stopped: float
    status: int
    log: list[dict[str, Any]]
    other: list[str]
    recorded: dict[WatchId, Recorded]
    verdict: str = ""
    starving: Starving = field(default_factory=Starving)


async def live(plan: Plan, folder: Path) -> Outcome:
    """Let the day happen."""
    (folder / "bucket").mkdir()
    starving = Starving()
    platform = Platform(
        *plan.standing,
        limit=RateLimit(),
        errors=plan.age.errors,
        times=plan.age.times,
        delivery=Delivery(plan.age.payloads, twice=0.2, delay=DELAY, seed=plan.seed),
    )
    async with simulate(platform) as server:
        site = Site(folder, server.url, (folder / "bucket").as_uri(), voipbin={"observe": True})
        site.write(plan.watches.items())
        async with running(site) as daemon, starving.watched(daemon.process.pid):
            await daemon.said_of("watching", 1)
            watching = time.monotonic()
            await daemon.said_of("listening to events", 1)
            began = await live_through(plan.day, server)
            await anyio.sleep(max(0.0, began + plan.seconds - time.monotonic()) + AFTERWARDS)
            stopped = time.monotonic()
            status = await daemon.stop()
    return Outcome(
        plan,
        platform,
        began,
        watching,
        stopped,
        status,
        daemon.log,
        daemon.other,
        {watch: read(folder / "bucket", watch) for watch in plan.watches},
        await _verify(site),
        starving,
    )


async def _verify(site: Site) -> str:
    command = [str(BIN / "recordings"), "verify", "--config", str(site.config), "--json"]
    result = await anyio.run_process(command, env=site.variables, check=False)
    return "" if result.returncode == 0 else result.stderr.decode() + result.stdout.decode()


def read(bucket: Path, watch: WatchId) -> Recorded:
    """All that there is of one watch."""
    recorded, pieces = Recorded(), list[NDArray[np.int16]]()
    recorded.manifests = sorted(manifests_of(bucket, watch), key=lambda manifest: manifest.number)
    at = 0
    for manifest in recorded.manifests:
        for reason, seconds in (manifest.opened_after.by_reason if manifest.opened_after else {}).items():
            _add(recorded, at, reason, seconds)
        samples, _ = soundfile.read(bucket / manifest.audio.key, dtype="int16")
        ours = np.zeros(len(samples), bool)
        for entry in manifest.ledger:
            _add(
                recorded, at + int(np.count_nonzero(~ours[: entry.start])), entry.reason, entry.samples / 8000
            )
            ours[entry.start : entry.end] = True
        pieces.append(samples[~ours])
        at += len(pieces[-1])
    recorded.heard = np.concatenate([recorded.heard, *pieces])
    return recorded


def _add(recorded: Recorded, at: int, reason: str, seconds: float) -> None:
    by_reason = recorded.silences.setdefault(at, {})
    by_reason[reason] = by_reason.get(reason, 0.0) + seconds

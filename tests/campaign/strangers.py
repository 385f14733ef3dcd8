"""A server that sends what no platform sends. What is audio is recorded, and memory stays bounded."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import anyio

from recorder.core.media import SAMPLE_RATE, Encapsulation
from recorder.simulator.junk import OVERSIZED, UNREADABLE
from recorder.simulator.script import Fragment, Junk, Split, Step
from tests.campaign.ground import STOP, Ground, stage
from tests.campaign.rows import Allowance, Row, row
from tests.daemon.process import running

MIB = 1 << 20
HUGE = bytes(64 * MIB)
MOST = 256
"""MiB that a daemon with a few streams may ever take."""


async def huge_messages(ground: Ground) -> list[Row]:
    """Messages of 64 MiB between those of audio, in one frame and in pieces."""
    times = ground.times(2, 10)
    # Far enough apart for each to be through, which takes seconds, and for what it held up to catch up.
    script = [Junk((4 + 10 * n) * SAMPLE_RATE, HUGE) for n in range(times)]
    return await _stranger(ground, "huge", "messages of 64 MiB", [script], times, after=12)


async def junk(ground: Ground) -> list[Row]:
    """Messages that cannot be read, in every encapsulation that has a header; text; fragments; torn sends."""
    rounds = ground.times(1, 10)
    messages: list[bytes | str] = [*UNREADABLE[Encapsulation.RTP], "text", OVERSIZED]
    script: list[Step] = []
    for n in range(rounds):
        at = (4 + 3 * n) * SAMPLE_RATE
        script += [Junk(at, message) for message in messages]
        script += [Fragment(at + 8000, pieces=5), Split(at + 12_000, first=3)]
    return await _stranger(ground, "junk", "messages that are junk", [script] * 3, len(script) * 3)


async def _stranger(
    ground: Ground,
    name: str,
    fault: str,
    scripts: Sequence[Sequence[Step]],
    times: int,
    *,
    after: float = 4,
) -> list[Row]:
    async with stage(ground, name, streams=len(scripts), script=lambda n: scripts[n]) as on:
        async with running(on.site) as daemon:
            await on.heard(daemon)
            await on.played(within=240)
            await anyio.sleep(after)
            most = most_mib(daemon.process.pid)
            await daemon.stop(within=STOP)
        found = await on.findings()
    return [bounded(row(fault, times, found, Allowance().easier(on.starving.samples)), most)]


async def too_fast(ground: Ground) -> list[Row]:
    """A valid stream a hundred times as fast as any conference is."""
    seconds = ground.times(5, 20)
    async with stage(ground, "fast", streams=1, pace=100) as on:
        async with running(on.site) as daemon:
            await daemon.said_of("audio began", 1)
            await anyio.sleep(seconds)
            most = most_mib(daemon.process.pid)
            await daemon.stop(within=STOP)
        found = await on.findings(by_time=False)
    (sent,) = {judgement.sent for judgement in found.judgements}
    fast = sent / SAMPLE_RATE / seconds
    weighed = row("a valid stream, much too fast", 1, found, Allowance().easier(on.starving.samples))
    return [bounded(weighed, most, f"{fast:.0f} times, ")]


def bounded(weighed: Row, mib: int, note: str = "") -> Row:
    """The same row with the memory that was taken, and a complaint if that was too much."""
    complaints = weighed.complaints
    if mib > MOST:
        complaints = (*complaints, f"the daemon took {mib} MiB; {MOST} may be")
    return replace(weighed, complaints=complaints, note=f"{note}{mib} MiB at most; bound {MOST}")


def most_mib(pid: int) -> int:
    """Resident memory of a process, at most until now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024

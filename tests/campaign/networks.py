"""The network and the platform fail, and the daemon survives: every gap is where it was, and as long."""

from bisect import bisect_left
from collections.abc import Sequence

import anyio

from recorder.core.media import SAMPLE_RATE
from recorder.simulator.script import (
    AcceptThenClose,
    AnswerLate,
    Drop,
    Refuse,
    ResetConnection,
    Stall,
    Step,
)
from tests.campaign.ground import STOP, Ground, Stage, stage
from tests.campaign.rows import Allowance, Findings, Row, row
from tests.daemon.process import Daemon, running

CONNECT_RATE = 15
"""Handshakes a second that a daemon may make, by default."""
PERIOD = 4
"""Seconds from one fault of a stream to the next: connected again, and its codec and place known."""


async def _played(on: Stage, seconds: float) -> Daemon:
    """Record until all that the scripts have has happened, and for so many seconds more."""
    async with running(on.site) as daemon:
        await on.heard(daemon)
        await on.played(within=seconds + 240)
        await anyio.sleep(seconds)
        await daemon.stop(within=STOP)
    return daemon


async def _scripted(
    ground: Ground,
    name: str,
    fault: str,
    scripts: Sequence[Sequence[Step]],
    allowed: Allowance,
    *,
    after: float = 3,
    gap_limit: str = "60s",
) -> list[Row]:
    """One conference for each script."""
    async with stage(
        ground, name, streams=len(scripts), script=lambda n: scripts[n], recording={"gap_limit": gap_limit}
    ) as on:
        await _played(on, after)
        found = await on.findings()
    return [row(fault, sum(map(len, scripts)), found, allowed.easier(on.starving.samples))]


def _instants(ground: Ground, name: str, times: int, stream: int) -> list[int]:
    """Positions, some seconds apart, and not all at the same place of a packet's time."""
    chance = ground.chance(f"{name} {stream}")
    return [round((PERIOD * (n + 1) + chance.uniform(0, 1.5)) * SAMPLE_RATE) for n in range(times)]


async def reset_in_a_frame(ground: Ground) -> list[Row]:
    """A TCP reset after a part of a frame."""
    times, streams = ground.times(2, 15), 4
    scripts = [
        [ResetConnection(at, torn=3 + 37 * stream) for at in _instants(ground, "reset", times, stream)]
        for stream in range(streams)
    ]
    return await _scripted(
        ground, "reset", "connection reset in the middle of a frame", scripts, Allowance.of_reconnects()
    )


async def closed_bare(ground: Ground) -> list[Row]:
    """A TCP close without a close frame, as the platform ends all streams; also in the middle of a frame."""
    times, streams = ground.times(2, 15), 4
    scripts = [
        [Drop(at, torn=stream % 2 * 100) for at in _instants(ground, "close", times, stream)]
        for stream in range(streams)
    ]
    return await _scripted(ground, "close", "connection closed bare", scripts, Allowance.of_reconnects())


async def half_open(ground: Ground) -> list[Row]:
    """Nothing comes any more, not even the answer to a ping, and no close either."""
    scripts = [[Stall(5 * SAMPLE_RATE, seconds=48, deaf=True)] for _ in range(ground.times(2, 10))]
    return await _scripted(ground, "half-open", "half-open connection", scripts, Allowance.of_reconnects())


async def stalls(ground: Ground) -> list[Row]:
    """Nothing comes for one to five seconds, and then all of it at once, or nothing of it."""
    times = ground.times(2, 10)
    rows = []
    for burst, fault in ((True, "stall of 1 to 5 s, then all of it"), (False, "stall of 1 to 5 s, lost")):
        scripts = []
        for stream in range(4):
            chance = ground.chance(f"stall {burst} {stream}")
            at, script = 0.0, []
            for _ in range(times):
                at += PERIOD + chance.uniform(0, 1)
                seconds = chance.randrange(50, 250) * 0.02
                script.append(Stall(round(at * SAMPLE_RATE), seconds=seconds, burst=burst))
                at += seconds
            scripts.append(script)
        # A burst proves that nothing was lost. How much was, only the moments of arrival tell.
        allowed = Allowance() if burst else Allowance.of_reconnects()
        rows += await _scripted(ground, f"stall-{burst}".lower(), fault, scripts, allowed)
    return rows


async def accepted_and_closed(ground: Ground) -> list[Row]:
    """Each stream is accepted and closed at once, again and again: it must not be asked for in a hurry."""
    seconds, streams = ground.times(15, 60), 4
    script: list[Step] = [Drop(4 * SAMPLE_RATE), AcceptThenClose(times=10_000)]
    async with stage(ground, "hot", streams=streams, script=lambda _: script) as on:
        async with running(on.site) as daemon:
            await on.heard(daemon)
            await daemon.said_of("stream lost", streams)
            await anyio.sleep(seconds)
            attempts = [len(on.platform.record(watch).connections) - 1 for watch in on.watches]
            await daemon.stop(within=STOP)
        found = await on.findings()
    # At first after a second or so, later after more, at random and ever longer.
    most = 3 + seconds
    complaints = [f"{count} attempts in {seconds} s" for count in attempts if count > most]
    if not all(attempts):
        complaints.append("nobody asked again")
    return [
        row(
            "accepted and closed at once",
            sum(attempts),
            found + Findings(complaints=tuple(complaints)),
            Allowance.of_reconnects().easier(on.starving.samples),
            f"{max(attempts)} attempts of a stream in {seconds} s at most",
        )
    ]


async def slow_handshakes(ground: Ground) -> list[Row]:
    """After a drop the next attempt is refused, and the handshake after that takes seconds."""
    times = ground.times(1, 5)
    scripts: list[list[Step]] = []
    for stream in range(4):
        chance = ground.chance(f"handshake {stream}")
        script: list[Step] = []
        for n in range(times):
            at = (PERIOD + n * 15 + chance.uniform(0, 1)) * SAMPLE_RATE
            script += [Drop(round(at)), Refuse(503), AnswerLate(2.0 + stream)]
        scripts.append(script)
    return await _scripted(
        ground, "handshake", "a refusal, and then a handshake of 2 to 5 s", scripts, Allowance.of_reconnects()
    )


async def dropped_together(ground: Ground) -> list[Row]:
    """All streams end in the same moment, the server is away for some seconds, and then there again."""
    streams, times, away = ground.times(45, 150), ground.times(1, 3), 4
    late = 20 + streams / CONNECT_RATE
    rates, busiest = [], 0
    async with stage(ground, "together", streams=streams) as on:
        async with running(on.site) as daemon:
            await on.heard(daemon, within=120 + late)
            for number in range(times):
                since = len(on.handshakes.instants)
                await on.away(away)
                await daemon.said_of("audio began", (number + 2) * streams, within=120 + 3 * late)
                instants = on.handshakes.instants[since:]
                rates.append((len(instants) - 1) / (instants[-1] - instants[0]))
                busiest = max(busiest, in_a_second(instants))
            await anyio.sleep(2)
            await daemon.stop(within=STOP)
        found = await on.findings()
    complaints = tuple(f"{rate:.1f} handshakes a second" for rate in rates if rate > CONNECT_RATE * 1.1)
    return [
        row(
            f"{streams} streams dropped at once, the server away for {away} s",
            times,
            found + Findings(complaints=complaints),
            Allowance.of_reconnects().easier(on.starving.samples),
            f"{max(rates):.1f} handshakes a second until all were back, {busiest} in the busiest;"
            f" connect_rate is {CONNECT_RATE}",
        )
    ]


def in_a_second(instants: Sequence[float]) -> int:
    """How many lie in the second that has most; they are in order."""
    return max((bisect_left(instants, at + 1) - n for n, at in enumerate(instants)), default=0)

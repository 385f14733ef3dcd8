"""Measures what streams cost, how that grows, what a restart does and how conferences are found: `--help`.

The installed daemon runs against one load generator, on a core of its own; the generator, the store and the
benchmark share another. Figures of one run compare with each other; those of two machines or days do not.
"""

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from recorder.core.media import Encapsulation
from tests.bench import discovery as finding
from tests.bench import growth as growing
from tests.bench import restart as restarting
from tests.bench import rivals, stages, tables
from tests.bench.daemon import NAME, WAY, Plan, StoreKind, running_daemon
from tests.bench.load import BenchError, Certificate, running_load
from tests.bench.process import Cost, Say, beside

OURS = "daemon"

app = typer.Typer(add_completion=False, rich_markup_mode=None)

Streams = Annotated[int, typer.Option(min=1, help="Streams at a time.")]
Seconds = Annotated[float, typer.Option(min=1, help="Seconds to measure for.")]
Wrapping = Annotated[Encapsulation, typer.Option(help="Of the daemon's streams; the usual ways take rtp.")]
Segment = Annotated[str, typer.Option(help="Length of the daemon's segments.")]
Together = Annotated[
    int, typer.Option(min=1, help="Packets of a stream in one send: more, and the generator takes less CPU.")
]
Tls = Annotated[bool, typer.Option("--tls", help="wss, with a certificate that everybody verifies.")]
Store = Annotated[StoreKind, typer.Option(help="s3 starts a SeaweedFS.")]
Json = Annotated[bool, typer.Option("--json", help="JSON in place of tables.")]


@app.command()
def density(
    *,
    streams: Streams = 300,
    seconds: Seconds = 20,
    encapsulation: Wrapping = Encapsulation.RTP,
    segment: Segment = "1m",
    tls: Tls = False,
    store: Store = StoreKind.FOLDER,
    way: Annotated[
        list[str] | None,
        typer.Option(help=f"Ways to measure, {OURS} being one: {', '.join(rivals.RIVALS)}. All by default."),
    ] = None,
    profile: Annotated[
        bool,
        typer.Option(help="Tell the stages of the daemon's CPU, in as many seconds after the measured ones."),
    ] = False,
    json: Json = False,
) -> None:
    """CPU a packet of the daemon and of the usual ways, one after the other in the same run.

    \b
    python -m tests.bench density --streams 300 --seconds 60 --profile
    python -m tests.bench density --streams 300 --tls --way daemon --way gorilla
    """
    ways = way or [OURS, *rivals.RIVALS]
    for unknown in set(ways) - {OURS, *rivals.RIVALS}:
        raise typer.BadParameter(f"there is no way {unknown!r}; there are {OURS}, {', '.join(rivals.RIVALS)}")
    plan = Plan(streams, encapsulation, segment, store=store)
    costs: list[Cost] = []
    missing: dict[str, str] = {}
    found: dict[str, float] | str = {}
    with _bench(tls=tls) as (certificate, say):
        if OURS in ways:
            cost, found = _daemon(plan, seconds, certificate, say, profile=profile)
            costs.append(cost)
        for name in (each for each in rivals.RIVALS if each in ways):
            rival = rivals.RIVALS[name]
            with running_load(Encapsulation.RTP, certificate) as load:
                try:
                    costs.append(rivals.run(rival, load, streams, seconds, say))
                except rivals.NotMeasured as error:
                    missing[rival.name] = str(error)
    if json:
        tables.show_json(ways=[tables.plain(cost) for cost in costs], not_measured=missing, stages=found)
    else:
        tables.show_machine()
        tables.show_density(costs, missing, found)
    _end(bad=any(cost.lost for cost in costs if cost.way == WAY))


def _daemon(
    plan: Plan, seconds: float, certificate: Certificate | None, say: Say, *, profile: bool
) -> tuple[Cost, dict[str, float] | str]:
    with running_load(plan.encapsulation, certificate) as load, running_daemon(load, plan) as daemon:
        daemon.wait_until_up(say)
        cost = daemon.measure(seconds, say)
        found: dict[str, float] | str = {}
        if profile:
            say(f"{NAME}: looking at its stacks for {seconds:.0f} s")
            try:
                found = stages.profile(daemon.process.pid, seconds)
            except stages.NotProfiled as error:
                found = str(error)
        daemon.stop(say)
        return cost.with_lost(daemon.comparison.lost()), found


@app.command()
def growth(
    *,
    streams: Annotated[list[int] | None, typer.Option(help="Streams at a time; repeat it.")] = None,
    seconds: Seconds = 60,
    hours: Annotated[
        float, typer.Option(help="One number of streams for so long, in rows, instead of several.")
    ] = 0,
    every: Annotated[float, typer.Option(min=0.1, help="Minutes to a row, with --hours.")] = 5,
    encapsulation: Wrapping = Encapsulation.RTP,
    segment: Segment = "1m",
    together: Together = 1,
    tls: Tls = False,
    store: Store = StoreKind.FOLDER,
    json: Json = False,
) -> None:
    """The daemon alone: cost, memory and lag by the number of streams, or over hours.

    \b
    python -m tests.bench growth --streams 10 --streams 100 --streams 1000
    python -m tests.bench growth --streams 300 --streams 3000 --segment 5m --together 5
    python -m tests.bench growth --hours 1 --streams 300
    """
    numbers = streams or ([300] if hours else [10, 100, 1000, 3000])
    if hours and len(numbers) > 1:
        raise typer.BadParameter("--hours takes one number of streams")
    plan = Plan(numbers[0], encapsulation, segment, store=store, together=together)
    show = _rows("minutes" if hours else "streams", json=json)
    with _bench(tls=tls) as (certificate, say):
        if hours:
            costs, lost = growing.by_time(plan, hours * 3600, every * 60, certificate, say=say, show=show)
            drift = growing.drift(costs)
        else:
            costs = growing.by_streams(plan, numbers, seconds, certificate, say=say, show=show)
            lost, drift = sum(cost.lost or 0 for cost in costs), None
    if json:
        rows = [tables.plain(cost) for cost in costs]
        tables.show_json(rows=rows, lost=lost, flat=drift.flat if drift else None)
    else:
        tables.show_growth_end(costs, lost, str(drift or ""))
    _end(bad=bool(lost))


def _rows(first: str, *, json: bool) -> growing.Show:
    if json:
        return lambda *_: None
    tables.show_machine()
    tables.show_growth_heads(first)
    return tables.show_growth


@app.command()
def restart(
    *,
    streams: Streams = 2000,
    connect_rate: Annotated[float, typer.Option(min=0.1, help="Handshakes a second of the daemon.")] = 15,
    away: Annotated[float, typer.Option(min=0, help="Seconds that the server is away.")] = 10,
    encapsulation: Wrapping = Encapsulation.RTP,
    segment: Segment = "1m",
    tls: Tls = False,
    store: Store = StoreKind.FOLDER,
    json: Json = False,
) -> None:
    """All streams are cut at once and the server is away: how long until all are back, and what that costs.

    \b
    python -m tests.bench restart --streams 2000
    python -m tests.bench restart --streams 300 --connect-rate 100 --away 30
    """
    plan = Plan(streams, encapsulation, segment, connect_rate=connect_rate, store=store)
    with _bench(tls=tls) as (certificate, say):
        back = restarting.restart(plan, away, certificate, say)
    if json:
        tables.show_json(streams=streams, connect_rate=connect_rate, away=away, **back.plain())
    else:
        tables.show_machine()
        tables.show_return(back)
    _end(bad=not back.good)


@app.command()
def discovery(
    *,
    conferences: Annotated[int, typer.Option(min=1, help="That there are.")] = 2000,
    live: Annotated[int, typer.Option(min=1, help="With people in them, at a time.")] = 200,
    turnover: Annotated[float, typer.Option(min=0.01, help="Of those that are over a second.")] = 1.0,
    seconds: Annotated[float, typer.Option(min=1, help="For which people move on.")] = 60,
    setup: Annotated[float, typer.Option(min=0, help="Seconds from a handshake to audio.")] = 1.0,
    frame: Annotated[int, typer.Option(min=1, help="Samples in a message.")] = 160,
    json: Json = False,
) -> None:
    """How long it takes to find and record all that are live, and then each that begins, within the budget.

    \b
    python -m tests.bench discovery --conferences 2000 --live 200
    """
    crowd = finding.Crowd(conferences, live, turnover, setup, frame)
    with _bench(tls=False) as (_, say):
        found = finding.discover(crowd, seconds, say)
    if json:
        tables.show_json(**vars(crowd), **found.plain())
    else:
        tables.show_machine()
        tables.show_found(crowd, found)
    _end(bad=not found.good)


@contextmanager
def _bench(*, tls: bool) -> Iterator[tuple[Certificate | None, Say]]:
    """What every run needs: a place beside what is measured, perhaps a certificate, a line of progress."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and leave nothing running
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        beside(),
        tables.progress.status("starting") as status,
    ):
        try:
            yield Certificate.issue(Path(folder)) if tls else None, status.update
        except BenchError as error:
            status.stop()
            tables.progress.print(str(error), highlight=False, markup=False)
            raise typer.Exit(1) from None


def _end(*, bad: bool) -> None:
    if bad:
        raise typer.Exit(1)


@app.callback()
def _main() -> None:
    """Benchmarks of the recorder. Run them on an idle machine.

    The exit status is 1 when the daemon has lost samples, or was not in time.
    """


if __name__ == "__main__":
    app()

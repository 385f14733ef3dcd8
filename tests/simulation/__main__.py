"""Simulates as many watch-hours with faults as are asked for, and judges each world. See `--help`.

Each world is drawn from a seed, the next one from the next. The first that breaks the promise ends the run;
its seed is printed with the command that shows it again.
"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation.case import Verdict
from tests.simulation.oracle import judge
from tests.simulation.plan import Plan, draw
from tests.simulation.tape import SAMPLE_RATE
from tests.simulation.world import simulate

IN_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own in it
MOST_SHOWN = 20

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(  # noqa: PLR0917  options
    hours: Annotated[float, typer.Option(min=1, help="Watch-hours to simulate at least.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the first world.")] = 0,
    watches: Annotated[int, typer.Option(min=1, max=1000, help="Watches of a world.")] = 12,
    days: Annotated[float, typer.Option(min=0.1, help="How long a world lasts.")] = 1.0,
    full_disk: Annotated[
        bool, typer.Option("--full-disk", help="Let the disk be full at times, too.")
    ] = False,
    observed: Annotated[
        bool, typer.Option("--observed", help="Let the platform be asked who is there, as far as it answers.")
    ] = False,
) -> None:
    """Simulate until enough hours have passed, or the promise is broken."""
    console = Console()
    totals = _Totals()
    with Progress(
        TextColumn("seed {task.fields[seed]}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} h"),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task("", total=hours, seed=seed)
        while totals.hours < hours and not totals.faults:
            plan = draw(seed, watches=watches, hours=24 * days, full_disk=full_disk, observed=observed)
            progress.update(bar, seed=seed)
            with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
                outcome = simulate(
                    plan, Path(folder) / "spool", lambda passed: progress.advance(bar, passed * watches)
                )
                totals.add(plan, judge(outcome))
            seed += 1
    console.print(totals.table())
    if totals.faults:
        for fault in totals.faults[:MOST_SHOWN]:
            print(fault)  # noqa: T201  as it is, for people and programs
        print(f"{len(totals.faults)} faults with seed {seed - 1}. To see them again:")  # noqa: T201
        print(  # noqa: T201
            f"python -m tests.simulation --hours 1 --seed {seed - 1} --watches {watches} --days {days:g}"
            + " --full-disk" * full_disk
            + " --observed" * observed
        )
        sys.exit(1)


class _Totals:
    """What all worlds together came to."""

    def __init__(self) -> None:
        self.hours = 0.0
        self.faults: list[str] = []
        self._worlds = self._lives = self._kills = self._segments = self._troubles = 0
        self._heard = self._taken = self._given_up = self._silence = 0

    def add(self, plan: Plan, verdict: Verdict) -> None:
        self.hours += plan.hours
        self.faults += verdict.faults
        self._worlds += 1
        self._lives += len(plan.ends)
        self._kills += plan.kills
        self._troubles += sum(len(programme.troubles) for programme in plan.programmes) + len(plan.store)
        self._segments += verdict.segments
        self._heard += verdict.heard
        self._taken += verdict.taken
        self._given_up += verdict.given_up
        self._silence += verdict.silence

    def table(self) -> Table:
        table = Table("simulated", "", show_header=False)
        for name, value in (
            ("watch-hours", f"{self.hours:.0f}"),
            ("worlds", f"{self._worlds}"),
            ("starts of the daemon", f"{self._lives}"),
            ("kills", f"{self._kills}"),
            ("troubles of streams and store", f"{self._troubles}"),
            ("segments", f"{self._segments}"),
            ("audio recorded", f"{self._heard / SAMPLE_RATE:.1f} s"),
            ("audio that kills took", f"{self._taken / SAMPLE_RATE:.3f} s"),
            ("audio that a full disk took", f"{self._given_up / SAMPLE_RATE:.3f} s"),
            ("silence in ledgers", f"{self._silence / SAMPLE_RATE:.1f} s"),
            ("faults", f"{len(self.faults)}"),
        ):
            table.add_row(name, value)
        return table


if __name__ == "__main__":
    app()

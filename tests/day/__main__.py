"""Lets the installed daemon live through days of a platform, each drawn from a seed. See `--help`.

The first day that breaks a promise ends the run; its seed is printed with the command that shows it again.
"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import anyio
import typer

from tests.day.ground import live
from tests.day.oracle import judge
from tests.day.plan import draw
from tests.day.table import lines

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    seed: Annotated[int, typer.Option(help="Of the first day.")] = 0,
    days: Annotated[int, typer.Option(min=1, help="So many, each from the next seed.")] = 1,
    seconds: Annotated[float, typer.Option(min=60, help="How long a day lasts.")] = 100,
    conferences: Annotated[int, typer.Option(min=1, max=200)] = 22,
    calls: Annotated[int, typer.Option(min=1, max=100)] = 4,
) -> None:
    """Live through day after day, in real time."""
    for number in range(seed, seed + days):
        plan = draw(number, conferences, calls, seconds)
        with tempfile.TemporaryDirectory(prefix="day-") as folder:
            outcome = anyio.run(live, plan, Path(folder), backend_options={"use_uvloop": True})
        judgements, faults = judge(outcome)
        typer.echo(f"seed {number}")
        for line in lines(judgements, faults):
            typer.echo(line)
        if faults or any(each.faults for each in judgements):
            typer.echo(f"python -m tests.day --seed {number} --seconds {seconds:g}", nl=False)
            typer.echo(f" --conferences {conferences} --calls {calls}")
            sys.exit(1)


if __name__ == "__main__":
    app()

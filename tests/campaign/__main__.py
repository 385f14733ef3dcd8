"""A fault campaign: the installed daemon, real sockets, a real S3 store, and everything that goes wrong.

One row for each fault. The exit status is 1 when lost audio differs from the reported, exceeds its bound, or
anything else is not as it must be.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.console import Console
from rich.status import Status

from recorder.simulator.seaweedfs import SeaweedFS, SeaweedFSError
from tests.campaign import table
from tests.campaign.faults import FAULTS, HURRIED_ROOM, ROOM, Fault
from tests.campaign.ground import Ground
from tests.campaign.rows import Row
from tests.campaign.tape import MarkedTape

TAPE_SECONDS = 240
NAMES = ", ".join(fault.name for fault in FAULTS)

app = typer.Typer(add_completion=False, rich_markup_mode=None)
progress = Console(stderr=True)


class Room:
    """How much of the machine is free. Who wants all of it waits for the others, and they for it."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._changed = anyio.Condition()

    async def take(self, weight: int) -> None:
        async with self._changed:
            while self._free < weight:
                await self._changed.wait()
            self._free -= weight

    async def give(self, weight: int) -> None:
        async with self._changed:
            self._free += weight
            self._changed.notify_all()


class Campaign:
    """Faults that are injected, some of them at the same time, and the rows that come of them."""

    def __init__(self, ground: Ground, faults: Sequence[Fault], status: Status) -> None:
        self._ground = ground
        self._faults = faults
        self._status = status
        self._room = Room(HURRIED_ROOM if ground.quick else ROOM)
        self._under_way: list[str] = []
        self.rows: dict[str, list[Row]] = {}

    async def run(self) -> None:
        """Inject all of them; those that take long first, those that want the machine for themselves last."""
        shared = [fault for fault in self._faults if not fault.alone]
        async with anyio.create_task_group() as tasks:
            for fault in sorted(shared, key=lambda fault: not fault.long):
                await self._room.take(fault.weight)
                tasks.start_soon(self._share, fault)
        for fault in self._faults:
            if fault.alone:
                await self._inject(fault)

    async def _share(self, fault: Fault) -> None:
        try:
            await self._inject(fault)
        finally:
            with anyio.CancelScope(shield=True):
                await self._room.give(fault.weight)

    async def _inject(self, fault: Fault) -> None:
        self._under_way.append(fault.name)
        self._say()
        began = time.monotonic()
        try:
            self.rows[fault.name] = await fault.inject(self._ground)
        except Exception as error:  # noqa: BLE001 - the others must have their rows, and this one says why
            text = "; ".join(_reasons(error))
            self.rows[fault.name] = [Row(fault.name, complaints=(f"it was not carried through: {text}",))]
        finally:
            self._under_way.remove(fault.name)
        for row in self.rows[fault.name]:
            verdict = row.not_run or "; ".join(row.complaints) or "ok"
            took = time.monotonic() - began
            progress.print(f"{row.fault}: {verdict} ({took:.0f} s)", highlight=False, markup=False)
        self._say()

    def _say(self) -> None:
        self._status.update(
            f"{len(self.rows)} of {len(self._faults)} faults done; under way: {', '.join(self._under_way)}"
        )


def _reasons(error: BaseException) -> Iterator[str]:
    """What went wrong, each on a line of its own length; of a log, its end."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _reasons(each)
    else:
        yield f"{type(error).__name__}: {str(error)[-1000:]}"


@app.command()
def campaign(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Less than five minutes, and each fault less often.")
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Only this; repeat it for more: {NAMES}."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the instants at which faults come.")] = 1,
    json: Annotated[bool, typer.Option("--json", help="JSON in place of the table.")] = False,
) -> None:
    """Inject faults into the installed recorder, and compare what was sent with what is in the bucket.

    \b
    python -m tests.campaign --quick
    python -m tests.campaign --seed 7
    python -m tests.campaign --fault kill --fault power-cut

    Faults that need a disk of their own (root, a loop device, mkfs.ext4) are not run where there is none,
    and the table says so. The exit status is 1 when a row is wrong.
    """
    unknown = set(fault or ()) - {each.name for each in FAULTS}
    if unknown:
        raise typer.BadParameter(f"there is no fault {', '.join(sorted(unknown))}; there are {NAMES}")
    chosen = [each for each in FAULTS if not fault or each.name in fault]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and leave nothing running
    began = time.monotonic()
    rows = _carry_out(chosen, seed, quick=quick)
    took = time.monotonic() - began
    if json:
        typer.echo(table.as_json(rows, took, seed))
    else:
        for line in table.lines(rows):
            typer.echo(line)
        typer.echo(f"{'quick, ' if quick else ''}seed {seed}, {took / 60:.1f} minutes")
    if any(row.bad for row in rows):
        raise typer.Exit(1)


def _carry_out(faults: Sequence[Fault], seed: int, *, quick: bool) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="campaign-") as name, progress.status("starting") as status:
        try:
            with SeaweedFS(Path(name) / "store") as store:
                os.environ.update(store.environment)  # the only door that boto3's own chain has
                tape = MarkedTape.marked("standup", TAPE_SECONDS, seed)
                running = Campaign(Ground(Path(name), store, tape, seed, quick), faults, status)
                anyio.run(running.run, backend_options={"use_uvloop": True})
        except SeaweedFSError as error:
            progress.print(str(error), highlight=False, markup=False)
            raise typer.Exit(1) from None
    return [row for fault in faults for row in running.rows[fault.name]]


if __name__ == "__main__":
    app()

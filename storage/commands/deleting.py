"""`recordings delete`: audio erased for good, and a tombstone that says by whom, when and why."""

import getpass
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.progress import TaskProgressColumn

from storage import lookup, report
from storage.catalog import Catalog
from storage.commands import options
from storage.erasure import ErasurePlan, Part, erase, plan_erasure
from storage.layout import SAMPLE_RATE, Problem, to_duration
from storage.report import instant, iso, length, table
from storage.store import ObjectStore

_From = Annotated[
    datetime,
    typer.Option("--from", metavar="TIME", parser=options.parse_instant, help="From then on; UTC."),
]
_To = Annotated[
    datetime, typer.Option("--to", metavar="TIME", parser=options.parse_instant, help="Not from then on.")
]
_Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the tombstone.")]
_Who = Annotated[
    str | None, typer.Option("--who", metavar="NAME", help="Who has it erased; by default the user.")
]
_Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing. Needed where there is no terminal.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")]


def delete_audio(
    context: typer.Context,
    *,
    id_: options.Id,
    start: _From,
    end: _To,
    why: _Why,
    who: _Who = None,
    yes: _Yes = False,
    dry_run: _DryRun = False,
    kind: options.Kind = None,
    as_json: options.Json = False,
    store: options.Store = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    config: options.Config = None,
) -> None:
    """Erase the audio between two times, to the sample, of every recorder that recorded it.

    A segment that lies in the range goes whole. One that lies in it in part is written anew, with silence for
    that part, and the old object is deleted: what was not to be erased stays. A tombstone says who, when and
    why; `verify`, `list` and `fetch` say erased. The manifests stay: times, lengths, levels and hashes.

    When no audio of a conference is left, its names are taken out of the register, and so out of all keys.

    It can be broken off and begun again. What a recorder has not uploaded yet is not reached, and nor is what
    a bucket with versions or a lock keeps of deleted objects: see to those yourself.

    \b
    recordings delete 1ed12456 --from 2026-11-22T15:01 --to 2026-11-22T15:03 --why "request 17" --dry-run
    """  # noqa: D301 -- click reads \b as "do not rewrap"
    options.check_range(start, end)
    if not why.strip():
        raise typer.BadParameter("--why is empty, and the tombstone is to say why")
    who = who or _user()
    _check_text("--why", why)
    _check_text("--who", who)
    opened = options.open_store(options.place_of(store, endpoint_url, region, config).over(context.obj))
    watch = options.find_watch(opened, Catalog(opened), id_, kind)
    plan = plan_erasure(opened, watch, start, end)
    if not as_json:
        _print(plan)
    problems: Sequence[Problem] = plan.problems
    if plan.parts and not dry_run:
        if not yes:
            _ask_twice(plan)
        problems = _erase(opened, plan, who, why)
    # Also where nothing is left to erase: the time before may have been broken off here.
    if not (dry_run or problems or Catalog(opened).has_audio(watch)):
        lookup.forget(opened, watch)
    if as_json:
        report.print_json(_json(plan, problems, done=not dry_run))
    elif not dry_run and plan.parts:
        kept = {problem.key for problem in problems}
        gone = sum(part.samples for part in plan.parts if part.manifest.audio.key not in kept)
        report.console().print(f"{length(gone)} erased")
    options.end(problems)


def _check_text(option: str, text: str) -> None:
    """Refuse what no manifest can hold, before anything is erased."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter(
            f"{option} is not UTF-8, and the tombstone is: write it in UTF-8 or in ASCII"
        ) from None


def _ask_twice(plan: ErasurePlan) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask on: give --yes, or --dry-run to see what goes")
    typer.confirm(f"Erase {length(plan.samples)} of {plan.watch} for good?", abort=True)
    wanted = plan.watch.id[:8]
    if typer.prompt(f"It cannot be undone. Type {wanted} to erase it") != wanted:
        raise typer.Abort


def _erase(store: ObjectStore, plan: ErasurePlan, who: str, why: str) -> tuple[Problem, ...]:
    progress = report.progress(TaskProgressColumn())
    with progress:
        task = progress.add_task("erase", total=plan.samples)
        at = datetime.now(UTC)
        return erase(
            store, plan, who=who, why=why, at=at, progress=lambda samples: progress.advance(task, samples)
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may know no name for its user
        return "unknown"


def _print(plan: ErasurePlan) -> None:
    out = report.console()
    out.print(f"{plan.watch}, from {instant(plan.started_at)} to {instant(plan.ended_at)}")
    if not plan.parts:
        out.print("there is no audio to erase")
        return
    rows = table("start (UTC)", "length", "recorder", "segment", "what happens")
    for part in plan.parts:
        rows.add_row(
            instant(part.manifest.started_at + to_duration(part.start)),
            length(part.samples),
            part.manifest.recorder,
            part.shelf.name.stem,
            _what(part),
        )
    out.print(rows)


def _what(part: Part) -> str:
    if not part.samples:
        return "erased already, and audio is still there: deleted"
    return "erased whole" if part.is_whole else "written anew, with silence for that part"


def _json(plan: ErasurePlan, problems: Sequence[Problem], *, done: bool) -> dict[str, Any]:
    """What goes or went. `start` and `stop` count samples of the segment."""
    return {
        "watch": report.watch_json(plan.watch),
        "from": iso(plan.started_at),
        "to": iso(plan.ended_at),
        "done": done,
        "seconds": plan.samples / SAMPLE_RATE,
        "parts": [
            {
                "segment": part.shelf.name.manifest_key,
                "start": part.start,
                "stop": part.stop,
                "samples": part.samples,
                "whole": part.is_whole,
            }
            for part in plan.parts
        ],
        "problems": report.problems_json(problems),
    }

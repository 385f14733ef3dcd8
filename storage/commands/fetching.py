"""`recordings fetch`: the audio between two times, as one file."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from storage import durable, report
from storage.audio import create_wav
from storage.catalog import Catalog
from storage.commands import options
from storage.layout import SAMPLE_RATE, Layout
from storage.names import WatchId
from storage.report import instant, iso, length, table
from storage.retrieval import FetchResult

_BYTES_PER_SAMPLE = 2

_Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The WAV to write.")]
_Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]


def fetch_audio(
    context: typer.Context,
    *,
    id_: options.Id,
    output: _Output,
    start: options.From = None,
    end: options.To = None,
    kind: options.Kind = None,
    force: _Force = False,
    as_json: options.Json = False,
    store: options.Store = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    config: options.Config = None,
) -> None:
    """Write the audio between two times into one WAV, to the sample; without times, all of it.

    Time that was not recorded is silence in the file, and in the table that follows, with its reason.

    \b
    recordings fetch 1ed12456 -o board.wav
    recordings fetch 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00 -o board.wav
    """  # noqa: D301 -- as above
    options.check_range(start, end)
    if output.exists() and not force:
        raise typer.BadParameter(f"{output} is there already; --force replaces it")
    if not output.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output.parent}")
    opened = options.open_store(options.place_of(store, endpoint_url, region, config).over(context.obj))
    catalog = Catalog(opened)
    watch = options.find_watch(opened, catalog, id_, kind)
    layout = catalog.layout(watch, start, end)
    _check_free_space(layout, output)
    result = _write(catalog, layout, output, force=force)
    if as_json:
        report.print_json(_fetched_json(watch, result, output))
    else:
        _print_fetched(result, output)
    options.end(result.problems)
    if not result.complete:
        raise typer.Exit(options.FAILED)


def _write(catalog: Catalog, layout: Layout, output: Path, *, force: bool) -> FetchResult:
    aside = durable.temporary(output)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        console=report.console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    try:
        with progress, create_wav(aside, layout.samples, SAMPLE_RATE) as wav:
            task = progress.add_task(output.name, total=layout.samples)
            result = catalog.fetch(layout, wav, lambda samples: progress.advance(task, samples))
        if force:
            durable.sync_file(aside)
            durable.rename(aside, output)
        else:
            durable.publish(aside, output)
    finally:
        aside.unlink(missing_ok=True)
    return result


def _check_free_space(layout: Layout, output: Path) -> None:
    """A range of years is quickly asked for, and most of it would be silence."""
    needed = layout.samples * _BYTES_PER_SAMPLE
    free = shutil.disk_usage(output.parent).free
    if needed > free:
        options.fail(
            f"{output}: that would be {needed >> 20} MiB, and {free >> 20} are free: choose a shorter range"
        )


def _print_fetched(result: FetchResult, output: Path) -> None:
    """What was fetched, and the ledger of what in it is silence."""
    out = report.console()
    out.print(
        f"{output}: {length(result.samples)} out of {len(result.segments)} segments,"
        f" from {instant(result.started_at)} to {instant(result.ended_at)}"
    )
    for overlap in result.overlaps:
        out.print(
            f"from {instant(overlap.started_at)} to {instant(overlap.ended_at)} both {overlap.taken} and"
            f" {overlap.left_out} recorded; the audio is that of {overlap.taken}"
        )
    if not result.silence:
        out.print("no silence but the conference's own")
        return
    rows = table("start (UTC)", "in the file", "length", "silence because")
    for silence in result.silence:
        rows.add_row(instant(silence.started_at), length(silence.at), length(silence.samples), silence.reason)
    out.print(rows)


def _fetched_json(watch: WatchId, result: FetchResult, output: Path) -> dict[str, Any]:
    """What was fetched. `at` and `samples` count samples of the file."""
    return {
        "watch": report.watch_json(watch),
        "output": str(output),
        "started_at": iso(result.started_at),
        "ended_at": iso(result.ended_at),
        "sample_rate": SAMPLE_RATE,
        "samples": result.samples,
        "complete": result.complete,
        "silence": [
            {
                "at": silence.at,
                "samples": silence.samples,
                "reason": silence.reason,
                "started_at": iso(silence.started_at),
            }
            for silence in result.silence
        ],
        "overlaps": [
            {
                "started_at": iso(overlap.started_at),
                "ended_at": iso(overlap.ended_at),
                "taken": overlap.taken,
                "left_out": overlap.left_out,
            }
            for overlap in result.overlaps
        ],
        "segments": [segment.audio.key for segment in result.segments],
        "problems": report.problems_json(result.problems),
    }

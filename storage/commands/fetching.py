"""`recordings fetch`: the audio between two times, as a file, down a pipe, or as the objects it lies in."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID, TaskProgressColumn

from storage import durable, report
from storage.catalog import Catalog
from storage.commands import fetched, options
from storage.commands.fetched import PIPE
from storage.copying import copy_segments
from storage.layout import SAMPLE_RATE, Cut, Layout
from storage.names import WatchId
from storage.outputs import OutputFormat, create, stream
from storage.parts import kept_for
from storage.report import instant, length
from storage.retrieval import FetchResult
from storage.store import ObjectStore

_BYTES_PER_SAMPLE = {
    OutputFormat.WAV: 2.0,
    OutputFormat.RAW: 2.0,
    OutputFormat.FLAC: 2.0,  # at worst: speech takes half of it
    OutputFormat.OGG: 0.7,
    OutputFormat.OPUS: 0.7,
}

_Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write; - is a pipe.")
]
_Segments = Annotated[
    Path | None,
    typer.Option("--segments", metavar="DIR", help="Copy the objects as they are into a folder instead."),
]
_Format = Annotated[
    OutputFormat | None,
    typer.Option("--format", help="What to write; by default what the name of the file ends in."),
]
_Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 also for silence in which there may have been audio.")
]
_Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]


def fetch_audio(
    context: typer.Context,
    *,
    id_: options.Id,
    output: _Output = None,
    segments: _Segments = None,
    start: options.From = None,
    end: options.To = None,
    kind: options.Kind = None,
    output_format: _Format = None,
    strict: _Strict = False,
    force: _Force = False,
    as_json: options.Json = False,
    store: options.Store = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    config: options.Config = None,
) -> None:
    """Write the audio between two times into one file, to the sample; without times, all of it.

    Time that was not recorded is silence in the file, and in the table that follows, with its reason. With
    --strict it is an error, unless the conference was idle. Where several recorders recorded, each fills the
    gaps of the others. A fetch that was cut off goes on where it was, if it is told the same again.

    \b
    recordings fetch 1ed12456 -o board.wav
    recordings fetch 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00 -o board.wav
    recordings fetch 1ed12456 --from 2026-11-22 --to 2026-11-23 -o - --format flac | ...
    """  # noqa: D301 -- click reads \b as "do not rewrap"
    options.check_range(start, end)
    _check_output(output, segments, force=force)
    opened = options.open_store(options.place_of(store, endpoint_url, region, config).over(context.obj))
    watch = options.find_watch(opened, Catalog(opened), id_, kind)
    if output is None:
        _copy(opened, watch, (start, end), segments or Path(), as_json=as_json)
        return
    written_as = output_format or _format_of(output)
    if output == PIPE:
        result = _pipe(Catalog(opened), watch, (start, end), written_as)
    else:
        result = _write(opened, watch, (start, end), output, written_as, force=force)
    if as_json:
        report.print_json(fetched.fetched_json(watch, result, output), stderr=output == PIPE)
    else:
        fetched.print_fetched(result, output)
    _end(result, strict=strict)


def _check_output(output: Path | None, segments: Path | None, *, force: bool) -> None:
    if (output is None) == (segments is None):
        raise typer.BadParameter("where to? Give one of -o FILE and --segments DIR")
    folder = segments
    if output is not None:
        folder = output.parent
        if output != PIPE and output.exists() and not force:
            raise typer.BadParameter(f"{output} is there already; --force replaces it")
    if folder is not None and not folder.is_dir():
        raise typer.BadParameter(f"there is no folder {folder}")


def _format_of(output: Path) -> OutputFormat:
    if output == PIPE:
        return OutputFormat.WAV
    by_suffix = OutputFormat.of_suffix(output)
    if by_suffix is None:
        known = ", ".join(each.value for each in OutputFormat)
        raise typer.BadParameter(f"{output}: its name says no format; --format does: {known}")
    return by_suffix


def _end(result: FetchResult, *, strict: bool) -> None:
    """Say what is wrong with what was fetched, and end with it."""
    options.end(result.problems)
    if strict and result.doubtful:
        for silence in result.doubtful:
            began = instant(silence.started_at)
            report.console(stderr=True).print(
                f"recordings: {length(silence.samples)} from {began} is silence because: {silence.reason}"
            )
        raise typer.Exit(options.FAILED)
    if not result.complete:
        raise typer.Exit(options.FAILED)


def _write(
    store: ObjectStore,
    watch: WatchId,
    between: tuple[datetime | None, datetime | None],
    output: Path,
    output_format: OutputFormat,
    *,
    force: bool,
) -> FetchResult:
    with kept_for(output) as folder:
        catalog = Catalog(store, folder)
        layout = catalog.layout(watch, *between)
        _check_free_space(layout, output, output_format, folder)
        aside = durable.temporary(folder / output.name)
        try:
            with (
                _progress(output.name, layout.samples) as (progress, task),
                create(aside, output_format, layout.samples, SAMPLE_RATE) as out,
            ):
                result = catalog.fetch(layout, out, lambda samples: progress.advance(task, samples))
            durable.publish(aside, output, replace=force)
        finally:
            aside.unlink(missing_ok=True)
    return result


def _pipe(
    catalog: Catalog,
    watch: WatchId,
    between: tuple[datetime | None, datetime | None],
    output_format: OutputFormat,
) -> FetchResult:
    layout = catalog.layout(watch, *between)
    with (
        _progress("-", layout.samples) as (progress, task),
        # Not Python's own: what could not be written would be tried again as the interpreter ends.
        open(sys.stdout.fileno(), "wb", closefd=False) as pipe,
        stream(pipe, output_format, layout.samples, SAMPLE_RATE) as out,
    ):
        return catalog.fetch(layout, out, lambda samples: progress.advance(task, samples))


@contextmanager
def _progress(name: str, total: int | None) -> "Iterator[tuple[Progress, TaskID]]":
    """A bar on a terminal, and nothing elsewhere."""
    progress = report.progress(TaskProgressColumn())
    with progress:
        yield progress, progress.add_task(name, total=total)


def _check_free_space(layout: Layout, output: Path, output_format: OutputFormat, folder: Path) -> None:
    """A range of years is quickly asked for, and most of it would be silence."""
    audio = {piece.segment.audio for piece in layout.pieces if isinstance(piece, Cut)}
    parts = sum(each.size for each in audio if not (folder / each.sha256).exists())
    needed = int(layout.samples * _BYTES_PER_SAMPLE[output_format]) + parts
    free = shutil.disk_usage(output.parent).free
    if needed > free:
        options.fail(
            f"{output}: that needs {needed >> 20} MiB, and {free >> 20} are free: choose a shorter range,"
            " or -o -"
        )


def _copy(
    store: ObjectStore,
    watch: WatchId,
    between: tuple[datetime | None, datetime | None],
    folder: Path,
    *,
    as_json: bool,
) -> None:
    catalog = Catalog(store)
    layout = catalog.survey(watch, *between).layout
    entries = chain(catalog.segments(watch, *between), layout.orphans if layout else ())
    with _progress(folder.name, None) as (progress, task):
        result = copy_segments(store, entries, folder, lambda _: progress.advance(task))
    if as_json:
        report.print_json(fetched.copied_json(watch, result, folder))
    else:
        report.console().print(f"{folder}: {len(result.segments)} segments of {watch}, {result.size} bytes")
    options.end(result.problems)
    if not result.segments:
        options.fail(f"{watch}: nothing was recorded then")

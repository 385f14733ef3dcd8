"""`recordings`: what is in a bucket, and its audio back. Needs no daemon.

Exit codes: 0 all is well, 1 something is missing or the store failed, 2 wrong usage.
"""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from storage import durable, report
from storage.audio import create_wav
from storage.catalog import Catalog, NothingRecorded
from storage.errors import StoreError
from storage.layout import SAMPLE_RATE, Layout, Problem
from storage.manifest import SegmentManifest
from storage.names import WatchId, WatchKind
from storage.place import Place
from storage.retrieval import FetchResult
from storage.store import ObjectStore

_FAILED = 1

_ID = re.compile(r"[0-9a-f-]{4,36}")

_BYTES_PER_SAMPLE = 2


def _parse_instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time: expected ISO 8601 as in 2026-11-22T15:05 (UTC) or 2026-11-22T16:05+01:00"
        ) from None


_Store = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="s3://bucket/prefix or file:///folder. [env: RECORDINGS_STORE]"
    ),
]
_EndpointUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="An S3 store that is not Amazon's. [env: RECORDINGS_ENDPOINT_URL]"),
]
_Region = Annotated[str | None, typer.Option(metavar="REGION", help="The region of the bucket.")]
_Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="recorder.toml, of which only the table [storage] is read."),
]
_Id = Annotated[str, typer.Argument(metavar="ID", help="A conference or call: its id, or how it begins.")]
_OptionalId = Annotated[
    str | None, typer.Argument(metavar="ID", help="A conference or call: its id, or how it begins.")
]
_From = Annotated[
    datetime | None,
    typer.Option("--from", metavar="TIME", parser=_parse_instant, help="Not before; UTC without an offset."),
]
_To = Annotated[
    datetime | None,
    typer.Option("--to", metavar="TIME", parser=_parse_instant, help="Not from then on; as --from."),
]
_Kind = Annotated[WatchKind | None, typer.Option(help="For an id that is both.")]
_Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, for programs.")]
_Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The WAV to write.")]
_Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]


app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def _recordings(
    context: typer.Context,
    store: _Store = None,
    endpoint_url: _EndpointUrl = None,
    region: _Region = None,
    config: _Config = None,
) -> None:
    """Recordings of conferences and calls in a bucket: list them, and get their audio back.

    \b
    recordings list --store s3://bucket/prefix
    recordings list 1ed12456 --from 2026-11-22 --config recorder.toml
    recordings fetch 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00 -o board.wav

    Credentials come from boto3's own chain: the environment, ~/.aws, or the role of the machine.
    """  # noqa: D301 -- click reads \b as "do not rewrap"
    context.obj = _place(store, endpoint_url, region, config)


@app.command("list")
def _list(
    context: typer.Context,
    *,
    id_: _OptionalId = None,
    start: _From = None,
    end: _To = None,
    kind: _Kind = None,
    as_json: _Json = False,
    store: _Store = None,
    endpoint_url: _EndpointUrl = None,
    region: _Region = None,
    config: _Config = None,
) -> None:
    """List what was recorded, or the segments of one conference or call.

    \b
    recordings list
    recordings list 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00
    recordings list --json | jq .watches[].id
    """  # noqa: D301 -- as above
    _check_range(start, end)
    opened = _open(_place(store, endpoint_url, region, config).over(context.obj))
    catalog = Catalog(opened)
    if id_ is None:
        _list_watches(opened, catalog, (start, end), kind, as_json=as_json)
        return
    watch = _find(opened, catalog, id_, kind)
    entries = list(catalog.segments(watch, start, end))
    problems = [entry for entry in entries if isinstance(entry, Problem)]
    segments = [entry for entry in entries if isinstance(entry, SegmentManifest)]
    if as_json:
        report.print_json(report.segments_json(watch, segments, problems))
    else:
        report.print_segments(watch, segments)
    _end(problems)


def _list_watches(
    store: ObjectStore,
    catalog: Catalog,
    between: tuple[datetime | None, datetime | None],
    kind: WatchKind | None,
    *,
    as_json: bool,
) -> None:
    watches = (watch for watch in catalog.watches() if kind in {None, watch.kind})
    summaries = [report.WatchSummary.of(watch, catalog.segments(watch, *between)) for watch in watches]
    summaries = [summary for summary in summaries if summary.segments or summary.problems]
    if as_json:
        report.print_json(report.watches_json(store.url, summaries))
    else:
        report.print_watches(summaries)
    _end([problem for summary in summaries for problem in summary.problems])


@app.command("fetch")
def _fetch(
    context: typer.Context,
    *,
    id_: _Id,
    output: _Output,
    start: _From = None,
    end: _To = None,
    kind: _Kind = None,
    force: _Force = False,
    as_json: _Json = False,
    store: _Store = None,
    endpoint_url: _EndpointUrl = None,
    region: _Region = None,
    config: _Config = None,
) -> None:
    """Write the audio between two times into one WAV, to the sample; without times, all of it.

    Time that was not recorded is silence in the file, and in the table that follows, with its reason.

    \b
    recordings fetch 1ed12456 -o board.wav
    recordings fetch 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00 -o board.wav
    """  # noqa: D301 -- as above
    _check_range(start, end)
    if output.exists() and not force:
        raise typer.BadParameter(f"{output} is there already; --force replaces it")
    if not output.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output.parent}")
    opened = _open(_place(store, endpoint_url, region, config).over(context.obj))
    catalog = Catalog(opened)
    watch = _find(opened, catalog, id_, kind)
    layout = catalog.layout(watch, start, end)
    _check_free_space(layout, output)
    result = _write(catalog, layout, output, force=force)
    if as_json:
        report.print_json(report.fetched_json(watch, result, output))
    else:
        report.print_fetched(result, output)
    _end(result.problems)
    if not result.complete:
        raise typer.Exit(_FAILED)


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


def _check_range(start: datetime | None, end: datetime | None) -> None:
    if start is not None and end is not None and start >= end:
        raise typer.BadParameter("--from must be before --to")


def _check_free_space(layout: Layout, output: Path) -> None:
    """A range of years is quickly asked for, and most of it would be silence."""
    needed = layout.samples * _BYTES_PER_SAMPLE
    free = shutil.disk_usage(output.parent).free
    if needed > free:
        _fail(
            f"{output}: that would be {needed >> 20} MiB, and {free >> 20} are free: choose a shorter range"
        )


def _find(store: ObjectStore, catalog: Catalog, text: str, kind: WatchKind | None) -> WatchId:
    beginning = text.lower()
    if not _ID.fullmatch(beginning):
        raise typer.BadParameter(f"{text!r} is no id: expected a UUID or at least its first 4 digits")
    found = [
        watch for watch in catalog.watches() if watch.id.startswith(beginning) and kind in {None, watch.kind}
    ]
    if not found:
        _fail(f"{store.url} has no recordings of {text}; `recordings list` shows what there is")
    if len({watch.id for watch in found}) > 1:
        raise typer.BadParameter(f"{text} is the beginning of {', '.join(watch.id for watch in found)}")
    if len(found) > 1:
        raise typer.BadParameter(f"{found[0].id} is a conference and a call: choose one with --kind")
    return found[0]


def _place(store: str | None, endpoint_url: str | None, region: str | None, config: Path | None) -> Place:
    place = Place(store, endpoint_url, region)
    try:
        return place.over(Place.of_file(config)) if config else place
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _open(place: Place) -> ObjectStore:
    try:
        return place.over(Place.of_environment(os.environ)).open()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _end(problems: Sequence[Problem]) -> None:
    report.print_problems(problems)
    if problems:
        raise typer.Exit(_FAILED)


def _fail(message: str) -> NoReturn:
    report.console(stderr=True).print(f"recordings: {message}")
    raise typer.Exit(_FAILED)


def main() -> None:
    """Run the command. What goes wrong is one line on standard error, and an exit code."""
    try:
        app()
    except OverflowError:
        report.console(stderr=True).print("recordings: a time lies outside of the years 1 to 9999")
        sys.exit(_FAILED)
    except (StoreError, NothingRecorded, OSError) as error:
        report.console(stderr=True).print(f"recordings: {error}")
        sys.exit(_FAILED)


if __name__ == "__main__":
    main()

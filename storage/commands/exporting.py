"""`recordings export`: a range with its proof, as one archive."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import DownloadColumn

from storage import durable, report
from storage.archive import ArchiveFormat, create_archive
from storage.catalog import Catalog
from storage.commands import options
from storage.export import SUMS, ExportResult, Range, export, find_range
from storage.report import iso
from storage.store import ObjectStore

_OVERHEAD = 1 << 20
"""Bytes that are left for manifests, certificate and headers, beside a share of the audio."""


def _archive(text: str) -> Path:
    path = Path(text)
    if path.suffix.removeprefix(".") not in tuple(ArchiveFormat):
        raise typer.BadParameter(f"{text}: the name of an archive ends in .tar or .zip")
    return path


_Output = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FILE", parser=_archive, help="The archive: .tar or .zip."),
]
_Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]


def export_range(
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
    """Pack the segments of a range into one archive, with their manifests, a certificate and SHA256SUMS.

    Objects are as they are in the bucket, of all recorders. The same range is the same bytes, whenever it is
    exported. What is missing or altered is said in the certificate, and ends it with 1.

    \b
    recordings export 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00 -o board.tar
    tar xf board.tar && cd conference-* && sha256sum -c SHA256SUMS
    """  # noqa: D301 -- click reads \b as "do not rewrap"
    options.check_range(start, end)
    if output.exists() and not force:
        raise typer.BadParameter(f"{output} is there already; --force replaces it")
    if not output.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output.parent}")
    opened = options.open_store(options.place_of(store, endpoint_url, region, config).over(context.obj))
    catalog = Catalog(opened)
    found = find_range(catalog, options.find_watch(opened, catalog, id_, kind), start, end)
    _check_free_space(found, output)
    result = _write(opened, found, output, force=force)
    if as_json:
        report.print_json(
            {
                "watch": report.watch_json(found.watch),
                "output": str(output),
                "folder": found.folder,
                "started_at": iso(found.layout.started_at),
                "ended_at": iso(found.layout.ended_at),
                "objects": result.objects,
                "sums_sha256": result.sums_sha256,
                "problems": report.problems_json(result.problems),
            }
        )
    else:
        out = report.console()
        out.print(f"{output}: {result.objects} objects of {len(found.segments)} segments of {found.watch}")
        out.print(f"SHA-256 of {SUMS}: {result.sums_sha256}")
    options.end(result.problems)


def _write(store: ObjectStore, found: Range, output: Path, *, force: bool) -> ExportResult:
    aside = durable.temporary(output)
    progress = report.progress(DownloadColumn())
    archive_format = ArchiveFormat(output.suffix.removeprefix("."))
    try:
        with progress, aside.open("xb") as file, create_archive(file, archive_format) as archive:
            task = progress.add_task(output.name, total=found.size)
            result = export(store, found, archive, lambda size: progress.advance(task, size))
        durable.publish(aside, output, replace=force)
    finally:
        aside.unlink(missing_ok=True)
    return result


def _check_free_space(found: Range, output: Path) -> None:
    needed = found.size + _OVERHEAD
    free = shutil.disk_usage(output.parent).free
    if needed > free:
        options.fail(
            f"{output}: that would be {needed >> 20} MiB, and {free >> 20} are free: choose a shorter range"
        )

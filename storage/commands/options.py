"""What the commands share: options, the store that they open, the watch that they mean, and how they end.

Exit codes: 0 all is well, 1 something is missing or the store failed, 2 wrong usage.
"""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from storage import report
from storage.catalog import Catalog
from storage.layout import Problem
from storage.names import WatchId, WatchKind
from storage.place import Place
from storage.store import ObjectStore

FAILED = 1

_ID = re.compile(r"[0-9a-f-]{4,36}")


def parse_instant(text: str) -> datetime:
    """An instant of ISO 8601; UTC where it has no offset."""
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no time: expected ISO 8601 as in 2026-11-22T15:05 (UTC) or 2026-11-22T16:05+01:00"
        ) from None


Store = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="s3://bucket/prefix or file:///folder. [env: RECORDINGS_STORE]"
    ),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="An S3 store that is not Amazon's. [env: RECORDINGS_ENDPOINT_URL]"),
]
Region = Annotated[str | None, typer.Option(metavar="REGION", help="The region of the bucket.")]
Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="recorder.toml, of which only the table [storage] is read."),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="A conference or call: its id, or how it begins.")]
OptionalId = Annotated[
    str | None, typer.Argument(metavar="ID", help="A conference or call: its id, or how it begins.")
]
From = Annotated[
    datetime | None,
    typer.Option("--from", metavar="TIME", parser=parse_instant, help="Not before; UTC without an offset."),
]
To = Annotated[
    datetime | None,
    typer.Option("--to", metavar="TIME", parser=parse_instant, help="Not from then on; as --from."),
]
Kind = Annotated[WatchKind | None, typer.Option(help="For an id that is both.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, for programs.")]


def check_range(start: datetime | None, end: datetime | None) -> None:
    """Refuse a range that ends before it begins."""
    if start is not None and end is not None and start >= end:
        raise typer.BadParameter("--from must be before --to")


def find_watch(store: ObjectStore, catalog: Catalog, text: str, kind: WatchKind | None) -> WatchId:
    """The one watch in the store that is meant by an id or by how it begins."""
    beginning = text.lower()
    if not _ID.fullmatch(beginning):
        raise typer.BadParameter(f"{text!r} is no id: expected a UUID or at least its first 4 digits")
    found = list(catalog.watches(beginning, [kind] if kind else WatchKind))
    if not found:
        fail(f"{store.url} has no recordings of {text}; `recordings list` shows what there is")
    if len({watch.id for watch in found}) > 1:
        raise typer.BadParameter(f"{text} is the beginning of {', '.join(watch.id for watch in found)}")
    if len(found) > 1:
        raise typer.BadParameter(f"{found[0].id} is a conference and a call: choose one with --kind")
    return found[0]


def place_of(store: str | None, endpoint_url: str | None, region: str | None, config: Path | None) -> Place:
    """Where the options say that the store is."""
    place = Place(store, endpoint_url, region)
    try:
        return place.over(Place.of_file(config)) if config else place
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def open_store(place: Place) -> ObjectStore:
    """The store at a place, or where the environment says."""
    try:
        return place.over(Place.of_environment(os.environ)).open()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def end(problems: Sequence[Problem]) -> None:
    """Say what is missing or damaged, and end with it if anything is."""
    report.print_problems(problems)
    if problems:
        raise typer.Exit(FAILED)


def fail(message: str) -> NoReturn:
    """Say one line on standard error, and end."""
    report.console(stderr=True).print(f"recordings: {message}")
    raise typer.Exit(FAILED)

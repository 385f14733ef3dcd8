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
from rich.progress import MofNCompleteColumn

from storage import lookup, report
from storage.catalog import Catalog
from storage.layout import Problem
from storage.names import WatchId, WatchKind
from storage.place import Place
from storage.report import instant, printable
from storage.store import ObjectStore

FAILED = 1

_ID = re.compile(r"[0-9a-f-]{4,36}")
_TOO_SHORT = re.compile(r"[0-9a-f]{1,3}")
_LENGTH_OF_ID = 36
_CANDIDATES = 20
"""Of those that have one name, that are listed."""


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
_ID_HELP = "A conference or call: its id, how that begins, or its name. A pattern (board*) is a name, too."
Id = Annotated[str, typer.Argument(metavar="ID", help=_ID_HELP)]
OptionalId = Annotated[str | None, typer.Argument(metavar="ID", help=_ID_HELP)]
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
    """The one watch in the store that is meant by an id, by how it begins, or by a name."""
    found = find_watches(store, catalog, text, kind)
    if len(found) > 1:
        if len({watch.id for watch in found}) == 1:
            raise typer.BadParameter(f"{found[0].id} is a conference and a call: choose one with --kind")
        raise typer.BadParameter(
            f"{text} is the name of {len(found)}: choose one by its id\n{_told(store, found)}"
        )
    return found[0]


def find_watches(
    store: ObjectStore, catalog: Catalog, text: str, kind: WatchKind | None
) -> tuple[WatchId, ...]:
    """Those that are meant, one at least: by an id, one (or a conference and a call), and by a name, all."""
    kinds = [kind] if kind else list(WatchKind)
    beginning = text.lower()
    by_id: list[WatchId] = []
    if _ID.fullmatch(beginning):
        by_id = list(catalog.watches(beginning, kinds))
    if len({watch.id for watch in by_id}) > 1:
        raise typer.BadParameter(f"{text} is the beginning of {', '.join(watch.id for watch in by_id)}")
    is_whole = bool(_ID.fullmatch(beginning)) and len(text) == _LENGTH_OF_ID
    if not by_id and not is_whole:
        return _named(store, text, kinds)
    if not by_id:
        fail(f"{store.url} has no recordings of {text}; `recordings list` shows what there is")
    if not is_whole:
        others = [named.watch for named in lookup.registered(store, text, kinds) if named.watch not in by_id]
        if others:
            told = _told(store, [*by_id, *others])
            raise typer.BadParameter(f"{text} is how an id begins, and a name: give more of the id\n{told}")
    return tuple(by_id)


def _named(store: ObjectStore, text: str, kinds: Sequence[WatchKind]) -> tuple[WatchId, ...]:
    """All that were called so. Says what has to be read where the register does not know them."""
    progress = report.progress(MofNCompleteColumn())
    with progress:
        task = progress.add_task("names", total=0, visible=False)
        said = False

        def scanned(total: int, done: int) -> None:
            nonlocal said
            if not said:
                said = True
                progress.console.print(
                    f"recordings: {total} are not in the register of names; their newest manifests are read"
                )
            progress.update(task, total=total, advance=done, visible=True)

        found = lookup.find(store, text, kinds, scanned)
    if not found.watches:
        similar = "".join(f", {printable(name)}" for name in found.similar)
        hint = (
            f"did you mean {similar.removeprefix(', ')}?"
            if similar
            else "`recordings list` shows what there is"
        )
        if _TOO_SHORT.fullmatch(text.lower()):
            hint += " (an id is known by its first 4 digits)"
        fail(f"{store.url} has no recordings of {text}; {hint}")
    return tuple(named.watch for named in found.watches)


def _told(store: ObjectStore, watches: Sequence[WatchId]) -> str:
    """Watches and when they were recorded, a line each."""
    lines = []
    for watch in watches[:_CANDIDATES]:
        when = lookup.recorded(store, watch)
        lines.append(f"{watch}  {instant(when[0])} to {instant(when[1])}" if when else f"{watch}")
    if len(watches) > _CANDIDATES:
        lines.append(f"and {len(watches) - _CANDIDATES} more")
    return "\n".join(lines)


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

"""`recordings verify`: whether everything that was recorded is there, whole, and the rest has its reason."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.progress import DownloadColumn
from rich.table import Table

from storage import report
from storage.accounts import Account
from storage.catalog import Catalog
from storage.commands import options
from storage.findings import WatchReport
from storage.layout import SAMPLE_RATE
from storage.names import WatchId
from storage.report import instant, iso, length, printable, table
from storage.store import ObjectStore
from storage.verification import verify

_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

NOT_CHECKED = (
    "not checked: time before the first segment of a recorder and after its last, what waits in a spool,"
    " and whether the end of a chain was deleted: compare its SHA-256 with one that you have kept"
)


def parse_since(text: str) -> datetime:
    """An instant, or one that so many minutes, hours, days or weeks have passed since."""
    if match := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    return options.parse_instant(text)


_Since = Annotated[
    datetime | None,
    typer.Option(
        metavar="TIME|AGO",
        parser=parse_since,
        help="As --from, or how long ago: 90m, 36h, 2d, 1w. For a run every night.",
    ),
]


_To = Annotated[
    datetime | None,
    typer.Option(
        "--to",
        metavar="TIME|AGO",
        parser=parse_since,
        help="Not from then on. 1h leaves out what may still be on its way.",
    ),
]


def verify_recordings(
    context: typer.Context,
    *,
    id_: options.OptionalId = None,
    start: options.From = None,
    end: _To = None,
    since: _Since = None,
    kind: options.Kind = None,
    as_json: options.Json = False,
    store: options.Store = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    config: options.Config = None,
) -> None:
    """Check that everything that was recorded is there and whole, and that the rest has its reason.

    Reads every object and computes every SHA-256 anew, compares the audio with its manifest, follows the
    chain of manifests and accounts for the time. Exit status 0 only if nothing is wrong.

    A chain may begin with the first segment of a recorder, with a new spool, after thirty days of nothing, or
    where the disk kept a segment from being sealed; it may end anywhere. In a range, the first segment of
    each recorder is checked against the one before it, and it is said which that was.

    \b
    recordings verify
    recordings verify 1ed12456 --from 2026-11-22 --to 2026-11-23
    recordings verify --since 2d --to 1h --json
    """  # noqa: D301 -- click reads \b as "do not rewrap"
    if start is not None and since is not None:
        raise typer.BadParameter("--from and --since both say where to begin: give one of them")
    start = since or start
    options.check_range(start, end)
    opened = options.open_store(options.place_of(store, endpoint_url, region, config).over(context.obj))
    catalog = Catalog(opened)
    watches: Iterable[WatchId] = (
        (watch for watch in catalog.watches() if kind in {None, watch.kind})
        if id_ is None
        else (options.find_watch(opened, catalog, id_, kind),)
    )
    reports = _verify(opened, watches, start, end)
    if not reports and not any(catalog.watches()):
        options.fail(f"{opened.url} has no recordings: there is nothing to verify")
    if as_json:
        report.print_json(_json(opened.url, reports))
    else:
        _print(reports, detailed=id_ is not None)
    if not all(each.is_sound for each in reports):
        raise typer.Exit(options.FAILED)


def _verify(
    store: ObjectStore, watches: Iterable[WatchId], start: datetime | None, end: datetime | None
) -> list[WatchReport]:
    progress = report.progress(DownloadColumn())
    total = 0
    with progress:
        task = progress.add_task("verify", total=0)

        def note(more: int, done: int) -> None:
            nonlocal total
            total += more
            progress.update(task, total=total, advance=done)

        reports = []
        for watch in watches:
            progress.update(task, description=watch.id[:8])
            found = verify(store, watch, start, end, note)
            if found.segments or found.faults or found.notes:
                reports.append(found)
        return reports


def _print(reports: list[WatchReport], *, detailed: bool) -> None:
    """A table of the time, and what there is to know of each object; `detailed` says also what is usual."""
    out = report.console()
    if not reports:
        out.print("no segments in that time")
        return
    out.print(_table(reports))
    for each in reports:
        _print_found(each, detailed=detailed)
    faults = sum(len(each.faults) for each in reports)
    segments = sum(each.segments for each in reports)
    size = sum(each.size for each in reports) / 1_000_000
    verdict = f"{faults} faults" if faults else "everything is accounted for"
    out.print(f"{segments} segments, {size:.1f} MB hashed: {verdict}")
    out.print(NOT_CHECKED)


def _table(reports: list[WatchReport]) -> Table:
    rows = table(
        "kind", "id", "day (UTC)", "recorder", "recorded", "silence", "not recorded", "lost", "unexplained"
    )
    for each in reports:
        for (day, recorder), account in each.accounts.items():
            rows.add_row(
                each.watch.kind,
                each.watch.id,
                f"{day}",
                recorder,
                _length(account.recorded),
                _by_reason(account.silence),
                _by_reason(account.not_recorded),
                _length(account.lost) if account.lost else "",
                _length(account.unexplained) if account.unexplained else "",
            )
    return rows


def _print_found(found: WatchReport, *, detailed: bool) -> None:
    out, err = report.console(), report.console(stderr=True)
    for erased in found.erased:
        erasure = erased.erasure
        samples = length(erasure.stop - erasure.start)
        why = f"by {erasure.who} at {instant(erasure.at)}: {erasure.why}"
        out.print(f"{erased.key}: erased {samples} {printable(why)}")
    for note in found.notes:
        if detailed or not note.is_usual:
            out.print(f"{printable(note.key)}: {printable(note.message)}")
    for end in found.ends if detailed else ():
        out.print(f"{end.key}: a chain ends here, SHA-256 {end.sha256}")
    for fault in found.faults:
        err.print(f"{printable(fault.key)}: {fault.kind}: {printable(fault.message)}")


def _json(store_url: str, reports: list[WatchReport]) -> dict[str, Any]:
    """The reports. Durations are seconds, instants ISO 8601."""
    return {
        "store": store_url,
        "sound": all(each.is_sound for each in reports),
        "not_checked": NOT_CHECKED,
        "watches": [_watch_json(each) for each in reports],
    }


def _watch_json(found: WatchReport) -> dict[str, Any]:
    return {
        **report.watch_json(found.watch),
        "names": found.names,
        "sound": found.is_sound,
        "from": iso(found.started_at),
        "to": iso(found.ended_at),
        "segments": found.segments,
        "bytes": found.size,
        "days": [_day_json(day, recorder, account) for (day, recorder), account in found.accounts.items()],
        "faults": [
            {"kind": fault.kind.value, "key": fault.key, "message": fault.message} for fault in found.faults
        ],
        "notes": [{"key": note.key, "message": note.message} for note in found.notes],
        "erased": [
            {
                "key": erased.key,
                "who": erased.erasure.who,
                "at": iso(erased.erasure.at),
                "why": erased.erasure.why,
                "seconds": (erased.erasure.stop - erased.erasure.start) / SAMPLE_RATE,
            }
            for erased in found.erased
        ],
        "ends": [{"key": end.key, "sha256": end.sha256} for end in found.ends],
    }


def _day_json(day: date, recorder: str, account: Account) -> dict[str, Any]:
    return {
        "day": day.isoformat(),
        "recorder": recorder,
        "recorded": account.recorded.total_seconds(),
        "silence": _seconds(account.silence),
        "not_recorded": _seconds(account.not_recorded),
        "lost": account.lost.total_seconds(),
        "unexplained": account.unexplained.total_seconds(),
    }


def _seconds(by_reason: Mapping[str, timedelta]) -> dict[str, float]:
    return {reason: duration.total_seconds() for reason, duration in by_reason.items()}


def _by_reason(by_reason: Mapping[str, timedelta]) -> str:
    return ", ".join(f"{reason} {_length(duration)}" for reason, duration in by_reason.items())


def _length(duration: timedelta) -> str:
    return length(round(duration.total_seconds() * SAMPLE_RATE))

"""`recordings link` and `recordings playlist`: audio for whoever has the URL, until it expires."""

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from storage import durable, links, report
from storage.catalog import Catalog
from storage.commands import options
from storage.manifest import SegmentManifest
from storage.playlist import NotForStreaming, entries, format_playlist
from storage.report import instant, iso
from storage.store import check_expiry

_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_expiry(text: str) -> timedelta:
    """A duration such as `90s`, `15m`, `1h` or `7d` for which there can be a link."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration: expected a number and s, m, h or d, as in 1h")
    expires = timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        check_expiry(expires)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return expires


_Expires = Annotated[
    timedelta,
    typer.Option(
        "--expires", metavar="TIME", parser=parse_expiry, help="For how long it is valid: 90s, 15m, 1h, 7d."
    ),
]
_At = Annotated[
    datetime | None,
    typer.Option("--at", metavar="TIME", parser=options.parse_instant, help="A moment of it; as --from."),
]
_Segment = Annotated[
    str | None, typer.Option("--segment", metavar="NAME", help="Its name or key, instead of --at.")
]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; standard output without it.")
]
_Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]
_Streaming = Annotated[
    bool, typer.Option("--hls", help="As HTTP Live Streaming has it; for recordings in FLAC only.")
]


def link_segment(
    context: typer.Context,
    *,
    id_: options.Id,
    at: _At = None,
    segment: _Segment = None,
    expires: _Expires = "1h",  # type: ignore[assignment]  # typer gives it to the parser
    kind: options.Kind = None,
    as_json: options.Json = False,
    store: options.Store = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    config: options.Config = None,
) -> None:
    """Print a URL that gives one segment to anybody who has it, until it expires.

    It is signed here (SigV4), with the credentials of the bucket, and cannot be called back: choose a short
    time. A folder has no links.

    \b
    recordings link 1ed12456 --at 2026-11-22T15:05
    recordings link 1ed12456 --segment 20261122T150500.000Z_rec-a_17 --expires 15m
    """  # noqa: D301 -- click reads \b as "do not rewrap"
    if (at is None) == (segment is None):
        raise typer.BadParameter("which segment? Give --at TIME or --segment NAME")
    opened = options.open_store(options.place_of(store, endpoint_url, region, config).over(context.obj))
    catalog = Catalog(opened)
    watch = options.find_watch(opened, catalog, id_, kind)
    if at is not None:
        found = links.segment_at(catalog, watch, at)
    else:
        found = links.segment_named(catalog, watch, segment or "")
    link = links.link(opened, found, expires)
    if as_json:
        report.print_json(
            {
                "url": link.url,
                "expires_at": iso(link.expires_at),
                "ends_with_credentials": link.ends_with_credentials,
                "segment": found.model_dump(mode="json", by_alias=True),
            }
        )
        return
    sys.stdout.write(f"{link.url}\n")
    _say_expiry(link)


def write_playlist(
    context: typer.Context,
    *,
    id_: options.Id,
    start: options.From = None,
    end: options.To = None,
    output: _Output = None,
    expires: _Expires = "1d",  # type: ignore[assignment]  # as above
    streaming: _Streaming = False,
    kind: options.Kind = None,
    force: _Force = False,
    store: options.Store = None,
    endpoint_url: options.EndpointUrl = None,
    region: options.Region = None,
    config: options.Config = None,
) -> None:
    """Write a playlist (M3U8) of links to the segments of a range, for VLC, mpv and other players.

    Segments are whole, so that it begins a little before and ends a little after the range; what was not
    recorded is left out, and a comment. Everything in it is as open to whoever has it as a link is.

    \b
    recordings playlist 1ed12456 --from 2026-11-22T15:00 --to 2026-11-22T16:00 -o board.m3u8
    """  # noqa: D301 -- as above
    options.check_range(start, end)
    if output is not None and output.exists() and not force:
        raise typer.BadParameter(f"{output} is there already; --force replaces it")
    opened = options.open_store(options.place_of(store, endpoint_url, region, config).over(context.obj))
    catalog = Catalog(opened)
    watch = options.find_watch(opened, catalog, id_, kind)
    layout = catalog.layout(watch, start, end, by_labels=True)  # whole segments need no more
    made: list[links.Link] = []

    def link(segment: SegmentManifest) -> str:
        made.append(links.link(opened, segment, expires))
        return made[-1].url

    try:
        text = format_playlist(layout, link, streaming=streaming)
    except NotForStreaming as error:
        options.fail(str(error))
    if output is None:
        sys.stdout.write(text)
    else:
        durable.write_file(output, text.encode())
        listed = entries(layout)
        report.console().print(
            f"{output}: {len(listed)} segments, from {instant(listed[0].segment.started_at)}"
            f" to {instant(listed[-1].segment.ended_at)}"
        )
    _say_expiry(made[0])
    options.end([*layout.problems, *layout.orphans])


def _say_expiry(link: links.Link) -> None:
    """On standard error, so that what reads the URL is not disturbed."""
    sooner = (
        ", or with the temporary credentials that it was signed with" if link.ends_with_credentials else ""
    )
    at = link.expires_at.astimezone(UTC)
    report.console(stderr=True).print(f"valid until {at:%Y-%m-%d %H:%M:%S} UTC{sooner}")

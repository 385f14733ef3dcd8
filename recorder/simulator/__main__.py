"""`python -m recorder.simulator`: a stand-in VoIPBIN for rehearsals, until it is interrupted."""

import ssl
from collections.abc import Iterable
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Annotated

import anyio
import typer

from recorder.core.media import SAMPLE_RATE, Codec
from recorder.simulator.arguments import fleet, read_scripts, read_watches
from recorder.simulator.platform import ACCESSKEY, TOKEN, ErrorStyle, Grant, Platform, RateLimit
from recorder.simulator.programme import FRAME, End, Programme
from recorder.simulator.record import WatchRecord
from recorder.simulator.server import simulate
from recorder.simulator.wire import Generation
from storage.names import WatchId, WatchKind

EXAMPLES = """
A conference that says what a file says, as stock Asterisk sends it:

\b
  python -m recorder.simulator --codec ulaw \\
    --conference 1ed12456-eb4b-11ee-bba8-1bfb2838807a=meeting.flac

One that is dropped after ten seconds, comes back on the third attempt, and stalls:

\b
  python -m recorder.simulator \\
    --conference 1ed12456-eb4b-11ee-bba8-1bfb2838807a=standup \\
    --fault '*=drop:at=10s' --fault '*=refuse:status=503,times=2' \\
    --fault '*=stall:at=20s,seconds=3,burst=yes'

Two hundred conferences, and the watch list that names them:

\b
  python -m recorder.simulator --fleet 200 --write-watchlist watchlist.toml
"""
"""A `\\b` line keeps the paragraph after it from being wrapped."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EXAMPLES)
def simulator(  # noqa: PLR0917 - typer makes options of parameters
    conference: Annotated[
        list[str] | None, typer.Option(metavar="ID=FILE", help="A file, or a shipped meeting.")
    ] = None,
    call: Annotated[list[str] | None, typer.Option(metavar="ID=FILE", help="May be repeated.")] = None,
    many: Annotated[int, typer.Option("--fleet", min=0, help="So many more conferences.")] = 0,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="ID=FAULT:KEY=VALUE,...", help="In order; * is every id.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any free one.")] = 8080,
    codec: Annotated[Codec, typer.Option(help="How the payload is coded.")] = Codec.PCM16LE,
    generation: Annotated[Generation, typer.Option(help="Of the servers stood in for.")] = Generation.CURRENT,
    end: Annotated[End, typer.Option(help="What comes after the last sample.")] = End.LOOP,
    frame: Annotated[int, typer.Option(help="Samples in a message.")] = FRAME,
    pace: Annotated[float, typer.Option(min=0.01, help="Seconds of the conference in a second.")] = 1.0,
    drift: Annotated[float, typer.Option(help="How much faster its clock is, in ppm.")] = 0.0,
    setup: Annotated[float, typer.Option(help="Seconds between upgrade and audio.")] = 1.0,
    limit: Annotated[bool, typer.Option("--limit", help="Allow 17 handshakes a second, after 33.")] = False,
    bare_errors: Annotated[bool, typer.Option("--bare-errors", help="Refuse as before April 2026.")] = False,
    token: Annotated[str, typer.Option(help="The JWT to accept.")] = TOKEN,
    accesskey: Annotated[str, typer.Option(help="The access key to accept.")] = ACCESSKEY,
    cert: Annotated[Path | None, typer.Option(help="Certificate and key in one PEM file, for wss.")] = None,
    write_watchlist: Annotated[Path | None, typer.Option(help="Write what can be recorded here.")] = None,
) -> None:
    """Stand in for VoIPBIN: play speech as conferences and calls, and let go wrong what you like.

    Without any conference or call it plays one conference.
    """
    try:
        watches = read_watches(WatchKind.CONFERENCE, conference or ())
        watches |= read_watches(WatchKind.CALL, call or ())
        watches |= fleet(many if watches or many else 1)
        scripts = read_scripts(watches, fault or ())
        programmes = [
            Programme(
                watch,
                tape,
                codec=codec,
                frame=frame,
                end=end,
                pace=pace,
                drift_ppm=drift,
                setup=setup,
                generation=generation,
                script=scripts[watch],
            )
            for watch, tape in watches.items()
        ]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    platform = Platform(
        *programmes,
        tokens={token: Grant.LISTEN},
        accesskeys={accesskey: Grant.LISTEN},
        errors=ErrorStyle.BARE if bare_errors else ErrorStyle.ENVELOPE,
        limit=RateLimit() if limit else None,
    )
    if write_watchlist:
        write_watchlist.write_text(_watchlist(watches))
    anyio.run(_run, platform, host, port, _tls(cert), backend_options={"use_uvloop": True})


async def _run(platform: Platform, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    try:
        with anyio.open_signal_receiver(SIGINT, SIGTERM) as signals:
            async with simulate(platform, host=host, port=port, ssl=tls) as server:
                typer.echo(f"listening on {server.url}")
                async for _ in signals:
                    break
    except OSError as error:
        typer.echo(f"cannot listen on {host} port {port}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    for watch in platform.watches:
        typer.echo(_summary(watch, platform.record(watch)))


def _summary(watch: WatchId, record: WatchRecord) -> str:
    sent = sum(run.count for connection in record.connections for run in connection.runs)
    missed = sum(missed.count for connection in record.connections for missed in connection.missed)
    return (
        f"{watch}: {len(record.connections)} connections, {len(record.refused)} refused,"
        f" {sent / SAMPLE_RATE:.2f} s sent, {missed / SAMPLE_RATE:.2f} s withheld,"
        f" {record.received_messages} messages received"
    )


def _tls(certificate: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate)
    except OSError as error:  # of which ssl.SSLError is one
        raise typer.BadParameter(f"{certificate}: {error.strerror}") from None
    return context


def _watchlist(watches: Iterable[WatchId]) -> str:
    return "\n".join(f'[[{watch.kind}]]\nid = "{watch.id}"\n' for watch in watches)


if __name__ == "__main__":
    app()

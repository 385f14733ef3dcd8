"""The command `conference-recorder`: arguments to settings to logging to the daemon, and exit statuses.

Knows no adapter; `recorder.app` puts those together.

Exit statuses: 0 done, 1 something failed while running, 2 a mistake in the command line or the configuration,
3 no daemon answers, 130 interrupted from the keyboard.
"""

import faulthandler
import json
import os
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer

from recorder import __version__, limits, logs
from recorder.config import ConfigurationError, Settings, load_settings
from recorder.listening import status_socket
from recorder.redaction import Redaction
from recorder.store_secrets import store_secrets
from recorder.summary import as_json, problems_as_json, show_settings

OK = 0
FAILED = 1
REFUSED = 2

_EXAMPLES = """\
Examples:

  conference-recorder demo

  conference-recorder check --config recorder.toml

  VOIPBIN_TOKEN=... conference-recorder run --config recorder.toml
"""

app = typer.Typer(
    help="Records VoIPBIN conferences and calls into S3-compatible storage, and accounts for every second.",
    epilog=_EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text, which keeps its form in a pipe and in a narrow terminal
    pretty_exceptions_enable=False,  # its tracebacks would not pass our redaction
)

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="The daemon's settings; they name the watch list."),
]
DEFAULT_CONFIG = Path("/etc/conference-recorder/recorder.toml")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"conference-recorder {__version__}")
        raise typer.Exit(OK)


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: conference-recorder run --config recorder.toml")
def run(
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Record what the watch list names, until SIGTERM or SIGINT; then finish the uploads."""
    faulthandler.enable()  # where a process hangs that systemd aborts: frames alone, no values
    settings = _load(config)
    logs.configure_logging(Redaction(*settings.secrets, *store_secrets(os.environ)))
    log = structlog.get_logger("recorder")
    if settings.nothing_watched:
        log.info("nothing is watched: %s", settings.nothing_watched, **{logs.FILE: str(settings.watchlist)})
    try:
        from recorder import app as daemon  # noqa: PLC0415 - `check` and `--help` need none of it

        status = daemon.run(settings)
    except Exception:
        log.critical("the daemon ended by an error nobody expected", exc_info=True)
        status = FAILED
    raise typer.Exit(status)


@app.command(epilog="Example: conference-recorder check --config recorder.toml --json")
def check(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json_lines: Annotated[
        bool, typer.Option("--json", help="Write the result as JSON, for programs.")
    ] = False,
) -> None:
    """Check the configuration as `run` does, and show what would be recorded. Starts nothing."""
    try:
        settings = load_settings(config, os.environ)
    except ConfigurationError as error:
        if as_json_lines:
            typer.echo(json.dumps(problems_as_json(error.problems), ensure_ascii=False))
        _refuse(error)
    redaction = Redaction(*settings.secrets, *store_secrets(os.environ))
    if as_json_lines:
        typer.echo(json.dumps(redaction.value(as_json(settings)), ensure_ascii=False))
    else:
        show_settings(settings, redaction)
    for warning in settings.warnings:
        typer.echo(redaction.text(f"warning: {warning}"), err=True)


@app.command(epilog="Example: conference-recorder doctor --config recorder.toml")
def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json_lines: Annotated[
        bool, typer.Option("--json", help="Write the result as JSON, for programs.")
    ] = False,
) -> None:
    """Try all that a recording needs, from the credential to the store, with a remedy for what fails."""
    from recorder.doctor import examine, report  # noqa: PLC0415 - `check` and `--help` need none of it

    limits.raise_open_files()
    well = (report.show_json if as_json_lines else report.show)(examine(config, os.environ))
    raise typer.Exit(OK if well else FAILED)


@app.command(epilog="Example: conference-recorder status --config recorder.toml --watch")
def status(
    config: ConfigOption = DEFAULT_CONFIG,
    socket: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The daemon's local socket, in place of what the settings say."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Ask again every second, until interrupted.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for programs.")] = False,
) -> None:
    """Show what a running daemon is doing. Exit status 3: no daemon answers."""
    from recorder.status_command import show_status  # noqa: PLC0415 - the daemon needs none of it

    try:
        where = socket or status_socket(config)
    except ConfigurationError as error:
        _refuse(error)
    raise typer.Exit(show_status(where, watch=watch, as_json=as_json))


@app.command(epilog="Example: conference-recorder demo --seconds 30 --keep recordings")
def demo(
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="How long to record.")] = 30,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the recordings in this folder.")
    ] = None,
) -> None:
    """Record speech from a simulated platform into a real store, fetch it back and compare every sample."""
    from recorder.simulator.demo import run_demo  # noqa: PLC0415 - the daemon needs no simulator

    raise typer.Exit(run_demo(seconds=seconds, keep=keep))


def _load(config: Path) -> Settings:
    try:
        return load_settings(config, os.environ)
    except ConfigurationError as error:
        _refuse(error)


def _refuse(error: ConfigurationError) -> NoReturn:
    """Print every problem on a line of its own, and their number at the end."""
    for problem in error.problems:
        typer.echo(str(problem), err=True)
    count = len(error.problems)
    typer.echo(f"{count} problem{'s' if count > 1 else ''}; nothing was started", err=True)
    raise typer.Exit(REFUSED) from None


def main() -> None:
    """Run the command line; ends the process."""
    app(prog_name="conference-recorder")


if __name__ == "__main__":
    main()

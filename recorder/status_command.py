"""`conference-recorder status`: asks the daemon over its local socket, and shows what it says. Blocking."""

import time
from pathlib import Path
from typing import Final

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live

from recorder.answering import ask_locally
from recorder.status import Status
from recorder.status_table import status_table

NO_ANSWER: Final = 3
"""The exit status where no daemon answers."""
EACH: Final = 1.0
"""Seconds between two questions of `--watch`."""
_WIDTH: Final = 240
"""Columns where there is no terminal to fit into; no line is broken then."""


def show_status(socket: Path, *, watch: bool, as_json: bool) -> int:
    """Show it once, or until interrupted; return the exit status."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    try:
        if as_json:
            _print_json(socket, watch=watch)
        elif watch:
            _stay(socket, console)
        else:
            console.print(status_table(_ask(socket)))
    except (OSError, ValidationError) as error:
        typer.echo(f"no daemon answers at {socket}: {_in_words(error)}", err=True)
        return NO_ANSWER
    except KeyboardInterrupt:
        pass
    return 0


def _ask(socket: Path) -> Status:
    return Status.model_validate_json(ask_locally(socket))


def _print_json(socket: Path, *, watch: bool) -> None:
    """One object a line."""
    typer.echo(_ask(socket).model_dump_json())
    while watch:
        time.sleep(EACH)
        typer.echo(_ask(socket).model_dump_json())


def _stay(socket: Path, console: Console) -> None:
    with Live(
        status_table(_ask(socket)), console=console, auto_refresh=False, screen=console.is_terminal
    ) as live:
        while True:
            time.sleep(EACH)
            live.update(status_table(_ask(socket)), refresh=True)


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "what it says is not a status; is it of the same version?"

"""`Carrier` that runs a program, with what it is told on its standard input. No secret of ours reaches it."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

import anyio
from anyio.abc import Process

from recorder.hooks.carrier import NotTaken
from recorder.hooks.event import Occurrence

_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""Variables that a program gets. Credentials stand in others."""
_BURIAL: Final = 1.0
"""Seconds for a killed program to be gone."""


class Program:
    """Runs `command`, its path and arguments, once for each event."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._command = list(command)
        self._environ = {name: environ[name] for name in _PASSED_ON if name in environ}

    async def __call__(self, occurrence: Occurrence) -> None:
        """Run it; exit status 0 is a yes. When cancelled, it and what it started is killed. See `Carrier`."""
        environ = self._environ | {
            "RECORDER_EVENT": occurrence.event.value,
            "RECORDER_ID": occurrence.id,
            "RECORDER_WATCH": occurrence.watch,
        }
        try:
            process = await anyio.open_process(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environ,
                start_new_session=True,
            )
        except OSError as error:
            raise NotTaken(f"it cannot be run: {error.strerror}") from None
        try:
            await _feed(process, occurrence.body)
            status = await process.wait()
        finally:
            await _bury(process)
        if status:
            raise NotTaken(f"it ended with exit status {status}")

    async def close(self) -> None:
        """See `Carrier`. Nothing is held between calls."""


async def _feed(process: Process, body: bytes) -> None:
    assert process.stdin is not None  # noqa: S101  it was asked for
    # A program need not read what it is told.
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await process.stdin.send(body)
        await process.stdin.aclose()


async def _bury(process: Process) -> None:
    """Kill what is left of it: all that it started and that has not left its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.move_on_after(_BURIAL, shield=True):
        await process.aclose()

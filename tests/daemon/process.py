"""The installed commands as processes, configured as an operator would, and what they say."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from recorder.core.media import Encapsulation
from recorder.simulator import TOKEN
from storage.names import WatchId

BIN = Path(sys.executable).parent
OBSERVE = os.environ.get("OBSERVE", "true") == "true"
"""Whether daemons ask the platform, where a test does not say: `OBSERVE=false` has the suite run without."""


@dataclass
class Site:
    """A folder with the two files of an operator.

    Attributes:
        environment: of the commands: credentials of platform and store.
    """

    folder: Path
    platform_url: str
    store_url: str
    environment: Mapping[str, str] = field(default_factory=dict)
    voipbin: Mapping[str, object] = field(default_factory=dict)
    recording: Mapping[str, object] = field(default_factory=dict)
    storage: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, object] = field(default_factory=dict)
    status: Mapping[str, object] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "recorder.toml"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def write(self, watches: Iterable[tuple[WatchId, Encapsulation]]) -> None:
        self.watch(watches)
        tables = {
            "voipbin": {
                "url": self.platform_url,
                "allow_insecure": True,
                "observe": OBSERVE,
                **self.voipbin,
            },
            "recording": {"spool": "spool", "recorder": "test", "segment": "5s", **self.recording},
            "storage": {"url": self.store_url, **self.storage},
            "metrics": self.metrics,
            "status": self.status,
        }
        lines = ['watchlist = "watchlist.toml"']
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        self.config.write_text("\n".join(lines))

    def watch(self, watches: Iterable[tuple[WatchId, Encapsulation]]) -> None:
        """Replace the watch list at once, as an editor does."""
        aside = self.folder / "watchlist.toml.new"
        aside.write_text("\n".join(f'[[{w.kind}]]\nid = "{w.id}"\nencapsulation = "{e}"' for w, e in watches))
        aside.replace(self.folder / "watchlist.toml")

    @property
    def variables(self) -> dict[str, str]:
        return {**os.environ, "VOIPBIN_TOKEN": TOKEN, **self.environment}


class Daemon:
    """A running `conference-recorder run`, and the lines of its log."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []
        self.other: list[str] = []
        self._changed = anyio.Event()

    async def listen(self) -> None:
        assert self.process.stderr is not None
        rest = ""
        async for text in TextReceiveStream(self.process.stderr):
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                try:
                    self.log.append(json.loads(line))
                except ValueError:
                    self.other.append(line)
            self._changed.set()
            self._changed = anyio.Event()

    async def until(self, said: Callable[[list[dict[str, Any]]], bool], *, within: float = 20) -> None:
        """Wait until the log says something, or fail with what it says instead."""
        with anyio.move_on_after(within):
            while not said(self.log):
                await self._changed.wait()
            return
        raise AssertionError("\n".join(map(str, [*self.log, *self.other])))

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == event]

    async def said_of(self, event: str, count: int, *, within: float = 20) -> None:
        """Wait until `event` was said `count` times."""
        await self.until(lambda _: len(self.said(event)) >= count, within=within)

    async def stop(self, *, within: float = 40) -> int:
        """End it as systemd does; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        with anyio.fail_after(within):
            return await self.process.wait()


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[Daemon]:
    """The daemon for as long as the context is open; whatever is left of it is killed at the end."""
    command = [str(BIN / "conference-recorder"), "run", "--config", str(site.config)]
    process = await anyio.open_process(command, env=site.variables, cwd=site.folder)
    daemon = Daemon(process)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(daemon.listen)
            try:
                yield daemon
            finally:  # also when a test has failed: nobody else would end it, and it would be waited for
                if process.returncode is None:
                    process.kill()
    finally:
        with anyio.CancelScope(shield=True):
            await process.aclose()


async def fetch(site: Site, watch: WatchId, output: Path) -> dict[str, Any]:
    """What `recordings fetch` writes to `output` and says in JSON."""
    command = [str(BIN / "recordings"), "fetch", watch.id, "--config", str(site.config)]
    command += ["-o", str(output), "--json"]
    result = await anyio.run_process(command, env=site.variables, check=False)
    assert result.returncode == 0, result.stderr.decode()
    said: dict[str, Any] = json.loads(result.stdout)
    await verify(site, watch)
    return said


async def verify(site: Site, watch: WatchId) -> None:
    """See that `recordings verify` finds nothing wrong with what the daemon has made."""
    command = [str(BIN / "recordings"), "verify", watch.id, "--config", str(site.config), "--json"]
    result = await anyio.run_process(command, env=site.variables, check=False)
    assert result.returncode == 0, result.stderr.decode() + result.stdout.decode()

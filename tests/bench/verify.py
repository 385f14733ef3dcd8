"""How fast a bucket is verified: `python -m tests.bench.verify`.

Good segments are written into a folder, in a chain for each watch, and verified as the command does it.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from storage.catalog import Catalog
from storage.directory import DirectoryStore
from storage.manifest import OpenedAfterReason
from storage.names import AudioFormat, WatchId, WatchKind
from storage.verification import verify
from tests.storage.chains import Chain, opened_after


class UnsyncedStore(DirectoryStore):
    """A folder that is filled quickly, for it need not survive anything."""

    def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:  # noqa: ARG002
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else source.read_bytes())


def measure(
    segments: Annotated[int, typer.Option(help="How many, all watches together.")] = 10_000,
    seconds: Annotated[float, typer.Option(help="Length of a segment.")] = 5,
    watches: Annotated[int, typer.Option(help="Among which they are divided.")] = 10,
    audio_format: Annotated[AudioFormat, typer.Option("--format")] = AudioFormat.WAV,
) -> None:
    """Seconds on the clock and of CPU."""
    with tempfile.TemporaryDirectory() as folder:
        store = UnsyncedStore(Path(folder))
        for number in range(watches):
            watch = WatchId(WatchKind.CONFERENCE, f"{number + 1:08x}-eb4b-11ee-bba8-1bfb2838807a")
            chain = Chain(store, watch=watch, audio_format=audio_format)
            chain.record(seconds, opened_after(OpenedAfterReason.START, 1))
            for _ in range(segments // watches - 1):
                chain.record(seconds)
        began, used = time.perf_counter(), time.process_time()
        reports = [verify(store, watch) for watch in Catalog(store).watches()]
        took, used = time.perf_counter() - began, time.process_time() - used
    checked, size = sum(each.segments for each in reports), sum(each.size for each in reports)
    table = Table("segments", "MB", "seconds", "s of CPU", "segments a second", "MB a second", "faults")
    table.add_row(
        f"{checked}",
        f"{size / 1e6:.0f}",
        f"{took:.1f}",
        f"{used:.1f}",
        f"{checked / took:.0f}",
        f"{size / took / 1e6:.0f}",
        f"{sum(len(each.faults) for each in reports)}",
    )
    Console(width=110).print(table)
    if not all(each.is_sound for each in reports):
        sys.exit(1)


if __name__ == "__main__":
    typer.run(measure)

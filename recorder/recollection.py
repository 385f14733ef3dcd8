"""What was discovered, kept on the disk of the spool: a start while nobody can be asked goes on from there.

    .discovered   JSON: the id, name and type of each conference that was found and has not ended

Blocking. Knows no pattern.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from recorder.core.snapshot import Snapshot, read_snapshot
from storage import durable
from storage.names import WatchKind

_FILE: Final = ".discovered"


def remember(folder: Path, conferences: Iterable[Snapshot]) -> None:
    """Keep these in place of what was kept before.

    Raises:
        OSError: the disk does not take it.
    """
    rows = [{"id": each.watch_id.id, "name": each.name, "type": each.type} for each in conferences]
    durable.write_file(folder / _FILE, json.dumps(rows, indent=0).encode() + b"\n")


def recall(folder: Path) -> tuple[Snapshot, ...]:
    """What was kept last; nothing where there is no file, or none that can be read."""
    try:
        rows = json.loads((folder / _FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return ()
    found = [read_snapshot(WatchKind.CONFERENCE, row) for row in rows] if isinstance(rows, list) else []
    return tuple(snapshot for snapshot in found if snapshot)

"""What it takes to record, at most: files and memory. Knows no watch and no file."""

import resource
from typing import Final

FILES_A_WATCH: Final = 2
"""The socket of its stream and the audio of its open segment. All else is open for a moment only."""
OTHER_FILES: Final = 128
"""Uploads, disk calls under way, sockets being closed, the log, the event loop: 20 or so, and a margin."""
STREAM_MEMORY: Final = 32 << 20
"""Bytes that one stream can make us keep, whatever the platform sends and however long the disk stalls. An
honest one takes some 75 KiB. In MiB, each with the constant that holds it:

 8    read and not taken: twice `websocket.MAX_PENDING`; a paused one, half of it. Then the kernel's buffers
      fill and the platform must wait.
 1    the beginning of a frame, and a message in fragments: `frames.MAX_MESSAGE`
 5    out of order, gone by, suspect: `jitterbuffer.MOST_BYTES`, `RestartProbe.CREDULITY` long messages
 1    coded, until it is known how: `detection.MOST_WAITING`
 5    weighed, until it is known how much is missing: `timeline.MOST_HELD`
 9    for the disk: what was weighed and let go, while it writes what was let go before
 3    what becomes of one read, of `frames.MOST_ROWS`, while it is looked at

What goes beyond a bound is let go early, or is counted in the manifest as discarded, or ends the connection,
and what is not heard then is a gap in the ledger.
"""


def raise_open_files() -> None:
    """Take all that this process is permitted: the soft limit is often 1024, for programs that use select."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def too_few_files(watches: int) -> str | None:
    """What to tell the operator if so many watches need more than is permitted; None if they do not."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_A_WATCH * watches + OTHER_FILES
    if hard == resource.RLIM_INFINITY or needed <= hard:
        return None
    return (
        f"{watches} watches take up to {needed} open files, and this process is permitted {hard}: some would"
        f" not be recorded; set LimitNOFILE={needed} or more in the systemd unit (elsewhere ulimit -Hn)"
    )

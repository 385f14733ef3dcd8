"""How many files this process may have open, and how many it takes to record. Knows no watch and no file."""

import resource
from typing import Final

FILES_A_WATCH: Final = 2
"""The socket of its stream and the audio of its open segment. All else is open for a moment only."""
OTHER_FILES: Final = 128
"""Uploads, disk calls under way, sockets being closed, the log, the event loop: 20 or so, and a margin."""


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

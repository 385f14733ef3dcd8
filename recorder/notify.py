"""What systemd is told: a few datagrams to the socket that it names. Where there is none, nothing is done.

Knows nothing of what is told.
"""

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"


def reloading() -> str:
    """That a reload has begun now; `READY` ends it."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"


def status(text: str) -> str:
    """A line for people."""
    return f"STATUS={text}"


def extend_timeout(seconds: float) -> str:
    """That what is under way takes so much longer."""
    return f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}"


class Notifier:
    """Sends to the service manager that started us.

    Attributes:
        watchdog: seconds within which it wants to be told that all goes on; None if it does not ask.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # `@` stands for the zero byte with which abstract addresses begin.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        self.watchdog = _watchdog(environ) if address else None

    def tell(self, *assignments: str) -> bool:
        """Send at once; False if it was not taken, so that what must be told can be told again."""
        if self._socket is None:
            return True
        try:
            self._socket.sendto("\n".join(assignments).encode(), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Tell nothing more."""
        if self._socket:
            self._socket.close()


def _watchdog(environ: Mapping[str, str]) -> float | None:
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    meant = pid in ("", str(os.getpid()))
    return int(microseconds) / 1e6 if meant and microseconds.isascii() and microseconds.isdecimal() else None

"""How long a piece of work with a store may take all in all, by the wall clock. Knows no store.

A timeout of a socket is for one read or write: a peer that gives a byte now and then never meets it. So who
wants an end says when, and a store has its sockets watched: at the deadline they are shut down, whatever they
are waiting for, and no other call is begun. The thread that was in one is free again.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

from storage.errors import StoreUnavailable


class _Deadline:
    """When the work of a thread must have ended, and the sockets that it may be waiting for."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.until = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self.until

    def watch(self, descriptor: int) -> None:
        # A duplicate: the number may be that of another socket by then, and to shut one down is to shut both.
        duplicate = socket.socket(fileno=os.dup(descriptor))
        with self._lock:
            self._sockets.append(duplicate)
        if self.passed:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            for watched in self._sockets:
                with contextlib.suppress(OSError):  # its peer was faster
                    watched.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._timer.cancel()
        with self._lock:
            for watched in self._sockets:
                watched.close()
            self._sockets.clear()


_current: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give what this thread does with stores inside no more than `seconds`."""
    deadline = _Deadline(seconds)
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)
        deadline.close()


def check(what: str) -> None:
    """For a store to call before it begins something.

    Raises:
        StoreUnavailable: the deadline has passed.
    """
    deadline = _current.get()
    if deadline and deadline.passed:
        raise StoreUnavailable(f"{what}: not done within {deadline.seconds:.0f} s")


def watch(descriptor: int) -> None:
    """For a store to call with each socket that it is about to use."""
    deadline = _current.get()
    if deadline:
        deadline.watch(descriptor)

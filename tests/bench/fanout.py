"""Sends one frame to many sockets: by a few lines of C where there is a compiler, by Python where not.

A socket that does not take all of it is left to its transport, which keeps the rest, until it has caught up.
Nearly all of what this costs is the kernel's way over loopback, which delivers in the sender's time.
"""

import asyncio
import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

SOURCE = Path(__file__).parent / "fanout.c"

Sockets = ctypes.Array[ctypes.c_int]
"""File descriptors."""
Send = Callable[[Sockets, bytes], dict[int, int]]
"""Offers bytes to sockets; gives back how many each took of those that took less."""


class Receiver(Protocol):
    """Whoever a frame is for."""

    transport: asyncio.Transport
    socket: int | None
    """Its file descriptor; None where only the transport may write, as under TLS."""


class Group:
    """Receivers that are sent to at the same instant."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._prompt: dict[int, Receiver] = {}
        self._behind: dict[Receiver, None] = {}
        self._sockets: Sockets | None = None

    def __len__(self) -> int:
        return len(self._prompt) + len(self._behind)

    def add(self, receiver: Receiver) -> None:
        if receiver.socket is None or receiver.transport.get_write_buffer_size():
            self._behind[receiver] = None
        else:
            self._prompt[receiver.socket] = receiver
            self._sockets = None

    def remove(self, receiver: Receiver) -> None:
        self._behind.pop(receiver, None)
        if receiver.socket is not None and self._prompt.get(receiver.socket) is receiver:
            del self._prompt[receiver.socket]
            self._sockets = None

    def write(self, receiver: Receiver, data: bytes) -> None:
        """Send something to one of them, never into the middle of a frame."""
        self.remove(receiver)
        receiver.transport.write(data)
        self._behind[receiver] = None

    def send(self, data: bytes) -> None:
        """Send a frame to all of them."""
        for receiver in list(self._behind):
            if receiver.socket is not None and not receiver.transport.get_write_buffer_size():
                del self._behind[receiver]
                self.add(receiver)
            else:
                receiver.transport.write(data)
        if self._sockets is None:
            self._sockets = (ctypes.c_int * len(self._prompt))(*self._prompt)
        for socket, taken in self._send(self._sockets, data).items():
            receiver = self._prompt.pop(socket)
            receiver.transport.write(data[taken:])
            self._behind[receiver] = None
            self._sockets = None

    def backlog(self) -> dict[Receiver, int]:
        """Bytes that wait here for those that are behind."""
        return {each: size for each in self._behind if (size := each.transport.get_write_buffer_size())}


def send_one_by_one(sockets: Sockets, data: bytes) -> dict[int, int]:
    behind = {}
    for socket in sockets:
        taken = 0
        with suppress(OSError):  # full, or gone: its transport will hear of it
            taken = os.write(socket, data)
        if taken != len(data):
            behind[socket] = taken
    return behind


def fastest() -> Send:
    """The way in C, if there is a compiler (blocking)."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "fanout.so"
        try:
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        except (OSError, subprocess.CalledProcessError):
            return send_one_by_one
        fan_out = ctypes.CDLL(str(library)).fan_out

    def send(sockets: Sockets, data: bytes) -> dict[int, int]:
        sent = (ctypes.c_int * len(sockets))()
        if not fan_out(sockets, len(sockets), data, len(data), sent):
            return {}
        return {socket: taken for socket, taken in zip(sockets, sent, strict=True) if taken != len(data)}

    return send

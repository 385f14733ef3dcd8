"""Streams of bytes into a store and out of it, the same for every kind of store.

Knows no HTTP: to read, it is given a way to fill a buffer.
"""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

_BLOCK = 1 << 16


def open_source(source: Path | bytes) -> BinaryIO:
    """What is to be stored, as a stream that can seek."""
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


class RangeReader(io.RawIOBase):
    """Reads at most `length` bytes through `fill` (as `readinto`: how many bytes it put, 0 at the end).

    `errors` gives a context in which the errors of `fill` become ours.
    """

    def __init__(
        self,
        fill: Callable[[memoryview], int | None],
        length: int | None,
        errors: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._fill = fill
        self._left = length
        self._errors = errors

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the source gives bytes at once; 0 is the end."""
        view = memoryview(buffer).cast("B")
        if self._left is not None:
            view = view[: self._left]
        if not view:
            return 0
        with self._errors():
            count = self._fill(view) or 0
        if self._left is not None:
            self._left -= count
        return count

    def buffered(self) -> io.BufferedReader:
        """The stream to hand out."""
        return io.BufferedReader(self, _BLOCK)

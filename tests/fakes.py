"""Stand-ins that implement our own ports. They keep every promise of the port, and can be told to fail."""

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from storage.errors import ObjectConflict, ObjectNotFound, StoreError, StoreUnavailable
from storage.store import ObjectStat, check_key


class MemoryStore:
    """An `ObjectStore` in memory.

    Attributes:
        objects: everything stored, by key. A test may damage or remove an object here.
        failure: raised by every call while it is set; an outage, or a refusal.
        read: the keys that were opened, in order.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.failure: StoreError | None = None
        self.read: list[str] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return "memory:"

    def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:  # noqa: ARG002
        self._fail()
        data = source if isinstance(source, bytes) else source.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreUnavailable(f"put {key}: its content is not that of its SHA-256")
        with self._lock:
            if self.objects.setdefault(check_key(key), data) != data:
                raise ObjectConflict(f"put {key}: there is another object of that key already")

    @contextmanager
    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        self._fail()
        self.read.append(key)
        data = self._find(key)[start:]
        with io.BytesIO(data[:length]) as stream:
            yield stream

    def stat(self, key: str) -> ObjectStat:
        self._fail()
        data = self._find(key)
        return ObjectStat(key, len(data), hashlib.sha256(data).hexdigest())

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        self._fail()
        for key, data in sorted(self.objects.items()):
            if key.startswith(prefix):
                yield ObjectStat(key, len(data))

    def folders(self, prefix: str = "") -> Iterator[str]:
        self._fail()
        below = [key.removeprefix(prefix) for key in self.objects if key.startswith(prefix)]
        yield from sorted({f"{prefix}{key.partition('/')[0]}/" for key in below if "/" in key})

    def delete(self, key: str) -> None:
        self._fail()
        self.objects.pop(check_key(key), None)

    def close(self) -> None:
        pass

    def _find(self, key: str) -> bytes:
        try:
            return self.objects[check_key(key)]
        except KeyError:
            raise ObjectNotFound(f"{key}: there is no such object") from None

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

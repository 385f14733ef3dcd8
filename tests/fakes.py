"""Stand-ins that implement our own ports. They keep every promise of the port, and can be told to fail."""

import asyncio
import hashlib
import io
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from recorder.connection import Setback
from recorder.core.snapshot import Snapshot
from recorder.offload import Arguments, Result
from recorder.platform import Unanswered, Withheld, nothing
from recorder.segment import SealedSegment
from storage.errors import ObjectConflict, ObjectNotFound, StoreError, StoreUnavailable
from storage.names import WatchId
from storage.store import ObjectStat, check_expiry, check_key


class MemoryStore:
    """An `ObjectStore` in memory.

    `vouches_for_sha256` says whether its `stat` gives one.

    Attributes:
        objects: everything stored, by key. A test may damage or remove an object here.
        failure: raised by every call while it is set; an outage, or a refusal.
        failures: raised by every call for a key, by key.
        read: the keys that were opened, in order.
        held: the keys that are on hold.
    """

    vouches_for_sha256 = True

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.failure: StoreError | None = None
        self.failures: dict[str, StoreError] = {}
        self.read: list[str] = []
        self.held: set[str] = set()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return "memory:"

    def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:  # noqa: ARG002
        self._fail(key)
        data = source if isinstance(source, bytes) else source.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreUnavailable(f"put {key}: its content is not that of its SHA-256")
        with self._lock:
            if self.objects.setdefault(check_key(key), data) != data:
                raise ObjectConflict(f"put {key}: there is another object of that key already")

    @contextmanager
    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        self._fail(key)
        self.read.append(key)
        data = self._find(key)[start:]
        with io.BytesIO(data[:length]) as stream:
            yield stream

    def stat(self, key: str) -> ObjectStat:
        self._fail(key)
        data = self._find(key)
        return ObjectStat(
            key, len(data), hashlib.sha256(data).hexdigest() if self.vouches_for_sha256 else None
        )

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
        self._fail(key)
        self.objects.pop(check_key(key), None)

    def link(self, key: str, expires: timedelta) -> str:
        return f"memory:{check_key(key)}?expires={check_expiry(expires)}"

    def hold(self, key: str) -> None:
        self._fail(key)
        self._find(key)
        self.held.add(key)

    def close(self) -> None:
        pass

    def _find(self, key: str) -> bytes:
        try:
            return self.objects[check_key(key)]
        except KeyError:
            raise ObjectNotFound(f"{key}: there is no such object") from None

    def _fail(self, key: str = "") -> None:
        failure = self.failure or self.failures.get(key)
        if failure is not None:
            raise failure


class MemoryPlatform:
    """A `Platform` in memory.

    Attributes:
        known: what the platform knows, oldest first. A test may change it.
        failure: raised by every call while it is set; an outage, or a refusal.
        failures: raised by every question for a single one, by its id.
        withheld: what nobody may have though the rest is given: it is another customer's.
        unsaid: ids of which an old server says nothing.
        asked: how many requests it has cost: one, or one for a hundred of a list and one more.
        seconds: that each of them takes.
    """

    def __init__(self, *known: Snapshot) -> None:
        self.known = {snapshot.watch_id: snapshot for snapshot in known}
        self.failure: Unanswered | None = None
        self.failures: dict[WatchId, Unanswered] = {}
        self.withheld: set[WatchId] = set()
        self.unsaid: set[WatchId] = set()
        self.asked = 0
        self.seconds = 0.0

    async def conferences(self, between: Callable[[], Awaitable[None]] = nothing) -> Sequence[Snapshot]:
        listed = [
            snapshot
            for snapshot in reversed(self.known.values())
            if snapshot.type == "conference" and snapshot.deleted_at is None
        ]
        for page in range(-(-len(listed) // 100) + 1):
            if page:
                await between()
            await self._ask(1)
        return listed

    async def get(self, watch_id: WatchId) -> Snapshot | None:
        await self._ask(1)
        if watch_id in self.withheld:
            raise Withheld(Setback.REFUSED, "HTTP 403, PERMISSION_DENIED")
        if watch_id in self.unsaid:
            raise Withheld(Setback.TRANSIENT, "HTTP 400")
        if watch_id in self.failures:
            raise self.failures[watch_id]
        return self.known.get(watch_id)

    async def close(self) -> None:
        pass

    async def _ask(self, requests: int) -> None:
        self.asked += requests
        await asyncio.sleep(self.seconds)
        if self.failure:
            raise self.failure


class Network:
    """An `Offload` on virtual time: an upload takes `seconds(segment)`, and for ever if that is infinite.

    A call that is abandoned is made all the same, when it would have been: threads cannot be cancelled.

    Attributes:
        calls: how many there were.
        under_way: how many there are at the moment, by watch.
        most: the most at a time, by watch.
    """

    def __init__(self, seconds: Callable[[SealedSegment], float] = lambda _: 0.1) -> None:
        self._seconds = seconds
        self.calls = 0
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        segment = next(each for each in arguments if isinstance(each, SealedSegment))
        watch, seconds = segment.name.watch.id, self._seconds(segment)
        self.calls += 1
        self.under_way[watch] += 1
        self.most[watch] = max(self.most[watch], self.under_way[watch])
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def perform() -> None:
            try:
                result = call(*arguments)
            except Exception as error:  # noqa: BLE001  it is raised where the call was asked for
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)

        if seconds < float("inf"):
            asyncio.get_running_loop().call_later(seconds, perform)
        try:
            return await answer
        finally:
            self.under_way[watch] -= 1

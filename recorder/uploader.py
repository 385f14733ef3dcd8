"""Drains the spool into the bucket: audio, manifest, read back, discard. Knows no audio format.

A segment exists in the bucket exactly when its manifest does, so the audio goes first. A local copy goes only
after the bucket has been read back equal. What fails is tried again for ever, each segment at a pace of its
own, so that one that is always refused holds up no other; while the store is away, one segment asks for all.
"""

import hashlib
import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from recorder import logs
from recorder.clock import Clock
from recorder.core.backoff import Backoff, Pace
from recorder.offload import Offload
from recorder.segment import SealedSegment
from recorder.spool import Spool
from storage.errors import ObjectConflict, ObjectNotFound, StoreError, StoreRejected, StoreUnavailable
from storage.manifest import ManifestError
from storage.names import SegmentName
from storage.store import ObjectStore

MANIFEST_TYPE: Final = "application/json"

UNAVAILABLE: Final = Pace(floor=0.5, base=2.0, cap=60.0)
REFUSED: Final = Pace(floor=5.0, base=20.0, cap=300.0)
ATTEMPT_TIMEOUT = 120.0
"""Seconds for one segment, put and read back. A store that hangs must not count as one that is slow."""
_READ_SIZE = 1 << 20
PARALLEL = 4
"""Segments under way at once. Some stores throttle at two or three; a restart after an outage wants more."""
LOOK_INTERVAL = 300.0
"""Seconds after which the spool is listed again, for what a person has put back into it."""
REPEAT_INTERVAL = 60.0
"""Seconds between two log lines that say the same."""

_log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class _Item:
    """A sealed segment and how its upload stands."""

    segment: SealedSegment
    due: float = 0.0
    attempts: int = 0
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def stem(self) -> str:
        """The name of the segment: what tells apart two that are due at the same moment."""
        return self.segment.name.spool_stem


class Uploader:
    """Uploads what is sealed, oldest first."""

    def __init__(
        self,
        spool: Spool,
        store: ObjectStore,
        *,
        clock: Clock,
        disk: Offload,
        network: Offload,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._spool = spool
        self._store = store
        self._clock = clock
        self._disk = disk
        self._network = network
        self._chance = chance
        self._items: dict[SegmentName, _Item] = {}  # each of them is under way or on one of two heaps:
        self._ready: list[tuple[datetime, str, _Item]] = []  # to be begun, the oldest first
        self._later: list[tuple[float, str, _Item]] = []  # when they are due, the next one first
        self._under_way = 0
        self._look_at = 0.0  # monotonic seconds
        self._changed = anyio.Event()  # something was sealed, or an attempt has ended
        self._one_less = anyio.Event()  # a segment has left the list
        self._reachable = True
        self._outage = Backoff()
        self._closed_until = 0.0  # monotonic seconds; while the store is away
        self._repeats = logs.Repeats(REPEAT_INTERVAL)

    def add(self, segment: SealedSegment) -> None:
        """Say that a segment was sealed. One that is known already is not taken twice."""
        if segment.name not in self._items:
            item = self._items[segment.name] = _Item(segment)
            self._make_ready(item)
            self._changed.set()

    def untried(self) -> list[SealedSegment]:
        """See `Uploads`: of what was tried, something may be in the bucket already."""
        untried = [item.segment for item in self._items.values() if not item.attempts]
        return sorted(untried, key=lambda segment: segment.name.started_at)

    def hold(self, segment: SealedSegment) -> bool:
        """See `Uploads`."""
        item = self._items.get(segment.name)
        ready = [entry for entry in self._ready if entry[2] is not item]
        if item is None or item.attempts or len(ready) == len(self._ready):
            return False
        heapq.heapify(ready)
        self._ready = ready
        return True

    def put_back(self, segment: SealedSegment) -> None:
        """See `Uploads`."""
        self._items[segment.name].segment = segment
        self._make_ready(self._items[segment.name])
        self._changed.set()

    @property
    def waiting(self) -> int:
        """How many segments are not in the bucket yet, as far as is known here."""
        return len(self._items)

    async def run(self) -> None:
        """Upload for ever. Ends only by cancellation; what is not uploaded stays in the spool."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._changed = anyio.Event()
                if self._clock.monotonic() >= self._look_at:
                    self._look_at = self._clock.monotonic() + LOOK_INTERVAL
                    await self._look()
                wait = self._start(tasks)
                with anyio.move_on_after(min(wait, LOOK_INTERVAL)):
                    await self._changed.wait()

    async def drain(self) -> None:
        """Return when everything that is sealed has been uploaded. To be given a deadline by the caller."""
        self._closed_until = 0.0
        while self._later:
            self._advance(self._later[0][0])
        self._changed.set()
        await self._look()
        while self._items:
            self._one_less = anyio.Event()
            await self._one_less.wait()

    async def _look(self) -> None:
        """Learn of what is sealed. The spool is the list; nothing that was forgotten here is forgotten.

        What has left the spool since it was listed has been dealt with, and must not come back.
        """
        for segment in await self._disk(lambda: list(self._spool.sealed())):
            if segment.name not in self._items and segment.audio.exists():
                self.add(segment)

    def _advance(self, now: float) -> None:
        """Make ready what is due by `now`."""
        while self._later and self._later[0][0] <= now:
            _, _, item = heapq.heappop(self._later)
            self._make_ready(item)

    def _make_ready(self, item: _Item) -> None:
        heapq.heappush(self._ready, (item.segment.name.started_at, item.stem, item))

    def _start(self, tasks: TaskGroup) -> float:
        """Start what is due and return the seconds until something else is."""
        now = self._clock.monotonic()
        self._advance(now)
        if self._ready and now < self._closed_until:
            return self._closed_until - now
        parallel = PARALLEL if self._reachable else 1
        while self._ready and self._under_way < parallel:
            _, _, item = heapq.heappop(self._ready)
            self._under_way += 1
            tasks.start_soon(self._attend, item)
        return self._later[0][0] - now if self._later else math.inf

    async def _attend(self, item: _Item) -> None:
        """One attempt at one segment, and what follows from it."""
        item.attempts += 1
        started = self._clock.monotonic()
        try:
            with anyio.fail_after(ATTEMPT_TIMEOUT):
                await self._network(_upload, self._store, item.segment)
            await self._finish(item, self._clock.monotonic() - started)
        except (ObjectConflict, ManifestError) as error:
            await self._quarantine(item, str(error))
        except StoreRejected as error:
            self._postpone(item, REFUSED, str(error))
        except StoreError as error:
            self._close(item, str(error))
        except TimeoutError:
            self._close(item, f"the store took longer than {ATTEMPT_TIMEOUT:g} s")
        except OSError as error:
            self._spool_failed(item, error)
        except Exception:  # noqa: BLE001  whatever it is, recording must not end over it
            _log.exception("an upload failed in a way nobody expected")
            self._postpone(item, REFUSED, "an error nobody expected")
        finally:
            self._under_way -= 1
            if item.segment.name in self._items:
                heapq.heappush(self._later, (item.due, item.stem, item))
            self._changed.set()

    def _spool_failed(self, item: _Item, error: OSError) -> None:
        if item.segment.audio.exists():
            self._postpone(item, UNAVAILABLE, f"the spool failed: {error}")
        else:
            self._forget(item)
            _log.error("segment gone before it was uploaded", **{logs.FILE: str(item.segment.audio)})

    async def _finish(self, item: _Item, seconds: float) -> None:
        """The bucket has it: let the local copy go, and only then forget about it."""
        await self._disk(self._spool.discard, item.segment)
        self._forget(item)
        if not self._reachable:
            self._reachable = True
            self._outage = Backoff()
            _log.info("store reachable again", **{logs.STORE: self._store.url})
        _log.info(
            "segment uploaded",
            **{
                logs.KEY: item.segment.audio_key,
                logs.SECONDS: round(seconds, 3),
                logs.ATTEMPT: item.attempts,
                "waiting": len(self._items),
            },
        )

    async def _quarantine(self, item: _Item, reason: str) -> None:
        try:
            await self._disk(self._spool.set_aside, item.segment)
        except OSError as error:
            self._postpone(item, REFUSED, f"{reason}; and it cannot be set aside: {error}")
            return
        self._forget(item)
        _log.error(
            "segment set aside: it cannot be uploaded, and a person must look at it",
            **{logs.FILE: str(item.segment.audio), logs.ERROR: reason},
        )

    def _forget(self, item: _Item) -> None:
        del self._items[item.segment.name]
        self._one_less.set()

    def _close(self, item: _Item, reason: str) -> None:
        """The store is away, or this segment alone is unlucky: let another one ask, after a while."""
        self._postpone(item, UNAVAILABLE, reason)
        self._reachable = False
        self._closed_until = self._clock.monotonic() + self._outage.delay(UNAVAILABLE, self._chance())

    def _postpone(self, item: _Item, pace: Pace, reason: str) -> None:
        delay = item.backoff.delay(pace, self._chance())
        now = self._clock.monotonic()
        item.due = now + delay
        # By kind, not by text: that has the key in it.
        held_back = self._repeats.admit(pace, now)
        if held_back is not None:
            say = _log.error if pace is REFUSED else _log.warning
            say(
                "upload failed; it will be tried again",
                **{
                    logs.KEY: item.segment.audio_key,
                    logs.ERROR: reason,
                    logs.ATTEMPT: item.attempts,
                    logs.DELAY: round(delay, 1),
                    logs.SUPPRESSED: held_back,
                    "waiting": len(self._items),
                },
            )


def _upload(store: ObjectStore, segment: SealedSegment) -> None:
    """Put a segment into a store and see that it is there. Blocking.

    Raises:
        StoreError: it did not get there, or not whole.
        ManifestError: the manifest in the spool cannot be read.
        OSError: the spool cannot be read.
    """
    manifest, data = segment.read_manifest()
    digest = hashlib.sha256(data).hexdigest()
    name, content_type = segment.name, segment.audio_format.content_type
    store.put(segment.audio_key, segment.audio, sha256=manifest.audio.sha256, content_type=content_type)
    store.put(name.manifest_key, data, sha256=digest, content_type=MANIFEST_TYPE)
    _read_back(store, segment.audio_key, manifest.audio.size, manifest.audio.sha256)
    _read_back(store, name.manifest_key, len(data), digest)


def _read_back(store: ObjectStore, key: str, size: int, sha256: str) -> None:
    """See that the store holds what it was given, by its own checksum where it has one, else by reading it.

    Raises:
        StoreUnavailable: it does not.
    """
    try:
        stat = store.stat(key)
        found = stat.sha256
        if found is None and stat.size == size:
            digest = hashlib.sha256()
            with store.open(key) as content:
                for part in iter(lambda: content.read(_READ_SIZE), b""):
                    digest.update(part)
            found = digest.hexdigest()
    except ObjectNotFound:
        raise StoreUnavailable(f"{key} was put and is not there") from None
    if (stat.size, found) != (size, sha256):
        raise StoreUnavailable(f"{key} was put and reads back differently: {stat.size} of {size} bytes")

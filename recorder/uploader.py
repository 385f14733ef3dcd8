"""Drains the spool into the bucket: audio, manifest, read back, discard. Knows no audio format.

A segment exists in the bucket exactly when its manifest does, so the audio goes first. A local copy goes only
after the bucket has been read back equal. What fails is tried again for ever; whose turn it is, `backlog`
knows.
"""

import math
import random
from collections.abc import Callable
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from recorder import logs
from recorder.backlog import Backlog, Item
from recorder.clock import Clock
from recorder.core.backoff import Pace
from recorder.delivery import AudioDamaged, ReadBackFailed, deliver
from recorder.offload import Offload
from recorder.segment import SealedSegment
from recorder.spool import Spool
from recorder.tally import UploadTally
from storage.errors import ObjectConflict, StoreError, StoreRejected
from storage.manifest import ManifestError, SegmentManifest
from storage.store import ObjectStore

UNAVAILABLE: Final = Pace(floor=0.5, base=2.0, cap=60.0)
REFUSED: Final = Pace(floor=5.0, base=20.0, cap=300.0)
ATTEMPT_TIMEOUT = 120.0
"""Seconds for one segment, put and read back, and a second more for each `SLOWEST` bytes of it. A store that
hangs must not count as one that is slow."""
SLOWEST = 16_000
"""Bytes a second: what a stream brings. A link that takes less never catches up."""
_GRACE = 5.0
"""Seconds in which an attempt whose time is up may end by itself, before it is left to itself."""
PARALLEL = 4
"""Segments under way at once. Some stores throttle at two or three; a restart after an outage wants more."""
SHARE = PARALLEL - 1
"""Segments of one watch under way at once: each of them may take all the time that there is."""
LOOK_INTERVAL = 300.0
"""Seconds after which the spool is listed again, for what a person has put back into it."""
REPEAT_INTERVAL = 60.0
"""Seconds between two log lines that say the same."""

_log = structlog.stdlib.get_logger(__name__)


class Uploader:
    """Uploads what is sealed, oldest first.

    Attributes:
        tally: what came of it so far.
    """

    def __init__(
        self,
        spool: Spool,
        store: ObjectStore,
        *,
        clock: Clock,
        disk: Offload,
        network: Offload,
        chance: Callable[[], float] = random.random,
        on_uploaded: Callable[[SegmentManifest], None] = lambda _: None,
    ) -> None:
        self._spool = spool
        self._store = store
        self._clock = clock
        self._disk = disk
        self._network = network
        self._on_uploaded = on_uploaded
        self._backlog = Backlog(SHARE, chance)
        self._under_way = 0
        self._look_at = 0.0  # monotonic seconds
        self._changed = anyio.Event()  # something was sealed, or an attempt has ended
        self._one_less = anyio.Event()  # a segment has left the list
        self._repeats = logs.Repeats(REPEAT_INTERVAL)
        self._turn_by = math.inf  # when `run` must have come to its next turn, monotonic seconds
        self._end_by: dict[Item, float] = {}  # when attempts must have ended
        self.tally = UploadTally()

    def add(self, segment: SealedSegment) -> None:
        """Say that a segment was sealed. One that is known already is not taken twice."""
        if segment.name not in self._backlog:
            self._backlog.add(segment)
            self._wake()

    def untried(self) -> list[SealedSegment]:
        """See `Uploads`: of what was tried, something may be in the bucket already."""
        return self._backlog.untried()

    def hold(self, segment: SealedSegment) -> bool:
        """See `Uploads`."""
        return self._backlog.hold(segment.name)

    def put_back(self, segment: SealedSegment) -> None:
        """See `Uploads`."""
        self._backlog.put_back(segment)
        self._wake()

    @property
    def waiting(self) -> int:
        """How many segments are not in the bucket yet, as far as is known here."""
        return len(self._backlog)

    @property
    def away(self) -> bool:
        """Whether the store counts as away."""
        return self._backlog.away

    @property
    def overdue(self) -> float:
        """Seconds ago that something should have happened here which has not; 0 while all goes on.

        A store that is away is no reason: each attempt has an end, and the next its time.
        """
        return max(0.0, self._clock.monotonic() - min([self._turn_by, *self._end_by.values()]))

    def _wake(self) -> None:
        """Have `run` see whose turn it is."""
        self._changed.set()
        self._turn_by = min(self._turn_by, self._clock.monotonic())

    async def run(self) -> None:
        """Upload for ever. Ends only by cancellation; what is not uploaded stays in the spool."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._changed = anyio.Event()
                self._turn_by = self._clock.monotonic()
                if self._clock.monotonic() >= self._look_at:
                    self._look_at = self._clock.monotonic() + LOOK_INTERVAL
                    await self._look()
                wait = min(self._start(tasks), LOOK_INTERVAL)
                self._turn_by = self._clock.monotonic() + (0 if self._changed.is_set() else wait)
                with anyio.move_on_after(wait):
                    await self._changed.wait()

    async def drain(self) -> None:
        """Return when everything that is sealed has been uploaded. To be given a deadline by the caller."""
        self._backlog.hurry()
        self._wake()
        await self._look()
        while self._backlog:
            self._one_less = anyio.Event()
            await self._one_less.wait()

    async def _look(self) -> None:
        """Learn of what is sealed. The spool is the list; nothing that was forgotten here is forgotten.

        What has left the spool since it was listed has been dealt with, and must not come back.
        """
        for segment in await self._disk(lambda: list(self._spool.sealed())):
            if segment.name not in self._backlog and segment.audio.exists():
                self.add(segment)

    def _start(self, tasks: TaskGroup) -> float:
        """Start whose turn it is and return the seconds until it may be another's."""
        now = self._clock.monotonic()
        while self._under_way < PARALLEL:
            item = self._backlog.take(now)
            if item is None:
                break
            self._under_way += 1
            tasks.start_soon(self._attend, item)
        return self._backlog.wait(now) if self._under_way < PARALLEL else LOOK_INTERVAL

    async def _attend(self, item: Item) -> None:
        """One attempt at one segment, and what follows from it."""
        started = self._clock.monotonic()
        limit = ATTEMPT_TIMEOUT
        self._end_by[item] = started + limit
        try:
            limit += await self._disk(item.segment.size) / SLOWEST
            self._end_by[item] = started + limit + _GRACE
            await self._disk(self._spool.note_tried, item.segment)
            with anyio.fail_after(limit + _GRACE):
                manifest = await self._network(deliver, self._store, item.segment, limit)
            await self._finish(item, self._clock.monotonic() - started)
            self._on_uploaded(manifest)
        except (ObjectConflict, ManifestError, AudioDamaged) as error:
            await self._quarantine(item, str(error))
        except StoreRejected as error:
            self.tally.failed("rejected")
            self._postpone(item, REFUSED, str(error))
        except StoreError as error:
            self.tally.failed("unavailable", read_back=isinstance(error, ReadBackFailed))
            self._postpone(item, UNAVAILABLE, str(error))
        except TimeoutError:
            self.tally.failed("timeout")
            self._postpone(item, UNAVAILABLE, f"the store took longer than {limit:.0f} s")
        except OSError as error:
            self._spool_failed(item, error)
        except Exception:  # noqa: BLE001  whatever it is, recording must not end over it
            self.tally.failed("error")
            _log.exception("an upload failed in a way nobody expected")
            self._postpone(item, REFUSED, "an error nobody expected")
        finally:
            self._under_way -= 1
            del self._end_by[item]
            self._wake()

    def _spool_failed(self, item: Item, error: OSError) -> None:
        self.tally.failed("spool")
        if item.segment.audio.exists():
            self._postpone(item, UNAVAILABLE, f"the spool failed: {error}")
        else:
            self._drop(item)
            _log.error("segment gone before it was uploaded", **{logs.FILE: str(item.segment.audio)})

    async def _finish(self, item: Item, seconds: float) -> None:
        """The bucket has it: let the local copy go, and only then forget about it.

        If it does not go now, the spool will be listed again and it again be put where it is already.
        """
        try:
            await self._disk(self._spool.discard, item.segment)
        except OSError as error:
            _log.error("an uploaded segment cannot be removed from the spool", **{logs.ERROR: str(error)})
        self.tally.uploaded(seconds)
        was_away = self._backlog.succeeded(item)
        self._one_less.set()
        if was_away:
            _log.info("store reachable again", **{logs.STORE: self._store.url})
        _log.info(
            "segment uploaded",
            **{
                logs.KEY: item.segment.audio_key,
                logs.SECONDS: round(seconds, 3),
                logs.ATTEMPT: item.attempts,
                "waiting": len(self._backlog),
            },
        )

    async def _quarantine(self, item: Item, reason: str) -> None:
        self.tally.failed("set_aside")
        try:
            await self._disk(self._spool.set_aside, item.segment)
        except OSError as error:
            self._postpone(item, REFUSED, f"{reason}; and it cannot be set aside: {error}")
            return
        self._drop(item)
        _log.error(
            "segment set aside: it cannot be uploaded, and a person must look at it",
            **{logs.FILE: str(item.segment.audio), logs.ERROR: reason},
        )

    def _drop(self, item: Item) -> None:
        self._backlog.dropped(item)
        self._one_less.set()

    def _postpone(self, item: Item, pace: Pace, reason: str) -> None:
        now = self._clock.monotonic()
        delay = self._backlog.failed(item, pace, now)
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
                    "waiting": len(self._backlog),
                },
            )

"""Enters names into the register of the bucket, once in a life of the process for each watch and name.

After the first segment that says so is in the bucket, and apart from all uploads: whatever becomes of an
entry, no segment waits for it. Without it, `recordings` has to read manifests to find a name, and does.
"""

import hashlib
import random
from collections.abc import Callable
from typing import Final

import anyio
import structlog

from recorder import logs
from recorder.core.backoff import Backoff, Pace
from recorder.offload import Offload
from storage import deadline
from storage.errors import ObjectConflict, StoreRejected
from storage.manifest import SegmentManifest
from storage.register import REGISTER, Entry, fold, format_entry
from storage.store import ObjectStore

PACE: Final = Pace(floor=1.0, base=10.0, cap=600.0)
ATTEMPT_TIMEOUT: Final = 20.0
"""Seconds for one entry, and a second more for a store that does not let itself be interrupted."""
LAST_WORDS: Final = 5.0
"""Seconds that what waits at a stop has to be entered."""

_log = structlog.stdlib.get_logger(__name__)


class Registrar:
    """Enters what is told to it, one after the other."""

    def __init__(
        self, store: ObjectStore, *, network: Offload, chance: Callable[[], float] = random.random
    ) -> None:
        self._store = store
        self._network = network
        self._chance = chance
        self._entered: set[Entry] = set()
        self._waiting: dict[Entry, str] = {}  # the keys of manifests that say so
        self._added = anyio.Event()
        self._emptied = anyio.Event()
        self._complained = False

    def uploaded(self, manifest: SegmentManifest) -> None:
        """A segment is in the bucket. Returns at once."""
        for name in {fold(name) for name in manifest.names} or {""}:
            entry = Entry(name, manifest.watch.watch_id)
            if entry not in self._entered and entry not in self._waiting:
                self._waiting[entry] = manifest.key
                self._added.set()

    async def run(self) -> None:
        """Enter for ever. Ends only by cancellation."""
        backoff = Backoff()
        while True:
            while not self._waiting:
                self._emptied.set()
                self._added = anyio.Event()
                await self._added.wait()
            entry = next(iter(self._waiting))
            if await self._enter(entry, self._waiting[entry]):
                self._entered.add(entry)
                del self._waiting[entry]
                backoff = Backoff()
            else:
                self._waiting[entry] = self._waiting.pop(entry)  # the others first
                await anyio.sleep(backoff.delay(PACE, self._chance()))

    async def finish(self, deadline: float) -> None:
        """Have entered what waits, for a moment, and not beyond the deadline (seconds of the loop's clock).

        What is left the next life enters, with a segment of it.
        """
        with anyio.CancelScope(deadline=min(deadline, anyio.current_time() + LAST_WORDS)):
            while self._waiting:
                self._emptied = anyio.Event()
                await self._emptied.wait()

    async def _enter(self, entry: Entry, manifest_key: str) -> bool:
        """Try it; whether it is there."""
        try:
            with anyio.fail_after(ATTEMPT_TIMEOUT + 1):
                await self._network(_put, self._store, entry.key, format_entry(manifest_key))
        except ObjectConflict:
            return True  # as it was entered before, with another segment
        except Exception as error:  # noqa: BLE001  whatever it is, recording must not end over it
            self._complain(error)
            return False
        return True

    def _complain(self, error: Exception) -> None:
        """Say once that it fails for good. Names are in keys and these in messages: no log gets them."""
        if isinstance(error, StoreRejected) and not self._complained:
            self._complained = True
            _log.warning(
                "names are not entered into the register of the bucket; it is tried again",
                **{
                    logs.STORE: self._store.url,
                    logs.ERROR: type(error).__name__,
                    "remedy": f"permit this credential to put objects below {REGISTER}; without the register"
                    " recordings are found by name all the same, slowly",
                },
            )


def _put(store: ObjectStore, key: str, data: bytes) -> None:
    with deadline.within(ATTEMPT_TIMEOUT):
        store.put(key, data, sha256=hashlib.sha256(data).hexdigest(), content_type="application/json")

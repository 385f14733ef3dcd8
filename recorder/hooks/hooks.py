"""All hooks together: what happens is put into words once, and told to those who want it."""

from collections.abc import Sequence
from typing import Final

import anyio

from recorder.clock import Clock
from recorder.hooks.courier import Courier
from recorder.hooks.event import Event, loss, occurrence
from recorder.watchlist import Watch
from storage.manifest import SegmentManifest, WatchFacts

LAST_WORDS: Final = 5.0
"""Seconds that what waits at a stop has to be told."""


class Hooks:
    """Tells the hooks. No call waits for any of them.

    Attributes:
        couriers: one for each.
    """

    def __init__(self, couriers: Sequence[Courier], clock: Clock) -> None:
        self.couriers = tuple(couriers)
        self._clock = clock

    def uploaded(self, manifest: SegmentManifest) -> None:
        """A segment is in the bucket. Of audio that was given up, this is when it is known for good."""
        self._tell(Event.SEGMENT_UPLOADED, manifest.watch, manifest)
        if manifest.replaces:
            self._tell(Event.AUDIO_LOST, manifest.watch, manifest, "disk")

    def sealed(self, manifest: SegmentManifest) -> None:
        """A segment is finished, or was recovered."""
        if lost := loss(manifest):
            self._tell(Event.AUDIO_LOST, manifest.watch, manifest, lost)

    def blocked(self, watch: Watch, why: str) -> None:
        """A watch cannot be recorded."""
        facts = WatchFacts(kind=watch.watch_id.kind, id=watch.watch_id.id, name=watch.name)
        self._tell(Event.WATCH_BLOCKED, facts, reason=why)

    def outcomes(self) -> dict[str, int]:
        """How many events were taken and given up, and how many attempts failed, over all hooks."""
        tallies = [courier.tally for courier in self.couriers]
        return {
            "taken": sum(tally.taken.total() for tally in tallies),
            "given_up": sum(tally.given_up.total() for tally in tallies),
            "failed": sum(tally.failures for tally in tallies),
        }

    async def run(self) -> None:
        """Tell for ever. Ends only by cancellation."""
        async with anyio.create_task_group() as tasks:
            for courier in self.couriers:
                tasks.start_soon(courier.run)

    async def finish(self) -> None:
        """Have told what waits, for a moment; what is not taken then is given up."""
        with anyio.move_on_after(LAST_WORDS):
            for courier in self.couriers:
                await courier.drain()
        for courier in self.couriers:
            await courier.close()

    def _tell(
        self,
        event: Event,
        watch: WatchFacts,
        manifest: SegmentManifest | None = None,
        reason: str | None = None,
    ) -> None:
        those = [courier for courier in self.couriers if courier.wants(event)]
        if not those:
            return
        utc, now = self._clock.utc(), self._clock.monotonic()
        told = occurrence(event, watch, utc=utc, now=now, manifest=manifest, reason=reason)
        for courier in those:
            courier.tell(told)

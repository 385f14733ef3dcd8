"""Performs the events of one recording on the spool: opens, appends, closes; and seals. Blocking.

Sealing is a call of its own, for it can wait: the segments of all watches end at the same moment, and what
comes next of each must not stand behind the hashing and encoding of all.

A disk that fails costs the samples that it did not take, and they are in the ledger of their segment. What it
cannot even close or seal is kept in mind, without its audio, and tried again.
"""

import errno
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from recorder.core.events import Event, SamplesReady, SegmentClosed, SegmentOpened, SilenceReady
from recorder.reserve import Reserve
from recorder.spool import Spool
from recorder.unbroken import UnbrokenSegment
from storage.manifest import SegmentFacts, SegmentManifest

MOST_UNSEALED: Final = 100
"""Segments of one watch that are kept in mind while the disk does not take them: about a third of a megabyte,
and eight hours at five minutes each."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What a disk says that takes nothing of anybody."""


@dataclass(frozen=True, slots=True)
class SamplesMissed:
    """Audio that the disk did not take. It is in the ledger; `error` is None where the reserve forbade it."""

    samples: int
    error: OSError | None


@dataclass(frozen=True, slots=True)
class SegmentFailed:
    """A closed segment that the disk did not let be sealed. It is tried again unless it is `given_up`."""

    facts: SegmentFacts
    error: OSError
    given_up: bool = False


class SegmentWriter:
    """Writes the segments of one watch, one after the other.

    `previous` is the SHA-256 (hex) of the manifest that was sealed last before, if that is known.
    """

    def __init__(self, spool: Spool, reserve: Reserve | None = None, previous: str | None = None) -> None:
        self._spool = spool
        self._reserve = reserve or Reserve()
        self._segment: UnbrokenSegment | None = None
        self._closed: deque[tuple[int, UnbrokenSegment]] = deque()  # and not sealed yet; counted
        self._count = 0  # segments closed
        # The one sealed last, and the SHA-256 of its manifest.
        self._last: tuple[int, str] | None = (0, previous) if previous else None
        self._sealing = threading.Lock()  # a manifest names the one before it

    @property
    def unsealed(self) -> bool:
        """Whether there is something for `seal` to do."""
        return bool(self._closed)

    @property
    def behind(self) -> bool:
        """Whether the disk has not taken the last of what it was given."""
        return self._segment is not None and self._segment.behind

    def seal(self) -> list[SegmentManifest | SegmentFailed]:
        """Seal what was closed before, in its order; return what became of it. May run beside `perform`.

        What fails stays, and is tried by the next call.
        """
        sealed: list[SegmentManifest | SegmentFailed] = []
        with self._sealing:
            for number, segment in list(self._closed):
                # A chain goes from one segment to the very next; where one waits, another begins.
                previous = self._last[1] if self._last and self._last[0] == number - 1 else None
                try:
                    manifest, sha256 = segment.seal(previous)
                except OSError as error:
                    sealed.append(self._keep(number, segment, error))
                    if error.errno in _FULL:
                        break
                else:
                    self._last = (number, sha256)
                    self._closed.remove((number, segment))
                    sealed.append(manifest)
        return sealed

    def perform(self, events: Sequence[Event]) -> SamplesMissed | None:
        """Do what the events say, in order; return what the disk did not take of it."""
        missed, error = 0, None
        for event in events:
            if isinstance(event, SegmentOpened):
                self._segment = UnbrokenSegment(self._spool, self._reserve, event.facts)
            if self._segment:
                segment, before = self._segment, self._segment.missed
                self._perform(segment, event)
                missed, error = missed + segment.missed - before, segment.error or error
        if self._reserve.paused:
            self._reserve.miss(missed)
            error = None
        return SamplesMissed(missed, error) if missed else None

    def abandon(self) -> list[SegmentFailed]:
        """Let go of every file; return what is not sealed. What the disk has of it the next start repairs."""
        segments = [segment for _, segment in self._closed] + ([self._segment] if self._segment else [])
        self._closed.clear()
        self._segment = None
        for segment in segments:
            segment.abandon()
        return [SegmentFailed(segment.facts, segment.failure, given_up=True) for segment in segments]

    def _perform(self, segment: UnbrokenSegment, event: Event) -> None:
        match event:
            case SamplesReady(pcm):
                segment.write(pcm)
            case SilenceReady(samples, _, facts):
                segment.write_silence(samples, facts)
            case SegmentClosed(facts):
                segment.finish(facts)
                self._segment = None
                self._count += 1
                self._closed.append((self._count, segment))
            case _:
                pass

    def _keep(self, number: int, segment: UnbrokenSegment, error: OSError) -> SegmentFailed:
        """Keep in mind what could not be sealed, as far as there is room in memory."""
        given_up = len(self._closed) > MOST_UNSEALED
        if given_up:
            self._closed.remove((number, segment))
            segment.abandon()
        return SegmentFailed(segment.facts, error, given_up)

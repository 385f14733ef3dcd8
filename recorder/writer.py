"""Performs the events of one recording on the spool: opens, appends, closes; and seals. Blocking.

Sealing is a call of its own, for it can wait: the segments of all watches end at the same moment, and what
comes next of each must not stand behind the hashing and encoding of all.

A disk that fails costs the segment it failed in, never the recording: what could be written stays in the
spool for the next start to repair, and how much could not is said.
"""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recorder.core.events import Event, SamplesReady, SegmentClosed, SegmentOpened, SilenceReady
from recorder.core.media import SAMPLE_WIDTH
from recorder.segment import OpenSegment
from recorder.spool import Spool
from storage.manifest import SegmentFacts, SegmentManifest


@dataclass(frozen=True, slots=True)
class SegmentFailed:
    """A segment that the disk did not take whole: `unwritten` samples of it are lost."""

    facts: SegmentFacts
    unwritten: int
    error: OSError


class SegmentWriter:
    """Writes the segments of one watch, one after the other.

    `previous` is the SHA-256 (hex) of the manifest that was sealed last before, if that is known.
    """

    def __init__(self, spool: Spool, previous: str | None = None) -> None:
        self._spool = spool
        self._segment: OpenSegment | None = None
        self._previous = previous  # SHA-256 of the manifest sealed last
        self._failure: OSError | None = None  # of the segment at hand
        self._unwritten = 0
        self._closed: deque[tuple[OpenSegment, SegmentFacts]] = deque()  # and not sealed yet
        self._sealing = threading.Lock()  # a manifest names the one before it

    @property
    def unsealed(self) -> bool:
        """Whether there is something for `seal` to do."""
        return bool(self._closed)

    def seal(self) -> list[SegmentManifest | SegmentFailed]:
        """Seal what was closed before, in its order; return what became of it. May run beside `perform`."""
        sealed: list[SegmentManifest | SegmentFailed] = []
        with self._sealing:
            while self._closed:
                segment, facts = self._closed.popleft()
                try:
                    manifest, self._previous = self._spool.seal(segment, facts, self._previous)
                except OSError as error:
                    sealed.append(SegmentFailed(facts, 0, error))
                else:
                    sealed.append(manifest)
        return sealed

    def perform(self, events: Sequence[Event]) -> list[SegmentFailed]:
        """Do what the events say, in order; return the segments that they close and that have failed."""
        failed: list[SegmentFailed] = []
        for event in events:
            try:
                self._perform(event)
            except OSError as error:
                self._failure = error
            if self._failure:
                failed += self._account(event, self._failure)
        return failed

    def _perform(self, event: Event) -> None:
        """Do what an event says, unless its segment has failed.

        Raises:
            OSError: the disk did not take it.
        """
        match event:
            case SegmentOpened(facts):
                self._segment = self._spool.open(facts)
            case SamplesReady(pcm) if self._segment:
                self._segment.wav.write(pcm)
            case SilenceReady(samples, _, facts) if self._segment:
                self._segment.note(facts)
                self._segment.wav.write_silence(samples)
            case SegmentClosed(facts) if self._segment:
                self._segment.close(facts)
                self._closed.append((self._segment, facts))
                self._segment = None
            case _:
                pass

    def _account(self, event: Event, failure: OSError) -> Iterable[SegmentFailed]:
        """Leave the failed segment alone and count what it misses, until it would have been closed."""
        if self._segment:
            self._segment.wav.abandon()
            self._segment = None
        match event:
            case SamplesReady(pcm):
                self._unwritten += len(pcm) // SAMPLE_WIDTH
            case SilenceReady(samples):
                self._unwritten += samples
            case SegmentClosed(facts):
                failed = SegmentFailed(facts, self._unwritten, failure)
                self._failure, self._unwritten = None, 0
                return (failed,)
            case _:
                pass
        return ()

"""Whether what is in the bucket is what was sent, to the sample.

The generator plays one tape to all, and says from which tick to which each connection was sent it. A sample
of the bucket that the ledger does not call silence of ours must be the next one of its connection.
"""

from io import BytesIO
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from recorder.simulator.tape import Tape
from storage.manifest import GapReason, OpenedAfterReason, SegmentManifest, parse_manifest
from storage.names import MANIFEST_SUFFIX
from storage.store import ObjectStore
from tests.bench.generator import FRAME, TAPE
from tests.bench.load import Spans

Samples = NDArray[np.int16]


class Played:
    """What one watch was sent, connection by connection, and how far the bucket has followed it."""

    def __init__(self, tape: Samples) -> None:
        self._tape = tape
        self._spans: list[tuple[int, int]] = []
        self._at = 0  # the connection that is followed
        self._position = 0  # in samples, from its first
        self._lost: list[int] = []  # of each connection
        self.unknown = 0
        """Samples of a connection that nobody has sent anything on."""

    def follow(self, spans: list[tuple[int, int]]) -> None:
        """What was sent by now."""
        self._spans = [(first, last) for first, last in spans if last > first]
        self._lost += [0] * (len(self._spans) - len(self._lost))

    def take(self, manifest: SegmentManifest, samples: Samples) -> None:
        """Compare one more segment."""
        before = manifest.opened_after
        if before and OpenedAfterReason.DISCONNECTED in {before.reason, *before.by_reason}:
            self._reconnected()
        position = 0
        for entry in manifest.ledger:
            self._hear(samples[position : entry.start])
            position = entry.start + entry.samples
            if entry.reason is GapReason.DISCONNECTED:
                self._reconnected()
            elif entry.reason is GapReason.LOST:
                self._miss(entry.samples)
        self._hear(samples[position:])

    def lost(self) -> list[int]:
        """Of each connection, the samples that are not there or not in their place, if this was all."""
        lost = list(self._lost)
        for at in range(self._at, len(self._spans)):
            lost[at] += max(0, self._length(at) - (self._position if at == self._at else 0))
        return lost

    def _hear(self, samples: Samples) -> None:
        if not len(samples):
            return
        if self._at >= len(self._spans):
            self.unknown += len(samples)
            return
        first, _ = self._spans[self._at]
        length = self._length(self._at)
        known = samples[: max(0, length - self._position)]
        sent = expected(self._tape, first, self._position, len(known))
        wrong = int(np.count_nonzero(sent != known)) + len(samples) - len(known)
        self._lost[self._at] += wrong
        self._position += len(samples)

    def _miss(self, samples: int) -> None:
        if self._at < len(self._lost):
            self._lost[self._at] += samples
            self._position += samples

    def _reconnected(self) -> None:
        # An interruption that goes across a cut is told of in both segments.
        if not self._position or self._at >= len(self._spans):
            return
        self._lost[self._at] += max(0, self._length(self._at) - self._position)
        self._at += 1
        self._position = 0

    def _length(self, at: int) -> int:
        first, last = self._spans[at]
        return (last - first) * FRAME


def expected(tape: Samples, first: int, position: int, count: int) -> Samples:
    """`count` samples of what is sent from tick `first` on, from sample `position` on."""
    begin, skip = divmod(position, FRAME)
    ticks = np.arange(first + begin, first + begin + (skip + count) // FRAME + 1)
    starts = ticks * FRAME % (len(tape) - FRAME)
    whole: Samples = tape[starts[:, None] + np.arange(FRAME)].reshape(-1)
    return whole[skip : skip + count]


class Comparison:
    """Follows a bucket while it fills."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._tape = Tape.speech(TAPE).samples
        self._played: dict[str, Played] = {}
        self._seen: set[str] = set()
        self._done: set[str] = set()

    def take(self, spans: Spans, *, tidy: bool = False) -> None:
        """Compare the segments that are new in the bucket.

        With `tidy`, those that were there at the last call already, and they are deleted: a bucket that is
        filled for hours would need a disk as large.
        """
        manifests = {stat.key for stat in self._store.list() if stat.key.endswith(MANIFEST_SUFFIX)}
        ready = sorted((manifests & self._seen if tidy else manifests) - self._done)
        self._seen = manifests
        for path, each in spans.items():
            self._of(path.split("/")[3]).follow(each)
        for key in ready:
            self._take(key, tidy=tidy)

    def _take(self, key: str, *, tidy: bool) -> None:
        with self._store.open(key) as file:
            manifest = parse_manifest(file.read())
        with self._store.open(manifest.audio.key) as file:
            samples = _read(file.read())
        self._of(manifest.watch.id).take(manifest, samples)
        self._done.add(key)
        if tidy:
            self._store.delete(manifest.audio.key)
            self._store.delete(key)

    def _of(self, watch: str) -> Played:
        return self._played.setdefault(watch, Played(self._tape))

    def lost(self) -> int:
        """Samples that are not in the bucket, or not in their place."""
        return sum(sum(played.lost()) + played.unknown for played in self._played.values())

    def lost_of(self, connection: int) -> int:
        """The same of one connection of each watch, the first being 0."""
        return sum(sum(played.lost()[connection : connection + 1]) for played in self._played.values())


def _read(data: bytes) -> Samples:
    samples: Any = soundfile.read(BytesIO(data), dtype="int16")[0]
    return np.asarray(samples, np.int16)

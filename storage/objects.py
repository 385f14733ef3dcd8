"""Audio objects out of a store: whole, and found to be what was recorded, before a sample of one is given.

A few are downloaded ahead of who reads them, and no more are held than that. Knows no line and no layout.
"""

import contextlib
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Self, cast

from storage import durable
from storage.audio import AudioError, Samples, read_flac_samples, read_samples
from storage.errors import ObjectNotFound
from storage.layout import CORRUPT, MISSING, Cut
from storage.manifest import Audio, SegmentManifest
from storage.names import AudioFormat, SegmentName
from storage.store import ObjectStore

AHEAD = 4
"""Objects downloaded while another is read. Each is a connection to the store."""

KEPT = 3
"""Objects kept that were read last: where recorders take turns, the same one is needed again soon."""

IN_MEMORY = 8 << 20
"""Bytes of an object kept in memory: eight minutes as a WAV. What is longer goes through a file.

So no more than AHEAD + KEPT + 1 times as much is ever held, however much is read.
"""

_BLOCK = 1 << 20
"""Bytes read at a time."""


class Unusable(Exception):
    """An audio object cannot be used; `reason` is for the ledger."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Objects:
    """The audio objects of a store. A context: it ends downloads that nobody waits for any more.

    Args:
        store: where they are.
        folder: where to keep those that were found good, so that another time they are not downloaded again;
            it must exist. None keeps none.
    """

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder
        self._threads = ThreadPoolExecutor(AHEAD, "download")
        self._expected: deque[SegmentManifest] = deque()
        self._held: dict[SegmentName, Future[BinaryIO]] = {}
        self._read: list[SegmentName] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for name in list(self._held):
            self._release(name)

    def expect(self, segments: Iterable[SegmentManifest]) -> None:
        """Say what will be read next, in order; downloads begin with the first that is read."""
        self._expected = deque(segments)

    def samples(self, cut: Cut) -> Iterator[Samples]:
        """The samples of a cut, in blocks; none before its whole object was found to be what was recorded.

        Raises:
            Unusable: it is not, or it is not there. Raised before the first block.
            StoreError: the store cannot be read.
        """
        segment = cut.segment
        file = self._open(segment)
        file.seek(0)
        total, rate, sha256 = segment.samples, segment.sample_rate, segment.audio.pcm_sha256
        try:
            if segment.audio_format is AudioFormat.FLAC:
                yield from read_flac_samples(
                    file, cut.start, cut.stop, total=total, sample_rate=rate, sha256=sha256
                )
            else:
                yield from read_samples(file, cut.start, cut.stop, total=total, sample_rate=rate)
        except AudioError as error:
            raise Unusable(CORRUPT, f"the audio is not what its manifest says: {error}") from None

    def _open(self, segment: SegmentManifest) -> BinaryIO:
        name = segment.name
        under_way = self._held.get(name) or self._begin(segment)
        if name in self._read:
            self._read.remove(name)
        self._read.append(name)
        while len(self._read) > KEPT:
            self._release(self._read.pop(0))
        while self._expected and len(self._held) - len(self._read) < AHEAD:
            following = self._expected.popleft()
            if following.name not in self._held:
                self._begin(following)
        return under_way.result()

    def _begin(self, segment: SegmentManifest) -> Future[BinaryIO]:
        future = self._threads.submit(self._download, segment.audio)
        self._held[segment.name] = future
        return future

    def _release(self, name: SegmentName) -> None:
        future = self._held.pop(name)
        if not future.cancel() and future.exception() is None:
            future.result().close()

    def _download(self, audio: Audio) -> BinaryIO:
        if self._folder is None:
            file = cast("BinaryIO", SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  it is handed on
            with _closed_on_failure(file):
                _copy(self._store, audio, file)
            return file
        kept = self._folder / audio.sha256
        download(self._store, audio, kept)
        return kept.open("rb")


def download(store: ObjectStore, audio: Audio, kept: Path) -> None:
    """Make an audio object a file here, found to be what was recorded, unless it is one already.

    Raises:
        Unusable: it is not, or it is not there. Then there is no file.
        StoreError: the store cannot be read.
    """
    if not _is_whole(kept, audio):
        aside = durable.temporary(kept)
        try:
            with aside.open("xb") as file:
                _copy(store, audio, file)
            aside.replace(kept)
        finally:
            aside.unlink(missing_ok=True)


def _copy(store: ObjectStore, audio: Audio, file: BinaryIO) -> None:
    digest, size = hashlib.sha256(), 0
    try:
        with store.open(audio.key, length=audio.size + 1) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
                size += file.write(block)
    except ObjectNotFound:
        raise Unusable(MISSING, "the audio is not in the store") from None
    if size != audio.size or digest.hexdigest() != audio.sha256:
        raise Unusable(CORRUPT, "the audio is not what was recorded: its SHA-256 is another")


@contextlib.contextmanager
def _closed_on_failure(file: BinaryIO) -> Iterator[None]:
    try:
        yield
    except BaseException:
        file.close()
        raise


def _is_whole(path: Path, audio: Audio) -> bool:
    """Whether it was kept, and a power cut has not taken a part of it since."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == audio.sha256
    except FileNotFoundError:
        return False

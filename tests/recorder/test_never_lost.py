"""Whatever the store does or says, at every instant each segment is in the bucket, whole, or still here."""

import asyncio
import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.offload import Arguments, Result
from recorder.spool import Spool
from storage.errors import ObjectConflict, ObjectNotFound, StoreError, StoreRejected, StoreUnavailable
from storage.manifest import SegmentManifest
from storage.store import ObjectStat
from tests.fakes import MemoryStore
from tests.recorder.uploads import seal, uploading, watch
from tests.virtual import Inline, VirtualLoop

SEGMENTS = 3
FAILURES: list[type[StoreError]] = [StoreUnavailable, StoreRejected, ObjectNotFound, ObjectConflict]
LIES: list[Callable[[bytes], bytes | None]] = [
    lambda _: None,
    lambda data: data[:-1],
    lambda data: data[: len(data) // 2],
    lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    lambda data: data + b"\r\n0\r\n",
    lambda _: b"",
]


class Treacherous(MemoryStore):
    """Fails or lies at every call of its life for which it is told to; then it is honest.

    A lie is never by chance the truth: nobody can be held to what cannot be told from it.
    """

    def __init__(self, acts: list[int], *, vouches: bool) -> None:
        super().__init__()
        self.vouches_for_sha256 = vouches
        self._acts = acts

    def _act(self) -> Callable[[bytes], bytes | None] | None:
        act = self._acts.pop(0) if self._acts else 0
        if 0 < act <= len(FAILURES):
            raise FAILURES[act - 1]("so it is told")
        return LIES[act - 1 - len(FAILURES)] if act else None

    def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
        lie = self._act()
        fresh = key not in self.objects
        super().put(key, source, sha256=sha256, content_type=content_type)
        if lie and fresh:
            stored = lie(self.objects[key])
            if stored is None:
                del self.objects[key]
            else:
                self.objects[key] = stored

    def stat(self, key: str) -> ObjectStat:
        lie, truth = self._act(), super().stat(key)
        if lie is None:
            return truth
        said = lie(self.objects[key]) or b""
        return ObjectStat(key, len(said), hashlib.sha256(said).hexdigest() if truth.sha256 else None)

    @contextmanager
    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        lie = self._act()
        with super().open(key, start=start, length=length) as stream:
            yield io.BytesIO(lie(stream.read()) or b"") if lie else stream


class Checking(Inline):
    """Checks after every call to the disk and to the network that nothing is missing."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__(seconds=0.1)
        self._check = check

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        try:
            return await super().__call__(call, *arguments)
        finally:
            self._check()


def is_safe(manifest: SegmentManifest, spool: Spool, store: MemoryStore) -> bool:
    """Whether the audio with its manifest is in the bucket, or somewhere in the spool's folder."""
    digest = manifest.audio.sha256
    in_bucket = store.objects.get(manifest.audio.key, b""), store.objects.get(manifest.name.manifest_key)
    here = [path for path in spool.folder.rglob(f"{manifest.name.spool_stem}.*") if path.is_file()]
    return (hashlib.sha256(in_bucket[0]).hexdigest() == digest and bool(in_bucket[1])) or (
        {path.suffix for path in here} >= {".wav", ".json"}
        and any(hashlib.sha256(path.read_bytes()).hexdigest() == digest for path in here)
    )


@settings(max_examples=60)
@given(
    acts=st.lists(st.integers(0, len(FAILURES) + len(LIES)), max_size=60),
    vouches=st.booleans(),
)
def test_the_bucket_and_the_spool_together_are_complete_at_every_instant(
    acts: list[int], *, vouches: bool
) -> None:
    async def upload() -> None:
        with tempfile.TemporaryDirectory() as folder:
            spool, store = Spool(Path(folder)), Treacherous(list(acts), vouches=vouches)
            manifests = [seal(spool, number, watch_id=watch(number % 2)) for number in range(SEGMENTS)]

            def check() -> None:
                assert all(is_safe(manifest, spool, store) for manifest in manifests)

            try:
                async with uploading(spool, store, Checking(check)) as uploader:
                    with anyio.fail_after(7 * 24 * 3600):
                        await uploader.drain()
                check()
            finally:
                spool.release()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(upload())

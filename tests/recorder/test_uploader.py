"""From the spool into the bucket, on virtual time: all of it arrives, once, and no copy goes before."""

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from recorder.offload import Arguments, Result
from recorder.spool import QUARANTINE, Spool
from recorder.uploader import ATTEMPT_TIMEOUT, Uploader
from storage.directory import DirectoryStore
from storage.errors import StoreRejected, StoreUnavailable
from storage.manifest import parse_manifest
from tests.fakes import MemoryStore
from tests.recorder.uploads import in_spool, seal, uploading
from tests.virtual import Inline, virtual_clock

pytestmark = pytest.mark.anyio


async def test_audio_and_manifest_arrive_and_the_spool_is_empty(spool: Spool) -> None:
    facts, store = seal(spool, 1), MemoryStore()

    async with uploading(spool, store) as uploader:
        await uploader.drain()

    audio, manifest = store.objects[facts.name.audio_key], store.objects[facts.name.manifest_key]
    assert parse_manifest(manifest).audio.sha256 == hashlib.sha256(audio).hexdigest()
    assert (len(store.objects), in_spool(spool)) == (2, 0)


async def test_an_object_says_what_it_is(spool: Spool, flac_spool: Spool) -> None:
    class Noting(MemoryStore):
        def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
            super().put(key, source, sha256=sha256, content_type=content_type)
            types.append((key.rpartition(".")[2], content_type))

    types: list[tuple[str, str]] = []
    for each in (spool, flac_spool):
        seal(each, 1)
        async with uploading(each, Noting()) as uploader:
            await uploader.drain()
        assert in_spool(each) == 0

    manifest = ("json", "application/json")
    assert types == [("wav", "audio/wav"), manifest, ("flac", "audio/flac"), manifest]


async def test_what_is_sealed_later_is_uploaded_without_being_asked_for(spool: Spool) -> None:
    store = MemoryStore()

    async with uploading(spool, store) as uploader:
        for number in range(3):
            await anyio.sleep(300)
            uploader.add(spool.segment(seal(spool, number)))
        await anyio.sleep(1)

    assert (len(store.objects), in_spool(spool)) == (6, 0)


async def test_an_outage_of_a_day_loses_nothing_and_asks_moderately(spool: Spool) -> None:
    store = MemoryStore()
    store.failure = StoreUnavailable("connection refused")
    attempts = Counting()

    async with uploading(spool, store, attempts) as uploader:
        for number in range(24):
            uploader.add(spool.segment(seal(spool, number)))
            await anyio.sleep(3600)
        assert in_spool(spool) == 24
        store.failure = None
        await anyio.sleep(70)

    assert (len(store.objects), in_spool(spool)) == (48, 0)
    assert attempts.calls < 24 * 3600 / 25, "however many wait, one of them asks, about twice a minute"


async def test_what_is_on_legal_hold_leaves_the_spool_only_when_it_is_held(spool: Spool) -> None:
    class Hesitating(MemoryStore):
        def hold(self, key: str) -> None:
            if refusing:
                raise StoreRejected("the bucket has no Object Lock")
            super().hold(key)

    refusing, store = True, Hesitating()
    seal(spool, 0)
    held = seal(spool, 1, legal_hold=True)

    async with uploading(spool, store):
        await anyio.sleep(3600)
        assert [segment.name for segment in spool.sealed()] == [held.name]
        refusing = False
        await anyio.sleep(600)

    assert in_spool(spool) == 0
    assert store.held == {held.name.audio_key, held.name.manifest_key}


class Counting(Inline):
    """A network that counts calls."""

    def __init__(self) -> None:
        super().__init__(seconds=0.1)
        self.calls = 0

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        self.calls += 1
        return await super().__call__(call, *arguments)


async def test_a_segment_that_is_always_refused_holds_up_no_other(spool: Spool) -> None:
    class Picky(MemoryStore):
        def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
            if key.endswith("_0.wav"):
                raise StoreRejected("403")
            super().put(key, source, sha256=sha256, content_type=content_type)

    store = Picky()
    for number in range(50):
        seal(spool, number)

    async with uploading(spool, store):
        await anyio.sleep(30)

    assert len(store.objects) == 98
    assert [segment.name.number for segment in spool.sealed()] == [0]


async def test_oldest_first(spool: Spool) -> None:
    store = MemoryStore()
    for number in (5, 1, 3, 4, 2):
        seal(spool, number)

    async with uploading(spool, store, Inline(seconds=10)) as uploader:
        await uploader.drain()

    audio = [key for key in store.objects if key.endswith(".wav")]
    assert {key[-5] for key in audio[:4]} == set("1234"), "four at once, and the youngest after them"
    assert audio[-1].endswith("_5.wav")


async def test_other_bytes_under_the_same_name_are_kept_aside_and_overwrite_nothing(spool: Spool) -> None:
    facts, store = seal(spool, 1), MemoryStore()
    store.objects[facts.name.audio_key] = b"somebody else's"

    async with uploading(spool, store) as uploader:
        await uploader.drain()

    assert store.objects == {facts.name.audio_key: b"somebody else's"}
    assert sorted(p.suffix for p in (spool.folder / QUARANTINE).iterdir()) == [".json", ".tried", ".wav"]


async def test_uploading_again_what_is_there_already_changes_nothing(spool: Spool) -> None:
    store = MemoryStore()
    for _ in range(3):
        seal(spool, 1)
        async with uploading(spool, store) as uploader:
            await uploader.drain()

    assert (len(store.objects), in_spool(spool)) == (2, 0)


@pytest.mark.parametrize("fault", ["truncated", "altered", "gone"])
async def test_the_local_copy_stays_while_the_bucket_does_not_read_back_equal(
    spool: Spool, fault: str
) -> None:
    class Lying(MemoryStore):
        def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
            super().put(key, source, sha256=sha256, content_type=content_type)
            if fault == "gone":
                del self.objects[key]
            else:
                data = self.objects[key]
                self.objects[key] = data[:-1] + (b"" if fault == "truncated" else b"?")

    seal(spool, 1)
    async with uploading(spool, Lying()):
        await anyio.sleep(100)

    left = [path for path in spool.folder.rglob("*.wav") if path.is_file()]
    assert len(left) == 1


async def test_what_is_uploaded_while_the_spool_is_listed_is_not_missed_afterwards(spool: Spool) -> None:
    class SlowListing(Inline):
        async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
            result = call(*arguments)
            await anyio.sleep(0.0 if arguments else 1.0)  # the listing is what has none
            return result

    store = MemoryStore()
    uploader = Uploader(spool, store, clock=virtual_clock(), disk=SlowListing(), network=Inline(seconds=0.5))
    with capture_logs() as said:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(uploader.run)
            for number in range(8):
                uploader.add(spool.segment(seal(spool, number)))
                await anyio.sleep(0.7)
            await uploader.drain()
            tasks.cancel_scope.cancel()

    assert (len(store.objects), in_spool(spool)) == (16, 0)
    assert [line["event"] for line in said if line["log_level"] in ("warning", "error")] == []


async def test_a_store_that_hangs_is_given_up_and_tried_again(spool: Spool) -> None:
    seal(spool, 1)
    store = MemoryStore()
    hours = itertools.chain([3600.0, 3600.0], itertools.repeat(0.1))

    class Hanging(Inline):
        async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
            self.seconds = next(hours)
            return await super().__call__(call, *arguments)

    async with uploading(spool, store, Hanging()) as uploader:
        with anyio.fail_after(3 * ATTEMPT_TIMEOUT):
            await uploader.drain()

    assert len(store.objects) == 2


async def test_that_some_may_be_in_the_bucket_is_known_to_the_spool_before_it_is(spool: Spool) -> None:
    class Noting(MemoryStore):
        def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
            known.append([segment.tried for segment in spool.sealed()])
            super().put(key, source, sha256=sha256, content_type=content_type)

    known: list[list[bool]] = []
    seal(spool, 1)
    async with uploading(spool, Noting()) as uploader:
        await uploader.drain()

    assert known == [[True], [True]]
    assert list(spool.folder.glob("[!.]*")) == []


async def test_a_disk_that_does_not_take_the_mark_holds_up_no_upload(spool: Spool) -> None:
    name, store = seal(spool, 1).name, MemoryStore()
    (spool.folder / f"{name.spool_stem}.tried").symlink_to("no/such/folder")

    async with uploading(spool, store) as uploader:
        await uploader.drain()

    assert len(store.objects) == 2


async def test_a_manifest_that_cannot_be_read_is_set_aside(spool: Spool) -> None:
    seal(spool, 1)
    next(spool.folder.glob("*.json")).write_text("{")
    store = MemoryStore()

    async with uploading(spool, store) as uploader:
        await uploader.drain()

    assert store.objects == {}
    assert {path.suffix for path in (spool.folder / QUARANTINE).iterdir()} >= {".json", ".wav"}


@pytest.mark.parametrize("after", ["sealing", "an attempt"])
async def test_audio_that_the_disk_has_damaged_is_set_aside_and_holds_up_no_stop(
    tmp_path: Path, after: str
) -> None:
    spool = Spool(tmp_path / "spool")
    manifest = seal(spool, 1)
    (bucket := tmp_path / "bucket").mkdir()
    store = Failing(bucket)
    if after == "an attempt":
        async with uploading(spool, store):
            await anyio.sleep(1)
    store.failing = False
    (segment,) = spool.sealed()
    damaged = bytearray(segment.audio.read_bytes())
    damaged[-100] ^= 1
    segment.audio.write_bytes(damaged)

    with capture_logs() as said:
        async with uploading(spool, store) as uploader:
            with anyio.fail_after(60):
                await uploader.drain()

    spool.release()
    aside = {path.suffix: path.read_bytes() for path in (spool.folder / QUARANTINE).iterdir()}
    assert aside[".wav"] == bytes(damaged), "nothing is deleted"
    assert parse_manifest(aside[".json"]) == manifest
    assert uploader.tally.failures == {"set_aside": 1}
    (line,) = said
    assert line["log_level"] == "error"
    assert manifest.name.spool_stem in line["file"]
    assert "kernel log" in line["error"]
    assert not list(bucket.rglob("*.json"))


class Failing(DirectoryStore):
    """Takes nothing while it is `failing`."""

    failing = True

    def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
        if self.failing:
            raise StoreUnavailable("503")
        super().put(key, source, sha256=sha256, content_type=content_type)


async def test_audio_whose_manifest_is_gone_is_set_aside(spool: Spool) -> None:
    seal(spool, 1)
    next(spool.folder.glob("*.json")).unlink()

    async with uploading(spool, MemoryStore()) as uploader:
        with anyio.fail_after(60):
            await uploader.drain()

    assert [path.suffix for path in (spool.folder / QUARANTINE).glob("*.wav")] == [".wav"]

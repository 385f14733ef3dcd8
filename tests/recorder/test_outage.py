"""While the store is away, slow or selective, on virtual time: recording goes on, and all of it arrives."""

import asyncio
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from recorder.segment import SealedSegment
from recorder.spool import QUARANTINE, Spool
from recorder.uploader import ATTEMPT_TIMEOUT, PARALLEL, SHARE
from storage.errors import ObjectConflict, StoreError, StoreRejected, StoreUnavailable
from tests.fakes import MemoryStore, Network
from tests.recorder.uploads import in_spool, seal, uploading, watch

pytestmark = pytest.mark.anyio

DAY = 24 * 3600.0


def by_watch(store: MemoryStore, watch_id: str) -> list[str]:
    """The audio of a watch, in the order in which it arrived."""
    return [key for key in store.objects if watch_id in key and key.endswith(".wav")]


@pytest.mark.parametrize(
    ("failure", "most"),
    [
        pytest.param(StoreUnavailable("connection refused"), DAY / 20, id="away"),
        pytest.param(StoreUnavailable("503: busy"), DAY / 20, id="5xx"),
        pytest.param(StoreRejected("ExpiredToken: renew them"), DAY / 60, id="expired credentials"),
        pytest.param(StoreRejected("NoSuchBucket: create it"), DAY / 60, id="wrong bucket"),
    ],
)
async def test_a_day_without_the_store_loses_nothing_and_the_store_is_asked_now_and_then(
    spool: Spool, failure: StoreError, most: float
) -> None:
    store, network = MemoryStore(), Network()
    store.failure = failure
    sealed = 0
    async with uploading(spool, store, network) as uploader:
        for hour in range(24):
            for number in range(4):
                uploader.add(spool.segment(seal(spool, hour * 60, watch_id=watch(number))))
                sealed += 1
            await anyio.sleep(3600)
        assert (len(store.objects), in_spool(spool), uploader.waiting) == (0, sealed, sealed)
        assert network.calls < most, "however many wait, one of them asks"

        store.failure = None
        await anyio.sleep(300 + sealed * 0.1)

    assert (len(store.objects), in_spool(spool)) == (2 * sealed, 0)


async def test_after_an_outage_the_oldest_come_first(spool: Spool) -> None:
    store = MemoryStore()
    store.failure = StoreUnavailable("connection refused")
    async with uploading(spool, store) as uploader:
        for number in range(40):
            uploader.add(spool.segment(seal(spool, number)))
            await anyio.sleep(60)
        store.failure = None
        await uploader.drain()

    arrived = [int(key.rpartition("_")[2].removesuffix(".wav")) for key in by_watch(store, "")]
    found_out = 1  # whoever asked when the store was back
    assert all(abs(place - number) <= SHARE for place, number in enumerate(sorted(arrived[found_out:])))
    assert max(later - place for place, later in enumerate(arrived[found_out:])) <= PARALLEL


async def test_a_store_that_hangs_all_day_is_asked_again_and_all_arrives(spool: Spool) -> None:
    hangs = True
    store, network = MemoryStore(), Network(lambda _: float("inf") if hangs else 0.1)
    async with uploading(spool, store, network) as uploader:
        for hour in range(24):
            for number in range(3):
                uploader.add(spool.segment(seal(spool, hour * 60, watch_id=watch(number))))
            await anyio.sleep(3600)
            assert sum(network.under_way.values()) <= PARALLEL
        hangs = False
        await anyio.sleep(2 * ATTEMPT_TIMEOUT + 60)

    assert (len(store.objects), in_spool(spool)) == (2 * 72, 0)


async def test_a_slow_watch_does_not_starve_another(spool: Spool) -> None:
    def seconds(segment: SealedSegment) -> float:
        return float("inf") if segment.name.watch.id == watch(1) else 0.5

    store, network = MemoryStore(), Network(seconds)
    for number in range(100):
        seal(spool, number, watch_id=watch(1))  # older than all of the other, and each takes all the time
    async with uploading(spool, store, network) as uploader:
        await anyio.sleep(ATTEMPT_TIMEOUT)
        for number in range(100, 200):
            uploader.add(spool.segment(seal(spool, number, watch_id=watch(2))))
            await anyio.sleep(2)
            assert len(by_watch(store, watch(2))) == number - 99, "it arrives at once, every time"

    assert network.most[watch(1)] <= SHARE < PARALLEL
    assert by_watch(store, watch(1)) == []


async def test_slow_watches_in_a_quiet_hour_do_not_make_others_wait_for_their_deadlines(spool: Spool) -> None:
    slow = {watch(number) for number in range(3)}
    store = MemoryStore()
    network = Network(lambda segment: float("inf") if segment.name.watch.id in slow else 0.5)
    for number in range(3):
        seal(spool, number, watch_id=watch(number))
    async with uploading(spool, store, network) as uploader:
        await anyio.sleep(3600)
        uploader.add(spool.segment(seal(spool, 60, watch_id=watch(9))))
        await anyio.sleep(61)

    assert len(by_watch(store, watch(9))) == 1


async def test_a_slow_link_is_given_the_time_that_it_needs(spool: Spool) -> None:
    hour = b"\1\2" * (8000 * 600)
    seal(spool, 1, audio=hour)
    store = MemoryStore()
    async with uploading(spool, store, Network(lambda segment: segment.size() / 20_000)) as uploader:
        await uploader.drain()

    assert (len(store.objects), in_spool(spool)) == (2, 0)


async def test_those_that_always_fail_among_a_thousand_hold_up_nobody_and_are_reported(spool: Spool) -> None:
    store, network = MemoryStore(), Network()
    segments = [spool.segment(seal(spool, number, watch_id=watch(number % 7))) for number in range(1000)]
    refused, failing, taken = segments[200], segments[501], segments[802]
    store.failures[refused.audio_key] = StoreRejected("403: allow these credentials to put")
    store.failures[failing.audio_key] = StoreUnavailable("500: the store is in trouble")
    store.failures[taken.audio_key] = ObjectConflict("412: the key is taken")

    with capture_logs() as said:
        async with uploading(spool, store, network):
            await anyio.sleep(1000 * 0.1 / PARALLEL + 5)

    assert len(store.objects) == 2 * 997, "nobody waited for them"
    assert {segment.name for segment in spool.sealed()} == {refused.name, failing.name}
    assert [path.name for path in (spool.folder / QUARANTINE).glob("*.wav")] == [taken.audio.name]
    reports = [line for line in said if line["log_level"] in ("warning", "error")]
    assert {line.get("key") or line["file"] for line in reports} == {
        refused.audio_key,
        failing.audio_key,
        str(taken.audio),
    }
    assert "store reachable again" not in {line["event"] for line in said}, "it was never away"


async def test_two_that_always_fail_do_not_hold_up_their_watch_for_good(spool: Spool) -> None:
    store = MemoryStore()
    segments = [spool.segment(seal(spool, number)) for number in range(2)]
    for segment in segments:
        store.failures[segment.audio_key] = StoreRejected("403")
    async with uploading(spool, store, Network()) as uploader:
        await anyio.sleep(7200)
        for number in range(2, 10):
            uploader.add(spool.segment(seal(spool, number)))
        await anyio.sleep(301)

    assert len(by_watch(store, "")) == 8


async def test_a_link_that_delivers_after_it_was_given_up_does_no_harm(spool: Spool) -> None:
    chance = random.Random(7)
    store = MemoryStore()
    network = Network(lambda _: chance.choice([0.1, ATTEMPT_TIMEOUT * 1.5, ATTEMPT_TIMEOUT * 20]))
    digests = {}
    for number in range(30):
        audio = bytes([number, 1]) * 800
        manifest = seal(spool, number, audio=audio, watch_id=watch(number % 2))
        digests[manifest.audio.key] = manifest.audio.sha256
    async with uploading(spool, store, network) as uploader:
        await uploader.drain()
        await asyncio.sleep(ATTEMPT_TIMEOUT * 30)

    assert {key: hashlib.sha256(store.objects[key]).hexdigest() for key in by_watch(store, "")} == digests
    assert (len(store.objects), in_spool(spool)) == (60, 0)
    assert not (spool.folder / QUARANTINE).exists()


async def test_the_same_spool_uploaded_a_hundred_times_is_one_bucket(spool: Spool) -> None:
    class Counting(MemoryStore):
        def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
            super().put(key, source, sha256=sha256, content_type=content_type)
            puts.append(key)

    puts: list[str] = []
    store = Counting()
    for number in range(3):
        seal(spool, number)
    kept = {path.name: path.read_bytes() for path in spool.folder.iterdir() if not path.name.startswith(".")}
    bucket: dict[str, bytes] = {}
    for _ in range(100):
        for name, content in kept.items():
            (spool.folder / name).write_bytes(content)
        async with uploading(spool, store) as uploader:
            await uploader.drain()
        bucket = bucket or dict(store.objects)

    assert len(puts) == 600
    assert store.objects == bucket
    assert in_spool(spool) == 0


@pytest.mark.parametrize("which", ["audio", "manifest"])
async def test_unequal_bytes_under_one_key_are_kept_on_both_sides(spool: Spool, which: str) -> None:
    manifest = seal(spool, 1)
    key = manifest.audio.key if which == "audio" else manifest.name.manifest_key
    store = MemoryStore()
    store.objects[key] = b"somebody else's"
    ours = {path.name: path.read_bytes() for path in spool.folder.glob("*_1.*")}

    with capture_logs() as said:
        async with uploading(spool, store) as uploader:
            await uploader.drain()

    assert store.objects[key] == b"somebody else's"
    aside = {path.name: path.read_bytes() for path in (spool.folder / QUARANTINE).iterdir()}
    assert aside == ours | {f"{manifest.name.spool_stem}.tried": b""}
    assert [line["log_level"] for line in said] == ["error"]


def truncated(data: bytes) -> bytes:
    return data[:-1]


def framed(data: bytes) -> bytes:
    """The framing of a chunked upload, stored inside the object."""
    return b"%x\r\n" % len(data) + data + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("damage", [truncated, framed, lambda _: b"", lambda data: data[:-1] + b"?"])
@pytest.mark.parametrize("suffix", [".wav", ".json"])
@pytest.mark.parametrize("vouches", [True, False])
async def test_what_is_stored_otherwise_than_it_was_sent_is_never_accepted(
    spool: Spool, damage: Callable[[bytes], bytes], suffix: str, vouches: bool
) -> None:
    class Damaging(MemoryStore):
        vouches_for_sha256 = vouches

        def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
            super().put(key, source, sha256=sha256, content_type=content_type)
            if key.endswith(suffix):
                self.objects[key] = damage(self.objects[key])

    seal(spool, 1)
    with capture_logs() as said:
        async with uploading(spool, Damaging()):
            await anyio.sleep(600)

    assert len([path for path in spool.folder.rglob("*.wav") if path.is_file()]) == 1
    assert "segment uploaded" not in {line["event"] for line in said}

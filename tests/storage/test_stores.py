"""From each kind of store the same recordings come back; and what a store cannot do, is said."""

import hashlib
import io
import random
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from uuid import uuid4

import botocore.exceptions
import numpy as np
import pytest

from recorder.simulator.seaweedfs import SeaweedFS
from storage import links
from storage.archive import ArchiveFormat, create_archive
from storage.catalog import Catalog
from storage.directory import DirectoryStore
from storage.errors import NotOffered, StoreRejected
from storage.export import export, find_range
from storage.keeping import Encryption, Keeping, LockMode
from storage.manifest import ClosedBy, GapReason, LedgerEntry, OpenedAfterReason, SegmentManifest
from storage.names import AudioFormat
from storage.s3 import S3Store
from storage.store import ObjectStore
from tests.storage.segments import BOARD, NOON, RATE, Samples, manifest, seconds, speech, store_segment
from tests.stores import Site

OPENED_AFTER = (OpenedAfterReason.START, None, OpenedAfterReason.IDLE, None)

KINDS = ["directory", "seaweedfs", "rclone", "swift", "ceph"]


def site_of(kind: str, request: pytest.FixtureRequest) -> Site:
    if kind != "seaweedfs":
        site: Site = request.getfixturevalue(kind)
        return site
    server: SeaweedFS = request.getfixturevalue("seaweedfs")
    return Site(server.endpoint_url, server.access_key, server.secret_key, server.bucket)


class Recorded:
    """A store with four segments of the board across midnight, and the line of samples that they are."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.started_at = NOON + timedelta(hours=11, minutes=59, seconds=55)
        self.line = np.zeros(0, np.int16)
        previous = None
        for number, before in enumerate((0, 0, 7, 0)):
            samples = speech(4 * RATE, number)
            ledger = []
            if number == 1:
                samples[800:1200] = 0
                ledger = [LedgerEntry(start=800, samples=400, reason=GapReason.LOST)]
            self.line = np.concatenate([self.line, np.zeros(before * RATE, np.int16)])
            segment = manifest(
                samples,
                self.started_at + seconds(len(self.line) / RATE),
                number=number,
                opened_after=OPENED_AFTER[number],
                away=float(before),
                closed_by=ClosedBy.IDLE if number == 1 else ClosedBy.GRID,
                ledger=ledger,
                previous=previous,
                audio_format=AudioFormat.FLAC if number % 2 else AudioFormat.WAV,
            )
            previous = store_segment(store, samples, segment)
            self.line = np.concatenate([self.line, samples])


@pytest.fixture(scope="module", params=KINDS)
def recorded(request: pytest.FixtureRequest) -> Iterator[Recorded]:
    if request.param == "directory":
        store: ObjectStore = DirectoryStore(request.getfixturevalue("tmp_path_factory").mktemp("recorded"))
    else:
        store = site_of(request.param, request).open(f"recorded/{uuid4()}")
    with closing(store):
        yield Recorded(store)


class Taken:
    """What was fetched."""

    def __init__(self) -> None:
        self.blocks: list[Samples] = []

    def write(self, samples: Samples) -> None:
        self.blocks.append(samples.copy())


def test_any_range_comes_back_to_the_sample(recorded: Recorded) -> None:
    catalog, chance = Catalog(recorded.store), random.Random(5)
    for _ in range(20):
        start, stop = sorted(chance.sample(range(len(recorded.line)), 2))
        if not recorded.line[start:stop].any():
            continue
        taken = Taken()
        between = (recorded.started_at + seconds(at / RATE) for at in (start, stop))

        result = catalog.fetch(catalog.layout(BOARD, *between), taken)

        assert result.complete
        assert np.array_equal(np.concatenate(taken.blocks), recorded.line[start:stop]), (start, stop)


def test_what_is_silence_and_why_comes_with_it(recorded: Recorded) -> None:
    catalog = Catalog(recorded.store)

    result = catalog.fetch(catalog.layout(BOARD), Taken())

    assert [(entry.at, entry.samples, entry.reason) for entry in result.silence] == [
        (4 * RATE + 800, 400, "lost"),
        (8 * RATE, 7 * RATE, "idle"),
    ]


def test_its_watches_and_segments_are_listed(recorded: Recorded) -> None:
    catalog = Catalog(recorded.store)

    assert list(catalog.watches()) == [BOARD]
    segments = [entry for entry in catalog.segments(BOARD) if isinstance(entry, SegmentManifest)]
    assert [segment.number for segment in segments] == [0, 1, 2, 3]


def test_a_range_is_exported_with_its_proof(recorded: Recorded) -> None:
    out = io.BytesIO()
    found = find_range(Catalog(recorded.store), BOARD)

    with create_archive(out, ArchiveFormat.TAR) as archive:
        result = export(recorded.store, found, archive)

    assert (result.objects, result.problems) == (8, ())


def test_a_link_gives_a_segment_or_it_is_said_that_there_is_none(recorded: Recorded) -> None:
    segment = links.segment_at(Catalog(recorded.store), BOARD, recorded.started_at)
    if isinstance(recorded.store, DirectoryStore):
        with pytest.raises(NotOffered, match="a folder has no links"):
            links.link(recorded.store, segment, timedelta(minutes=1))
        return

    link = links.link(recorded.store, segment, timedelta(minutes=1))

    with urllib.request.urlopen(link.url, timeout=10) as answer:  # noqa: S310 -- of a server of ours
        assert hashlib.sha256(answer.read()).hexdigest() == segment.audio.sha256


def put(store: S3Store, key: str, content: bytes) -> None:
    store.put(key, content, sha256=hashlib.sha256(content).hexdigest(), content_type="text/plain")


LOCK = Keeping(object_lock=LockMode.GOVERNANCE, retain_days=1)


@pytest.mark.parametrize("kind", ["rclone", "swift"])
def test_a_store_without_object_lock_is_refused_whatever_it_pretends(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Both take the headers; rclone even shows them. To both, the request for a hold is one to overwrite."""
    site, prefix = site_of(kind, request), f"lock/{uuid4()}"
    with closing(site.open(prefix)) as plain, closing(site.open(prefix, LOCK)) as locking:
        put(plain, "a.wav", b"audio")

        with pytest.raises(StoreRejected, match="has no Object Lock"):
            locking.hold("a.wav")
        with pytest.raises(StoreRejected, match="has no Object Lock"):
            put(locking, "b.wav", b"more")

        with plain.open("a.wav") as stream:
            assert stream.read() == b"audio"
        assert [item.key for item in plain.list()] == ["a.wav"]


@pytest.mark.parametrize(
    ("kind", "keeping", "said"),
    [
        ("rclone", Keeping(tags={"a": "b"}), "tags"),
        ("swift", Keeping(tags={"a": "b"}), r"\[storage\] asks for tags"),
        ("swift", Keeping(encryption=Encryption.SSE_S3), r"\[storage\] asks for encryption"),
        ("ceph", Keeping(encryption=Encryption.SSE_S3), r"\[storage\] asks for encryption"),
        ("ceph", Keeping(storage_class="STANDARD_IA"), r"\[storage\] asks for storage_class"),
        ("swift", Keeping(storage_class="STANDARD_IA"), "no such class: correct `storage_class`"),
    ],
)
def test_what_a_store_does_not_have_is_said(
    kind: str, keeping: Keeping, said: str, request: pytest.FixtureRequest
) -> None:
    store = site_of(kind, request).open(f"asked/{uuid4()}", keeping)
    with closing(store), pytest.raises(Exception, match=said) as caught:
        put(store, "a.wav", b"audio")

    assert isinstance(caught.value, StoreRejected) or kind == "rclone"  # which answers 500


def test_ceph_locks_and_holds(ceph: Site) -> None:
    with closing(ceph.client()) as client:
        client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        with closing(ceph.open("lock", LOCK, "locked")) as store:
            put(store, "a.wav", b"audio")
            store.hold("a.wav")

        found = client.head_object(Bucket="locked", Key="lock/a.wav")
        assert (found["ObjectLockMode"], found["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "ON")
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            client.delete_object(Bucket="locked", Key="lock/a.wav", VersionId=found["VersionId"])

"""What every store promises, asked of each of them: in memory, a folder, and real S3 over http and https."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from recorder.simulator.seaweedfs import SeaweedFS
from storage.directory import DirectoryStore
from storage.errors import ObjectConflict, ObjectNotFound, StoreRejected, StoreUnavailable
from storage.s3 import S3Store
from storage.store import ObjectStore
from tests.fakes import MemoryStore


def s3_store(server: SeaweedFS) -> S3Store:
    return S3Store(
        server.bucket,
        f"contract/{uuid4()}",
        endpoint_url=server.endpoint_url,
        region="us-east-1",
        access_key=server.access_key,
        secret_key=server.secret_key,
        ca_file=server.ca_file,
    )


OPENERS: dict[str, Callable[[pytest.FixtureRequest], ObjectStore]] = {
    "memory": lambda _: MemoryStore(),
    "directory": lambda request: DirectoryStore(request.getfixturevalue("tmp_path_factory").mktemp("store")),
    "s3": lambda request: s3_store(request.getfixturevalue("seaweedfs")),
    "s3-tls": lambda request: s3_store(request.getfixturevalue("seaweedfs_tls")),
}


@pytest.fixture(scope="module", params=OPENERS)
def opened(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    store = OPENERS[request.param](request)
    yield store
    store.close()


@pytest.fixture
def store(opened: ObjectStore) -> ObjectStore:
    """Opened once, for that is slow, and emptied. No test may use as a key what another uses as a folder."""
    for item in list(opened.list()):
        opened.delete(item.key)
    return opened


def put(store: ObjectStore, key: str, content: bytes) -> None:
    store.put(key, content, sha256=hashlib.sha256(content).hexdigest(), content_type="text/plain")


def read(store: ObjectStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    with store.open(key, start=start, length=length) as stream:
        return stream.read()


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return sorted(item.key for item in store.list(prefix))


def test_gives_back_what_was_put(store: ObjectStore) -> None:
    content = bytes(range(256)) * 20_000  # 5 MB: a segment

    put(store, "a/b.wav", content)

    assert content == read(store, "a/b.wav")
    assert len(content) == store.stat("a/b.wav").size


def test_takes_a_file(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("source") / "segment"
    path.write_bytes(b"from a file")

    store.put("one", path, sha256=hashlib.sha256(b"from a file").hexdigest(), content_type="audio/wav")

    assert read(store, "one") == b"from a file"


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    put(store, "empty", b"")

    assert read(store, "empty") == b""
    assert store.stat("empty").size == 0


def test_putting_the_same_again_changes_nothing(store: ObjectStore) -> None:
    put(store, "one", b"content")

    put(store, "one", b"content")

    assert read(store, "one") == b"content"


@pytest.mark.parametrize("other", [b"something", b"another thing"], ids=["same size", "another size"])
def test_never_overwrites(store: ObjectStore, other: bytes) -> None:
    put(store, "one", b"the first")

    with pytest.raises(ObjectConflict, match="one"):
        put(store, "one", other)

    assert read(store, "one") == b"the first"


def test_one_of_racing_writers_wins(store: ObjectStore) -> None:
    put(store, "before", b"so that the store is known to refuse overwriting")

    def attempt(number: int) -> bool:
        try:
            put(store, "contested", b"%d" % number)
        except ObjectConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = [number for number, wins in enumerate(threads.map(attempt, range(8))) if wins]

    assert [read(store, "contested")] == [b"%d" % number for number in won]


def test_refuses_content_that_is_not_that_of_its_sha256(store: ObjectStore) -> None:
    with pytest.raises(StoreUnavailable):
        store.put("one", b"damaged", sha256=hashlib.sha256(b"intact").hexdigest(), content_type="text/plain")

    assert not list(store.list())


def test_what_is_not_there_is_named(store: ObjectStore) -> None:
    with pytest.raises(ObjectNotFound, match=r"not/there"):
        store.stat("not/there")
    with pytest.raises(ObjectNotFound, match=r"not/there"):
        read(store, "not/there")
    with pytest.raises(ObjectNotFound, match=r"not/there"):
        read(store, "not/there", 0, 0)


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 4), (3, None), (3, 2), (3, 100), (10, None), (11, 5), (50, 5), (2, 0), (0, None)],
)
def test_reads_a_range_as_a_slice_does(store: ObjectStore, start: int, length: int | None) -> None:
    content = b"0123456789"
    put(store, "digits", content)

    assert content[start:][:length] == read(store, "digits", start, length)


def test_a_sha256_is_true_where_it_is_given(store: ObjectStore) -> None:
    put(store, "one", b"content")

    assert store.stat("one").sha256 in {None, hashlib.sha256(b"content").hexdigest()}


def test_lists_by_prefix(store: ObjectStore) -> None:
    for key in ("a/b/2", "a.txt", "a/b-c", "a/b/10", "a/c/1", "b", "ä"):
        put(store, key, b"x" * len(key))

    assert keys(store) == ["a.txt", "a/b-c", "a/b/10", "a/b/2", "a/c/1", "b", "ä"]
    assert {(item.key, item.size) for item in store.list("a/b/")} == {("a/b/10", 6), ("a/b/2", 5)}
    assert keys(store, "a/b") == ["a/b-c", "a/b/10", "a/b/2"]
    assert keys(store, "a/b/1") == ["a/b/10"]
    assert not list(store.list("z/"))


def test_folders_are_what_lies_one_level_below(store: ObjectStore) -> None:
    for key in ("f/b/1", "f/b/2", "f/c/d/1", "f/file", "g/1"):
        put(store, key, b"")

    assert {"f/", "g/"} <= set(store.folders())
    assert list(store.folders("f/")) == ["f/b/", "f/c/"]
    assert list(store.folders("f/c")) == ["f/c/"]
    assert not list(store.folders("f/d"))
    assert not list(store.folders("f/b/"))
    assert not list(store.folders("z/"))


def test_deleting_twice_is_no_error(store: ObjectStore) -> None:
    put(store, "deleted/twice", b"content")

    store.delete("deleted/twice")
    store.delete("deleted/twice")

    assert not list(store.list())
    with pytest.raises(ObjectNotFound):
        store.stat("deleted/twice")


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.", ".hidden", "a\0b"])
def test_a_key_cannot_lead_astray(store: ObjectStore, key: str) -> None:
    with pytest.raises(StoreRejected, match="key"):
        put(store, key, b"x")
    with pytest.raises(StoreRejected, match="key"):
        read(store, key)
    with pytest.raises(StoreRejected, match="key"):
        store.stat(key)
    with pytest.raises(StoreRejected, match="key"):
        store.delete(key)


def test_a_part_of_a_key_is_no_object(store: ObjectStore) -> None:
    put(store, "part/whole", b"x")

    with pytest.raises((ObjectNotFound, StoreRejected)):
        store.stat("part")
    with pytest.raises((ObjectNotFound, StoreRejected)):
        read(store, "part")


def test_its_url_has_no_credential(store: ObjectStore) -> None:
    assert store.url.startswith(("memory:", "file:///", "s3://recordings/contract/"))

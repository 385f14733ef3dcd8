"""A folder as a bucket, beyond what every store promises: files on a disk that has troubles."""

import hashlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.directory import DirectoryStore
from storage.errors import ObjectConflict, StoreRejected, StoreUnavailable


def put(store: DirectoryStore, key: str, content: bytes = b"content") -> None:
    store.put(key, content, sha256=hashlib.sha256(content).hexdigest(), content_type="text/plain")


def test_an_object_is_a_file_of_that_name(tmp_path: Path) -> None:
    put(DirectoryStore(tmp_path), "a/b/c.wav")

    assert (tmp_path / "a/b/c.wav").read_bytes() == b"content"


def test_leaves_nothing_but_objects(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    put(store, "a/one")
    put(store, "a/one")
    with pytest.raises(ObjectConflict):
        put(store, "a/one", b"another")
    with pytest.raises(StoreUnavailable):
        store.put("a/two", b"damaged", sha256="0" * 64, content_type="text/plain")

    assert [path.name for path in (tmp_path / "a").iterdir()] == ["one"]


def test_what_a_crash_left_behind_is_no_object(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    put(store, "a/one")
    (tmp_path / "a" / ".two.0123456789abcdef.tmp").write_bytes(b"half of")

    assert [item.key for item in store.list()] == ["a/one"]


def test_a_folder_that_is_not_there_may_be_mounted_later(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "mount")

    with pytest.raises(StoreUnavailable, match="create it, or mount"):
        put(store, "a")
    with pytest.raises(StoreUnavailable, match="create it, or mount"):
        list(store.list())
    with pytest.raises(StoreUnavailable, match="create it, or mount"):
        list(store.folders())
    with pytest.raises(StoreUnavailable, match="create it, or mount"):
        store.stat("a")
    assert not (tmp_path / "mount").exists()


def test_a_key_within_an_object_is_refused(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    put(store, "a")

    with pytest.raises(StoreRejected, match="key of another object"):
        put(store, "a/b")


def test_a_name_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRejected, match="length"):
        put(DirectoryStore(tmp_path), "a" * 300)


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Root may do everything everywhere, so be nobody for a moment; others need only lose the right."""
    folder.chmod(0o500)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


def test_says_what_to_do_about_permissions(tmp_path: Path) -> None:
    with without_rights(tmp_path), pytest.raises(StoreRejected, match="give the user this runs as access"):
        put(DirectoryStore(tmp_path), "a")


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)

    with file_size_limit(1000), pytest.raises(StoreRejected, match="no file of that size"):
        put(store, "a", bytes(2000))

    assert not list(tmp_path.iterdir())
    put(store, "a", bytes(2000))


def test_a_folder_read_while_it_changes_is_listed(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for number in range(5):
        put(store, f"a/{number}")

    listing = store.list()
    next(listing)
    (tmp_path / "a" / "3").unlink()

    assert [item.key for item in listing] == ["a/1", "a/2", "a/4"]

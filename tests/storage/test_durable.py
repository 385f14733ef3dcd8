"""What a name shows is whole, whoever wrote it and however it ended.

No test can pull the plug. These see to it that a reader never finds half a file, that nothing is overwritten
unasked, and that nothing is left over; the order of fsync and rename is for the reader of the code.
"""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage import durable


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "facts"

    durable.write_file(path, b"first")
    durable.write_file(path, b"second")

    assert path.read_bytes() == b"second"
    assert names(tmp_path) == ["facts"]


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "facts"
    path.mkdir()  # nothing can be renamed onto a folder
    (path / "inside").touch()

    with pytest.raises(OSError, match="facts"):
        durable.write_file(path, b"content")

    assert names(tmp_path) == ["facts"]


def test_readers_see_the_old_or_the_new_content_whole(tmp_path: Path) -> None:
    path = tmp_path / "facts"
    versions = [bytes([letter]) * 300_000 for letter in b"abcdefgh"]
    durable.write_file(path, versions[0])

    def write_all() -> None:
        for version in versions:
            durable.write_file(path, version)

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write_all)
        seen = [path.read_bytes()]
        while not writing.done():
            seen.append(path.read_bytes())

    assert set(seen) <= set(versions)


def test_publishes_what_was_written_aside(tmp_path: Path) -> None:
    aside = durable.temporary(tmp_path / "object")
    aside.write_bytes(b"content")

    durable.publish(aside, tmp_path / "object")

    assert (tmp_path / "object").read_bytes() == b"content"
    assert names(tmp_path) == ["object"]


@pytest.mark.parametrize("publish", [durable.publish, durable.rename_if_free])
def test_publishing_never_overwrites(tmp_path: Path, publish: Callable[[Path, Path], None]) -> None:
    path = tmp_path / "object"
    path.write_bytes(b"the first")
    aside = durable.temporary(path)
    aside.write_bytes(b"another")

    with pytest.raises(FileExistsError):
        publish(aside, path)

    assert path.read_bytes() == b"the first"
    assert aside.read_bytes() == b"another"


def test_one_of_racing_writers_wins(tmp_path: Path) -> None:
    path = tmp_path / "object"

    def attempt(number: int) -> bool:
        aside = durable.temporary(path)
        aside.write_bytes(b"%d" % number)
        try:
            durable.publish(aside, path)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = [number for number, wins in enumerate(threads.map(attempt, range(32))) if wins]

    assert [path.read_bytes()] == [b"%d" % number for number in won]


def test_temporary_files_are_hidden_beside_their_target_and_never_the_same(tmp_path: Path) -> None:
    asides = {durable.temporary(tmp_path / "object") for _ in range(100)}

    assert len(asides) == 100
    assert all(aside.parent == tmp_path and aside.name.startswith(".object.") for aside in asides)


def test_removes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()

    durable.remove(path)
    durable.remove(path)

    assert names(tmp_path) == []


def test_makes_folders_below_one_that_is_there(tmp_path: Path) -> None:
    durable.make_directories(tmp_path / "a" / "b", below=tmp_path)
    durable.make_directories(tmp_path / "a" / "b", below=tmp_path)

    assert (tmp_path / "a" / "b").is_dir()


def test_does_not_make_the_folder_that_should_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        durable.make_directories(tmp_path / "mount" / "a" / "b", below=tmp_path / "mount")

    assert names(tmp_path) == []


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        durable.sync_directory(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        durable.sync_directory(tmp_path / "file")


def test_leaks_no_descriptor(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    before = {each.name for each in descriptors.iterdir()}

    for number in range(20):
        durable.write_file(tmp_path / str(number), b"content")

    assert len({each.name for each in descriptors.iterdir()} - before) <= 1, "that with which it is listed"


def test_syncs_that_are_asked_for_during_one_share_the_next(tmp_path: Path) -> None:
    begun, go_on, calls = threading.Event(), threading.Event(), itertools.count(1)

    def slow(path: Path) -> None:
        begun.set()
        assert go_on.wait(10)
        durable.sync_directory(path)
        next(calls)

    sync = durable.SharedSync(slow)
    with ThreadPoolExecutor(17) as threads:
        first = threads.submit(sync, tmp_path)
        assert begun.wait(10)
        others = [threads.submit(sync, tmp_path) for _ in range(16)]
        while sync.asked < 17:
            pass
        go_on.set()
        for each in (first, *others):
            each.result(10)

    assert next(calls) == 3, "the first, and one for all that were asked for while it was under way"


def test_a_sync_that_fails_is_nobody_elses_success(tmp_path: Path) -> None:
    sync = durable.SharedSync()

    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            sync(tmp_path / "nothing")
    sync(tmp_path)


def test_a_file_system_is_synced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    file_system = durable.FileSystem(tmp_path)

    file_system.sync()
    file_system.sync()
    file_system.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        file_system.sync()
    with pytest.raises(FileNotFoundError):
        durable.FileSystem(tmp_path / "nothing")

"""Whatever lies in the folder of the spool: a start comes to its end and touches nothing of others."""

import json
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.spool import FACTS_SUFFIX, OPEN_SUFFIX, QUARANTINE, TRIED_SUFFIX, Spool
from tests.recorder.uploads import AUDIO, seal

SUFFIXES = [OPEN_SUFFIX, ".wav", ".flac", FACTS_SUFFIX, TRIED_SUFFIX, ".json"]


def stem_of(number: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        stem = seal(spool, number).name.spool_stem
        spool.release()
        return stem


STEM, OTHER = stem_of(1), stem_of(2)


def a_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def a_folder(path: Path, content: bytes) -> None:
    path.mkdir()
    (path / "inside").write_bytes(content)


def a_fifo(path: Path, content: bytes) -> None:  # noqa: ARG001  it has none, and opening it would block
    os.mkfifo(path)


def a_link_out_of_the_folder(path: Path, content: bytes) -> None:
    target = path.parent.parent / f"target{len(list(path.parent.parent.iterdir()))}"
    target.write_bytes(content)
    path.symlink_to(target)


def a_link_to_nothing(path: Path, content: bytes) -> None:  # noqa: ARG001  there is nothing to hold it
    path.symlink_to("nothing")


def a_loop(path: Path, content: bytes) -> None:  # noqa: ARG001  there is nothing to hold it
    path.symlink_to(path.name)


def unreadable(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0)


KINDS: list[Callable[[Path, bytes], None]] = [
    a_file,
    a_folder,
    a_fifo,
    a_link_out_of_the_folder,
    a_link_to_nothing,
    a_loop,
    unreadable,
]
NAMES = st.one_of(
    st.sampled_from([STEM, OTHER]).flatmap(lambda stem: st.sampled_from([stem + each for each in SUFFIXES])),
    st.sampled_from(
        [
            STEM,
            f".{STEM}.json.0123.tmp",
            f"{STEM}.json.json",
            f"x{STEM}.wav",
            "a" * 255,
            "a" * 251 + ".wav",
            "notes.json",
            ".hidden",
            "\udcff\udcfe.wav",
            "..wav",
            "calls_" + "1" * 200 + ".wav.open",
            QUARANTINE,
        ]
    ),
)
CONTENTS = st.sampled_from([b"", b"{}", b"\0" * 100, b"RIFF", b'{"schema": 1}', AUDIO]) | st.binary(
    max_size=60
)


def state(folder: Path) -> dict[str, tuple[int, int, object]]:
    """All below a folder: type, inode, and content or target."""
    found: dict[str, tuple[int, int, object]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: object = None
        if stat.S_ISREG(status.st_mode):
            path.chmod(0o600)
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = path.readlink()
        found[str(path.relative_to(folder))] = (stat.S_IFMT(status.st_mode), status.st_ino, content)
    return found


def is_ours(name: str) -> bool:
    """A name of ours is ours, whatever bears it. Where a link leads is not."""
    return name.strip(".").startswith((STEM, OTHER))


@settings(max_examples=40)
@given(st.dictionaries(NAMES, st.tuples(st.sampled_from(KINDS), CONTENTS), max_size=8))
def test_recovery_never_raises_or_blocks_and_leaves_strangers_alone(
    entries: dict[str, tuple[Callable[[Path, bytes], None], bytes]],
) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "spool"
        folder.mkdir()
        for name, (make, content) in entries.items():
            make(folder / name, content)
        before = state(Path(root))
        spool = Spool(folder)
        try:
            intact = seal(spool, 3)
            spool.recover()
            once = state(folder)
            spool.recover()
            assert state(folder) == once, "a second start finds nothing to do"
            sealed = [segment.name.number for segment in spool.sealed()]
        finally:
            spool.release()
        after = state(Path(root))

        assert intact.number in sealed, "the rest is not held up"
        for name in entries:
            if not is_ours(name):
                assert after[f"spool/{name}"] == before[f"spool/{name}"], f"{name} is not ours"
        outside = {name: what for name, what in before.items() if name.startswith("target")}
        assert {name: after[name] for name in outside} == outside


def test_what_blocks_where_the_facts_should_be_stops_no_start(spool: Spool) -> None:
    a_file(spool.folder / f"{STEM}{OPEN_SUFFIX}", AUDIO)
    a_fifo(spool.folder / f"{STEM}{FACTS_SUFFIX}", b"")

    recovery = spool.recover()

    assert [path.name for path in recovery.quarantined] == [f"{STEM}{OPEN_SUFFIX}"]


def test_what_is_set_aside_takes_the_place_of_nothing(spool: Spool) -> None:
    for content in (b"first", b"second", b"third"):
        (spool.folder / f"{STEM}.wav").write_bytes(content)
        spool.recover()

    kept = [path.read_bytes() for path in (spool.folder / QUARANTINE).iterdir()]
    assert sorted(kept) == [b"first", b"second", b"third"]


def test_a_quarantine_that_cannot_be_had_costs_one_segment_and_no_start(spool: Spool) -> None:
    (spool.folder / QUARANTINE).write_bytes(b"somebody's file")
    (spool.folder / f"{STEM}.wav").write_bytes(b"without a manifest")
    intact = seal(spool, 3)

    recovery = spool.recover()

    assert len(recovery.postponed) == 1
    assert intact.number in {segment.name.number for segment in spool.sealed()}


@pytest.mark.parametrize("position", range(0, 700, 53))
def test_a_byte_that_has_changed_in_what_is_known_of_a_segment_stops_no_start(
    spool: Spool, position: int
) -> None:
    seal(spool, 1)
    seal(spool, 2)
    path = spool.folder / f"{STEM}.json"
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 0x15
    path.write_bytes(data)

    spool.recover()

    assert 2 in {segment.name.number for segment in spool.sealed()}
    kept = [each for each in spool.folder.rglob("*.wav") if each.is_file()]
    assert len(kept) == 2, "no audio goes"
    assert json.loads((spool.folder / f"{OTHER}.json").read_bytes())["number"] == 2

"""The register of names: any name has a key that every store takes, and finds its watches by it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.names import WatchId, WatchKind
from storage.register import Entry, fold, format_entry, parse_entry, prefix
from storage.store import check_key
from tests.storage.segments import BOARD

NAMES = st.one_of(
    st.text(max_size=200),
    st.text("aZ-_ ./\\%*?\0\U0001f389éß漢", max_size=200),
)


@given(NAMES)
def test_any_name_is_a_file_name_and_a_key_and_is_read_again(name: str) -> None:
    entry = Entry(fold(name), BOARD)

    parts = check_key(entry.key).split("/")
    assert all(len(part.encode()) <= 255 for part in parts)
    assert re.fullmatch(r"names/[a-z0-9_-]+/conferences/[0-9a-f-]{36}", entry.key)
    read = Entry.from_key(entry.key)
    assert read.watch == BOARD
    assert read == entry if not read.is_cut else entry.name.startswith(read.name)


@given(NAMES, NAMES)
def test_names_that_differ_have_keys_that_differ_and_no_prefix_is_that_of_another(
    one: str, other: str
) -> None:
    one, other = fold(one), fold(other)

    assert (prefix(one) == prefix(other)) == (one == other)
    assert one == other or not prefix(one).startswith(prefix(other))


@given(NAMES)
def test_to_fold_again_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name)


def test_long_names_that_begin_alike_are_told_apart() -> None:
    one, other = Entry("\N{PARTY POPPER}" * 200, BOARD), Entry("\N{PARTY POPPER}" * 199, BOARD)

    assert one.key != other.key
    assert Entry.from_key(one.key).is_cut
    assert max(len(part) for part in one.key.split("/")) <= 255


@pytest.mark.parametrize("same", ["BOARD room", " board  room ", "\uff22oard\u00a0Room"])
def test_case_width_and_spaces_make_no_difference(same: str) -> None:
    assert Entry(fold(same), BOARD).key == f"names/board_20room/conferences/{BOARD.id}"


def test_who_has_no_name_has_an_entry_of_its_own() -> None:
    call = WatchId(WatchKind.CALL, BOARD.id)

    assert Entry("", call).key == f"names/__/calls/{BOARD.id}"
    assert Entry.from_key(Entry("", call).key) == Entry("", call)


@pytest.mark.parametrize(
    "key",
    [
        "names/board",
        "names/board/conferences/",
        f"names/board/{BOARD.id}",
        f"names/board/rooms/{BOARD.id}",
        f"names//conferences/{BOARD.id}",
        f"names/board/conferences/{BOARD.id}/x",
        f"conferences/{BOARD.id}/2026/11/22/x.json",
        f"games/board/conferences/{BOARD.id}",
    ],
)
def test_what_is_no_entry_is_none(key: str) -> None:
    with pytest.raises(ValueError, match=r"not the key of a name|not a UUID"):
        Entry.from_key(key)


def test_what_it_holds_may_have_come_from_anybody() -> None:
    assert parse_entry(format_entry("board \U0001f389")) == "board \U0001f389"
    for junk in (b"", b"\xff", b"[" * 100_000, b"[]", b'{"name": 3}', b"{}"):
        assert parse_entry(junk) is None

"""What the patterns of a watch list find, lets go of, and finds again; nobody is cut off by a rename."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.media import CodecChoice, Encapsulation
from recorder.core.snapshot import Snapshot
from recorder.discovery import KEPT, Discovery, Double
from recorder.recollection import recall, remember
from recorder.watchlist import ConferenceType, Pattern, Watch, WatchList
from storage.names import WatchId, WatchKind

AT = datetime(2026, 11, 22, 15, 5, tzinfo=UTC)


def identifier(number: int) -> WatchId:
    return WatchId(WatchKind.CONFERENCE, f"00000000-0000-4000-8000-{number + 1:012}")


def conference(
    name: str, number: int = 0, kind: str = "conference", deleted_at: datetime | None = None
) -> Snapshot:
    return Snapshot(identifier(number), name=name, type=kind, status="progressing", deleted_at=deleted_at)


def pattern(name: str = "*", *exclude: str, encapsulation: Encapsulation = Encapsulation.RTP) -> Pattern:
    return Pattern(
        name, ConferenceType.CONFERENCE, exclude, encapsulation, CodecChoice.AUTO, place=f"at {name}"
    )


def discovery(*patterns: Pattern, named: tuple[Watch, ...] = ()) -> Discovery:
    found = Discovery()
    found.follow(WatchList(named, patterns=patterns))
    return found


def names(found: Discovery) -> list[str | None]:
    return [watch.name for watch in found.watches]


@pytest.mark.parametrize(
    ("named_by", "name", "is_found"),
    [
        (pattern(), "", True),
        (pattern(), "anything", True),
        (pattern("board*"), "board", True),
        (pattern("board*"), "Board of Directors", True),
        (pattern("BOARD*"), "board", True),
        (pattern("board"), "board 2", False),
        (pattern("board*"), "the board", False),
        (pattern("board*"), "", False),
        (pattern("r?om [12]"), "room 2", True),
        (pattern("*", "*test*"), "A Test", False),
        (pattern("*", "test"), "a test", True),
        (pattern("*", identifier(0).id.upper()), "board", False),
        (pattern("*", identifier(1).id), "board", True),
    ],
)
def test_a_glob_names_conferences_whatever_their_capitals(
    named_by: Pattern, name: str, is_found: bool
) -> None:
    assert named_by.matches(conference(name)) is is_found


def test_of_other_types_only_those_asked_for_are_named() -> None:
    queue = replace(pattern(), type=ConferenceType.QUEUE)

    assert not pattern().matches(conference("a", kind="queue"))
    assert queue.matches(conference("a", kind="queue"))
    assert not queue.matches(conference("a"))


def test_of_two_patterns_the_first_counts_and_that_is_known() -> None:
    found = discovery(pattern("board*", encapsulation=Encapsulation.SLN), pattern())

    found.show(conference("board"), 0)
    found.show(conference("other", 1), 0)

    assert [watch.encapsulation for watch in found.watches] == [Encapsulation.SLN, Encapsulation.RTP]
    assert list(found.doubles.values()) == [Double(identifier(0), 'at board* "board*"', 'at * "*"')]


def test_what_has_an_entry_of_its_own_is_not_found_again_and_that_is_known() -> None:
    own = Watch(identifier(0), "mine", Encapsulation.SLN, CodecChoice.AUTO)
    found = discovery(pattern(), named=(own,))

    found.show(conference("board"), 0)

    assert found.watches == ()
    assert [double.first for double in found.doubles.values()] == ["its own entry"]


def test_a_rename_into_a_pattern_is_found_and_one_out_of_it_cuts_nobody_off() -> None:
    found = discovery(pattern("board*"))
    found.show(conference("x"), 0)
    assert found.watches == ()

    found.show(conference("board"), 1)
    found.show(conference("private"), 2)

    assert names(found) == ["board"], "and it is called what it was called when it was found"
    found.follow(WatchList(patterns=(pattern("board*"), pattern("others"))))
    assert names(found) == ["board"]
    found.follow(WatchList(patterns=(pattern("board*", identifier(0).id),)))
    assert names(found) == [], "a person has said so"


def test_what_has_ended_stays_for_a_while_and_comes_back_with_the_id() -> None:
    found = discovery(pattern())
    found.show(conference("board"), 0)
    found.show(conference("board", deleted_at=AT), 10)
    found.show(conference("board", deleted_at=AT), KEPT)

    found.forget(KEPT + 9)
    assert names(found) == ["board"]
    assert not found.living
    found.show(conference("board"), KEPT + 9.5)
    found.forget(KEPT + 10)
    assert names(found) == ["board"]
    assert [each.name for each in found.living] == ["board"]

    found.miss(identifier(0), KEPT + 20)
    found.forget(2 * KEPT + 20)
    assert found.watches == ()


def test_what_is_over_when_it_is_first_seen_is_not_found() -> None:
    found = discovery(pattern())

    found.show(conference("board", deleted_at=AT), 0)

    assert found.watches == ()


def test_a_pattern_that_names_nothing_is_known_with_what_comes_near() -> None:
    found = discovery(pattern("bord*"), pattern("zzz"), pattern("room*"))

    found.show_all([conference("board"), conference("room 1", 1), conference("room 2", 2)], 0)

    assert {each.name: near for each, near in found.unmatched} == {"bord*": "board", "zzz": None}
    assert [count for _, count in found.counts] == [0, 0, 2]
    found.show_all([], 1)
    assert [count for _, count in found.counts] == [0, 0, 2], "what is found is asked for by itself"
    found.miss(identifier(1), 2)
    assert [count for _, count in found.counts] == [0, 0, 1]


def test_what_is_over_is_there_no_more_though_the_platform_still_shows_it() -> None:
    found = discovery(pattern("board*"))
    found.show(conference("board"), 0)

    found.show(conference("board", deleted_at=AT), 10)

    assert [count for _, count in found.counts] == [0]
    assert names(found) == ["board"], "and it is listed for a while"


def test_an_edit_changes_what_it_changes_and_nothing_else() -> None:
    found = discovery(pattern("a*"), pattern("b*"))
    found.show_all([conference("a"), conference("b", 1), conference("c", 2)], 0)
    before = found.watches

    found.follow(
        WatchList(patterns=(pattern("b*", encapsulation=Encapsulation.SLN), pattern("c"), pattern("a*")))
    )

    assert [(watch.name, watch.encapsulation) for watch in found.watches] == [
        ("a", Encapsulation.RTP),
        ("b", Encapsulation.SLN),
        ("c", Encapsulation.RTP),
    ]
    assert found.watches[0] == before[0]


shows = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["board", "BOARD 2", "test", ""]), st.sampled_from([None, AT])
    ),
    max_size=12,
)


@given(shows)
def test_each_living_conference_that_a_pattern_names_is_found_once(
    shown: list[tuple[int, str, datetime]],
) -> None:
    patterns = (pattern("board*"), pattern("*2", "test"))
    found = discovery(*patterns)
    last: dict[WatchId, Snapshot] = {}
    for moment, (number, name, deleted_at) in enumerate(shown):
        last[identifier(number)] = conference(name, number, deleted_at=deleted_at)
        found.show(last[identifier(number)], moment)

    ids = [watch.watch_id for watch in found.watches]
    assert len(set(ids)) == len(ids)
    expected = {
        watch_id
        for watch_id, each in last.items()
        if any(each_pattern.matches(each) for each_pattern in patterns) and not each.over
    }
    assert expected <= set(ids)
    assert {each.watch_id for each in found.living} == {
        watch_id for watch_id in ids if not last[watch_id].over
    }


def test_what_was_found_is_remembered(tmp_path: Path) -> None:
    kept = [conference("board"), conference('a "name"\n, with ä', 1), conference("", 2)]

    remember(tmp_path, kept)

    assert [(each.watch_id, each.name, each.type) for each in recall(tmp_path)] == [
        (identifier(0), "board", "conference"),
        (identifier(1), 'a "name", with ä', "conference"),
        (identifier(2), "", "conference"),
    ]
    found = discovery(pattern("board"))
    found.recall(recall(tmp_path))
    assert names(found) == ["board"]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'[1, {"id": "x"}]', b"\xff", b"[" * 100_000])
def test_what_is_remembered_badly_is_not_known(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".discovered").write_bytes(content)

    assert recall(tmp_path) == ()
    assert recall(tmp_path / "nowhere") == ()

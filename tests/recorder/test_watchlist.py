"""A watch list is loaded as a whole or refused with all its mistakes, and compared by value."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.media import CodecChoice, Encapsulation
from recorder.problems import ConfigurationError
from recorder.shard import Shard
from recorder.watchlist import ConferenceType, Pattern, Watch, WatchList, WatchListDiff
from recorder.watchlist_file import WatchDefaults, load_watchlist
from storage.names import WatchId, WatchKind
from tests.recorder.configurations import BOARD, CALL, WATCHLIST

DEFAULTS = WatchDefaults(Encapsulation.AUDIOSOCKET, CodecChoice.ALAW)


def load(folder: Path, text: str) -> WatchList:
    path = folder / "watchlist.toml"
    path.write_text(text)
    return load_watchlist(path, DEFAULTS)


def refusal(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def watch(number: int, name: str | None = None) -> Watch:
    watch_id = WatchId(WatchKind.CALL, f"00000000-0000-0000-0000-{number + 1:012}")
    return Watch(watch_id, name, Encapsulation.RTP, CodecChoice.AUTO)


watchlists = st.builds(
    lambda entries: WatchList(tuple(watch(number, name) for number, name in entries)),
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from([None, "a"])), unique_by=lambda entry: entry[0]),
)


def test_an_entry_says_what_differs_from_the_defaults(tmp_path: Path) -> None:
    watches = load(tmp_path, WATCHLIST)

    assert tuple(watches) == (
        Watch(WatchId(WatchKind.CONFERENCE, BOARD), "board", Encapsulation.AUDIOSOCKET, CodecChoice.ALAW),
        Watch(WatchId(WatchKind.CALL, CALL), None, Encapsulation.SLN, CodecChoice.ULAW),
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "conference = []\n"])
def test_a_list_may_be_empty(tmp_path: Path, text: str) -> None:
    watches = load(tmp_path, text)

    assert len(watches) == 0
    assert not watches


def test_patterns_say_what_else_is_to_be_recorded_and_how(tmp_path: Path) -> None:
    watches = load(
        tmp_path,
        """
[[discover]]
name = "board*"
exclude = ["*test*", "1ed12456-eb4b-11ee-bba8-1bfb2838807a"]
encapsulation = "sln"

[[discover]]
type = "queue"
codec = "ulaw"
""",
    )

    board, queue = watches.patterns
    excluded = ("*test*", "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
    conference = ConferenceType.CONFERENCE
    assert board == Pattern("board*", conference, excluded, Encapsulation.SLN, CodecChoice.ALAW)
    assert queue == Pattern("*", ConferenceType.QUEUE, (), Encapsulation.AUDIOSOCKET, CodecChoice.ULAW)
    assert str(board) == 'discover[1] (line 2) "board*"'
    assert str(queue) == 'discover[2] (line 7) "*"'
    assert len(watches) == 0


def test_a_pattern_needs_somebody_to_ask(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.toml"
    path.write_text('[[discover]]\nname = "board*"\n')

    with pytest.raises(ConfigurationError) as caught:
        load_watchlist(path, WatchDefaults(observed=False))

    (problem,) = caught.value.problems
    assert str(problem).removeprefix(f"{path}:") == (
        "1: discover[1]: nobody asks the platform what there is; remove observe = false from [voipbin]"
    )


def test_the_same_id_may_be_a_conference_and_a_call(tmp_path: Path) -> None:
    watches = load(tmp_path, f'[[call]]\nid = "{BOARD}"\n[[conference]]\nid = "{BOARD}"\n')

    assert [watch.watch_id.kind for watch in watches] == [WatchKind.CONFERENCE, WatchKind.CALL]
    assert watches.get(WatchId(WatchKind.CALL, BOARD)) == watches.watches[1]
    assert watches.get(WatchId(WatchKind.CALL, CALL)) is None


def test_a_duplicate_is_told_with_both_lines(tmp_path: Path) -> None:
    entries = f'[[conference]]\nid = "{BOARD}"\n\n[[conference]]\nname = 5\nid = "{BOARD.upper()}"\n'

    name, duplicate = refusal(tmp_path, entries)

    assert name == "watchlist.toml:5: conference[2].name: 5 is not text; put it in quotes"
    assert duplicate.startswith(f"watchlist.toml:6: conference[2].id: conference {BOARD} is watched already")
    assert "by conference[1] in line 2; remove one of the two" in duplicate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[conference]]\nid = "board"', '2: conference[1].id: "board" names nothing; write a UUID such as '),
        (f'[[call]]\nid = "{"0" * 32}"', "2: call[1].id: "),
        ("[[call]]\nid = 5", "2: call[1].id: 5 is not text"),
        ('\n[[call]]\nname = "x"', "2: call[1].id: missing; write for example id = "),
        (
            f'[[call]]\nid = "{CALL}"\nname = ""',
            '3: call[1].name: "" is not a name of 1 to 200 printable characters',
        ),
        (f'[[call]]\nid = "{CALL}"\nname = "{"x" * 201}"', "3: call[1].name: "),
        (f'[[call]]\nid = "{CALL}"\nname = "a\\nb"', "3: call[1].name: "),
        (
            f'[[call]]\nid = "{CALL}"\nencapsulation = "slin"',
            '3: call[1].encapsulation: "slin" is not one of',
        ),
        (f'[[call]]\nid = "{CALL}"\nencapsulation = "RTP"', '3: call[1].encapsulation: "RTP" is not one of'),
        (f'[[call]]\nid = "{CALL}"\ncodec = "g729"', '3: call[1].codec: "g729" is not one of'),
        (f'[[call]]\nid = "{CALL}"\ntoken = "x"', "3: call[1].token: a credential is never in this file"),
        ('[[discover]]\nname = ""', '2: discover[1].name: "" is not a name of 1 to 200 printable characters'),
        ('[[discover]]\nexclude = "x"', '2: discover[1].exclude: "x" is not a list; write ["...", "..."]'),
        ("[[discover]]\nexclude = [1]", "2: discover[1].exclude[1]: 1 is not text; put it in quotes"),
        (
            '[[discover]]\ntype = "conf"',
            '2: discover[1].type: "conf" is not one of conference, connect, queue',
        ),
        (
            '[[discover]]\nid = "x"',
            "2: discover[1].id: unknown key here; it belongs in the table [conference]",
        ),
        ('[[discovery]]\nname = "x"', '1: discovery: unknown key; did you mean "discover"?'),
        (f'[[conferences]]\nid = "{CALL}"', '1: conferences: unknown key; did you mean "conference"?'),
        (f'[conference]\nid = "{CALL}"', "1: conference: is not a list of tables; write [[conference]]"),
        ('call = ["x"]', "1: call: is not a list of tables; write [[call]]"),
        ('call = [{id = "x"}]', '1: call[1].id: "x" names nothing'),
        ("[[call]\n", "1: is not TOML: "),
    ],
)
def test_a_mistake_has_its_line_its_key_and_what_to_do(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = refusal(tmp_path, text)

    assert problem.startswith(f"watchlist.toml:{expected}")


def test_shares_of_a_list_are_the_list(tmp_path: Path) -> None:
    path = tmp_path / "watchlist.toml"
    path.write_text("\n".join(f'[[call]]\nid = "{watch(number).watch_id.id}"' for number in range(30)))

    whole = load_watchlist(path, DEFAULTS)
    shares = [load_watchlist(path, DEFAULTS, Shard(number, 3)) for number in (1, 2, 3)]

    assert sorted(each.watch_id for share in shares for each in share) == [each.watch_id for each in whole]
    assert all(share for share in shares)
    assert [share.listed for share in shares] == [30, 30, 30]
    assert (whole.listed, whole.elsewhere) == (30, 0)


@pytest.mark.parametrize("number", [1, 2])
def test_a_mistake_in_an_entry_of_another_shard_refuses_the_list_as_well(tmp_path: Path, number: int) -> None:
    path = tmp_path / "watchlist.toml"
    path.write_text(f'[[call]]\nid = "{CALL}"\nnmae = "x"\n[[call]]\nid = "{CALL}"\n[[call]]\nid = "x"\n')

    with pytest.raises(ConfigurationError) as caught:
        load_watchlist(path, DEFAULTS, Shard(number, 2))

    assert [problem.key for problem in caught.value.problems] == ["call[1].nmae", "call[2].id", "call[3].id"]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such file"):
        load_watchlist(tmp_path / "watchlist.toml", DEFAULTS)


def test_a_list_holds_nothing_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        WatchList((watch(1), watch(1, "another name")))


@given(watchlists, watchlists)
def test_a_diff_leads_from_one_list_to_the_other(old: WatchList, new: WatchList) -> None:
    diff = WatchListDiff.between(old, new)

    assert (set(old) - set(diff.removed)) | set(diff.added) == set(new)
    assert set(diff.removed) <= set(old) - set(new)
    assert set(diff.added) <= set(new) - set(old)
    assert bool(diff) == (set(old) != set(new))


def test_a_watch_whose_settings_changed_stops_and_starts() -> None:
    diff = WatchListDiff.between(WatchList((watch(1), watch(2))), WatchList((watch(2), watch(1, "renamed"))))

    assert diff == WatchListDiff(added=(watch(1, "renamed"),), removed=(watch(1),))

"""What the platform says is read as far as it can be, of old servers and new ones, and never raises."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.snapshot import Snapshot, read_snapshot
from storage.names import WatchId, WatchKind

BOARD = "1ed12456-eb4b-11ee-bba8-1bfb2838807a"
AT = datetime(2026, 11, 22, 15, 5, 0, 123456, tzinfo=UTC)


def conference(**values: object) -> Snapshot:
    snapshot = read_snapshot(WatchKind.CONFERENCE, {"id": BOARD, **values})
    assert snapshot is not None
    return snapshot


def call(**values: object) -> Snapshot:
    snapshot = read_snapshot(WatchKind.CALL, {"id": BOARD, **values})
    assert snapshot is not None
    return snapshot


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-11-22T15:05:00.123456Z", AT),
        ("2026-11-22T15:05:00.123456789Z", AT),
        ("2026-11-22T16:05:00.123456+01:00", AT),
        ("2026-11-22 15:05:00.123456", AT),
        ("2026-11-22T15:05:00Z", AT.replace(microsecond=0)),
        ("9999-01-01 00:00:00.000000", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
        ("soon", None),
        (1795360000, None),
    ],
)
def test_an_instant_comes_in_two_forms_and_never_in_four(written: object, instant: datetime | None) -> None:
    assert conference(tm_delete=written).deleted_at == instant
    assert call(tm_hangup=written).ended_at == instant


def test_what_is_missing_is_empty() -> None:
    assert conference() == Snapshot(WatchId(WatchKind.CONFERENCE, BOARD))
    assert conference().occupied is False
    assert not conference().over


@pytest.mark.parametrize(
    ("values", "over"),
    [
        ({"status": "starting"}, False),
        ({"status": "progressing"}, False),
        ({"status": "a word of next year's"}, False),
        ({"status": "terminating"}, True),
        ({"status": "terminated"}, True),
        ({"status": "progressing", "tm_delete": "2026-11-22T15:05:00Z"}, True),
        ({"status": "progressing", "tm_delete": "9999-01-01 00:00:00.000000"}, False),
        ({"status": "progressing", "tm_end": "2026-11-22T15:05:00Z"}, True),
    ],
)
def test_a_conference_is_over_by_its_status_or_by_its_deletion(values: dict[str, str], over: bool) -> None:
    assert conference(**values).over is over


@pytest.mark.parametrize(
    ("status", "occupied", "over"),
    [
        ("dialing", False, False),
        ("ringing", False, False),
        ("progressing", True, False),
        ("terminating", False, True),
        ("canceling", False, True),
        ("hangup", False, True),
        ("talking", None, False),
        ("", None, False),
        (3, None, False),
    ],
)
def test_a_call_is_heard_while_it_is_progressing(status: object, occupied: bool | None, over: bool) -> None:
    assert (call(status=status).occupied, call(status=status).over) == (occupied, over)


def test_a_conference_is_occupied_by_who_is_in_it_and_not_by_its_status() -> None:
    assert not conference(status="progressing").occupied
    assert conference(status="progressing", conferencecall_ids=["a", "b", "a"]).participants == ("a", "b")
    assert conference(conferencecall_ids=[]).occupied is False
    assert conference(conferencecall_ids=None).occupied is False


@pytest.mark.parametrize("ids", ["none", "", {}, {"a": {}}, [{"id": "x"}], [None], [""], 0, 2])
def test_who_is_there_in_a_form_that_we_do_not_know_is_not_nobody(ids: object) -> None:
    unreadable = conference(status="progressing", conferencecall_ids=ids)

    assert unreadable.participants is None
    assert unreadable.occupied is None
    assert not unreadable.over


def test_of_those_who_are_there_some_can_be_read() -> None:
    assert conference(conferencecall_ids=["a", {"id": "x"}, "b"]).participants == ("a", "b")


@pytest.mark.parametrize(
    "content", [None, [], "text", {}, {"id": "board"}, {"id": "00000000-0000-0000-0000-000000000000"}]
)
def test_what_names_nothing_is_nothing(content: object) -> None:
    assert read_snapshot(WatchKind.CONFERENCE, content) is None


def test_a_name_can_stand_in_a_log_line() -> None:
    assert conference(name="board\n\x1b[31m" + "x" * 1000).name == "board[31m" + "x" * 191


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["customer_id", "name", "type", "status", "conferencecall_ids", "tm_create", "tm_end", "tm_delete"]


@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING | st.datetimes().map(str)), st.sampled_from(WatchKind))
def test_whatever_the_values_are_it_is_read(values: dict[str, object], kind: WatchKind) -> None:
    snapshot = read_snapshot(kind, json.loads(json.dumps({**values, "id": BOARD})))

    assert snapshot is not None
    assert snapshot.watch_id.id == BOARD
    assert not snapshot.over or snapshot.status or snapshot.deleted_at or snapshot.ended_at

"""Whose turn it is: the oldest first, no watch has all turns, and nobody is forgotten."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.backlog import Backlog, Item
from recorder.core.backoff import Pace
from recorder.segment import SealedSegment
from storage.names import SegmentName, WatchId, WatchKind
from tests.recorder.uploads import watch

SHARE, ROOM = 3, 4
PACE = Pace(floor=0.5, base=2.0, cap=60.0)


def segment(watch_number: int, number: int) -> SealedSegment:
    at = datetime(2026, 11, 22, tzinfo=UTC) + timedelta(minutes=number)
    name = SegmentName(WatchId(WatchKind.CALL, watch(watch_number)), at, "rec-a", number)
    return SealedSegment(name, Path(f"{name.spool_stem}.wav"), Path(f"{name.spool_stem}.json"))


def backlog_of(*segments: SealedSegment) -> Backlog:
    backlog = Backlog(SHARE, lambda: 0.5)
    for each in segments:
        backlog.add(each)
    return backlog


def taken(backlog: Backlog, now: float = 0.0, most: int = 1000) -> list[Item]:
    items = (backlog.take(now) for _ in range(most))
    return [item for item in items if item]


def test_the_oldest_comes_first_whatever_its_watch() -> None:
    backlog = backlog_of(*(segment(number % 5, 10 - number) for number in range(5)))

    assert [item.name.number for item in taken(backlog)] == [6, 7, 8, 9, 10]


def test_a_watch_takes_its_share_and_no_more() -> None:
    backlog = backlog_of(*(segment(1, number) for number in range(10)))

    assert [item.name.number for item in taken(backlog)] == [0, 1, 2]


def test_who_has_fewer_under_way_comes_before_who_is_older() -> None:
    backlog = backlog_of(*(segment(1, number) for number in range(10)))
    first = taken(backlog, most=2)
    backlog.add(segment(2, 99))

    assert [item.name.number for item in first + taken(backlog, most=2)] == [0, 1, 99, 2]


def test_two_watches_that_fail_in_a_row_close_the_store_and_one_that_succeeds_opens_it() -> None:
    backlog = backlog_of(*(segment(number, number) for number in range(6)))
    for item in taken(backlog, most=2):
        backlog.failed(item, PACE, 0.0)
    assert backlog.away

    assert taken(backlog) == []
    due = backlog.wait(0.0)
    [asking] = taken(backlog, due)
    assert asking.name.number == 2, "another one each time"
    assert backlog.succeeded(asking)

    assert len(taken(backlog, due)) == 5, "all that failed, too"


def test_one_failure_closes_nothing() -> None:
    backlog = backlog_of(segment(1, 1), segment(1, 2), segment(2, 3))
    backlog.failed(taken(backlog, most=1)[0], PACE, 0.0)

    assert not backlog.away
    assert [item.name.number for item in taken(backlog)] == [2, 3]


def test_one_that_fails_among_others_is_no_witness() -> None:
    backlog = backlog_of(*(segment(1, number) for number in range(40)))
    now = 0.0
    while len(backlog) > 2:
        for item in taken(backlog, now):
            if item.name.number in (3, 7):
                backlog.failed(item, PACE, now)
            else:
                backlog.succeeded(item)
        assert not backlog.away
        now += 0.1

    assert now < 5.0, "their watch was not held up"


@settings(max_examples=60)
@given(st.data())
def test_whatever_fails_all_of_it_comes_again_until_it_has_succeeded(data: st.DataObject) -> None:
    watches = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=40))
    backlog = backlog_of(*(segment(number, place) for place, number in enumerate(watches)))
    now, under_way, ended = 0.0, list[Item](), list[Item]()
    for _ in range(400):
        if not len(backlog):
            break
        while len(under_way) < ROOM and (item := backlog.take(now)):
            under_way.append(item)
        share = Counter(item.name.watch for item in under_way)
        assert max(share.values(), default=0) <= SHARE
        assert len(set(map(id, under_way))) == len(under_way), "nothing is taken twice"
        if not under_way:
            assert backlog.wait(now) < 61.0, "somebody is due within a minute"
            now += backlog.wait(now)
            continue
        item = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
        outcome = data.draw(st.sampled_from(["succeeded", "succeeded", "failed", "dropped", "hurry"]))
        if outcome == "failed" and item.attempts < 4:
            backlog.failed(item, PACE, now)
        elif outcome == "dropped":
            backlog.dropped(item)
            ended.append(item)
        else:
            backlog.succeeded(item)
            ended.append(item)
        if outcome == "hurry":
            backlog.hurry()
        now += 0.1

    assert sorted(item.name.number for item in ended) == list(range(len(watches)))
    assert len(backlog) == 0

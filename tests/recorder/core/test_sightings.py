"""What the platform said is in the manifest: who was there and when, no more than was known, and bounded."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from recorder.core.sightings import MOST_CHANGES, MOST_FAILURES, MOST_IDS, Sightings
from recorder.core.snapshot import Known, Snapshot, Unseen
from storage.names import WatchId, WatchKind
from storage.presence import PlatformFacts, Presence

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")
UTC_AT_0 = datetime(2026, 11, 22, 15, tzinfo=UTC)
EMPTY = Snapshot(BOARD, name="Board", type="conference", status="progressing")


def there(*ids: str) -> Snapshot:
    return replace(EMPTY, participants=ids)


def at(seconds: float) -> datetime:
    return UTC_AT_0 + timedelta(seconds=seconds)


def one(*told: tuple[float, Known]) -> Sightings:
    """One whose monotonic clock began when it was `UTC_AT_0`."""
    sightings = Sightings(0.0, UTC_AT_0)
    for now, known in told:
        sightings.told(known, now)
    return sightings


def closed(sightings: Sightings) -> PlatformFacts:
    facts = sightings.closed()
    assert facts is not None
    return facts


def test_who_joins_and_leaves_stands_with_when_it_was_learned_and_when_it_was_otherwise() -> None:
    sightings = one((0, there("a", "b")), (5, there("a", "b")))
    sightings.opened()
    for now, known in ((20, there("a", "b")), (30, there("a", "b", "c")), (40, there("c"))):
        sightings.told(known, now)

    facts = closed(sightings)

    assert facts.participants == (
        Presence(at=at(5), count=2, present=("a", "b")),
        Presence(at=at(30), after=at(20), count=3, joined=("c",)),
        Presence(at=at(40), after=at(30), count=1, left=("a", "b")),
    )
    assert (facts.participants_at_start, facts.participants_most, facts.participants_at_end) == (2, 3, 1)
    assert (facts.name, facts.type, facts.seen_until) == ("Board", "conference", at(40))


def test_the_next_segment_begins_with_how_things_are_then() -> None:
    sightings = one((0, there("a")))
    sightings.opened()
    sightings.told(there("a", "b"), 10)
    sightings.closed()

    sightings.opened()
    facts = closed(sightings)

    assert facts.participants == (Presence(at=at(10), count=2, present=("a", "b")),)
    assert (facts.participants_at_start, facts.participants_at_end) == (2, 2)


def test_the_status_at_the_end_is_that_of_an_end_and_a_segment_that_is_open_has_none() -> None:
    sightings = one((0, there("a")))
    begun = sightings.opened()
    sightings.told(replace(there("a"), status="terminating"), 10)
    open_still, ended = sightings.facts(), closed(sightings)

    for facts in (begun, open_still):
        assert facts is not None
        assert (facts.status_at_start, facts.status_at_end) == ("progressing", None)
        assert facts.participants_at_end is None
    assert (ended.status_at_start, ended.status_at_end) == ("progressing", "terminating")


def test_what_is_not_known_is_not_claimed() -> None:
    sightings = one((0, there("a")))
    sightings.opened()
    sightings.told(Unseen.UNKNOWN, 10)
    outage = closed(sightings)
    sightings.opened()
    sightings.told(there("a", "b"), 30)
    after = closed(sightings)

    assert outage.participants[-1] == Presence(at=at(10), after=at(0), count=None)
    assert (outage.participants_at_end, outage.status_at_end, outage.seen_until) == (None, None, at(0))
    assert (after.participants_at_start, after.status_at_start) == (None, None)
    assert after.participants == (Presence(at=at(30), count=2, present=("a", "b")),), "nobody joined then"


def test_who_is_there_in_a_form_that_we_do_not_know_is_not_known() -> None:
    sightings = one((0, there("a")))
    sightings.opened()
    sightings.told(replace(EMPTY, participants=None), 10)
    unreadable = closed(sightings)
    sightings.opened()
    sightings.told(there("b"), 30)
    after = closed(sightings)

    assert unreadable.participants[-1] == Presence(at=at(10), after=at(0), count=None)
    assert (unreadable.participants_at_end, unreadable.status_at_end) == (None, "progressing")
    assert after.participants == (Presence(at=at(30), count=1, present=("b",)),)


def test_where_nothing_was_ever_known_there_is_nothing() -> None:
    sightings = one((0, Unseen.UNKNOWN), (5, Unseen.ABSENT))

    assert (sightings.opened(), sightings.facts(), sightings.closed()) == (None, None, None)


def test_of_a_call_there_is_a_status_and_no_number_of_participants() -> None:
    sightings = one((0, Snapshot(CALL, status="progressing")))
    sightings.opened()
    sightings.told(Snapshot(CALL, status="hangup"), 10)

    facts = closed(sightings)

    assert (facts.status_at_start, facts.status_at_end) == ("progressing", "hangup")
    assert (facts.participants, facts.participants_most, facts.type) == ((), None, None)


def test_failures_are_those_since_the_segment_before() -> None:
    sightings = one()
    sightings.failed("not live yet", "req_1", 0)
    sightings.opened()
    sightings.failed("throttled", "req_2", 5)
    first = closed(sightings)
    sightings.told(EMPTY, 6)
    sightings.opened()

    assert [(each.request_id, each.setback, each.at) for each in first.failures] == [
        ("req_1", "not live yet", at(0)),
        ("req_2", "throttled", at(5)),
    ]
    assert closed(sightings).failures == ()


def test_a_clock_that_is_set_moves_what_comes_after_the_next_stream_as_it_moves_the_audio() -> None:
    sightings = one((0, there("a")))
    sightings.opened()
    sightings.told(there(), 10)
    sightings.connected(20, at(3620))
    sightings.told(there("a"), 30)

    assert [each.at for each in closed(sightings).participants] == [at(0), at(10), at(3630)]


def test_a_storm_is_counted_and_not_kept() -> None:
    sightings = one((0, EMPTY))
    sightings.opened()
    for now in range(3 * MOST_CHANGES):
        sightings.told(there(f"one-{now}"), now)
        sightings.failed("transient", f"req_{now}", now)

    facts = closed(sightings)

    assert facts.left_out is not None
    assert len(facts.participants) == MOST_CHANGES
    assert facts.left_out.changes == 3 * MOST_CHANGES + 1 - MOST_CHANGES
    assert facts.failures[-1].request_id == f"req_{3 * MOST_CHANGES - 1}"
    assert facts.left_out.failures == 3 * MOST_CHANGES - MOST_FAILURES
    assert facts.participants_at_end == 1
    assert len(facts.model_dump_json()) < 200_000


def test_a_crowd_is_counted_and_not_all_of_it_listed() -> None:
    crowd = tuple(f"2f9e0a0e-0000-4000-8000-{n:012}" for n in range(5000))
    sightings = one((0, there(*crowd)))
    sightings.opened()
    sightings.told(EMPTY, 10)

    facts = closed(sightings)

    assert [each.count for each in facts.participants] == [5000, 0]
    assert facts.left_out is not None
    assert facts.left_out.ids == 10_000 - MOST_IDS
    assert len(facts.model_dump_json(indent=1)) < 200_000


def test_what_looks_like_no_id_is_counted_and_not_repeated() -> None:
    sightings = one((0, there("a", "\ud800", "x" * 65, "+49 30 1234567", "b\nc")))
    sightings.failed("refused", "\ud800", 1)
    sightings.opened()

    facts = closed(sightings)

    assert facts.participants[0].present == ("a",)
    assert facts.participants[0].count == 5
    assert facts.failures == ()
    assert facts.left_out is not None
    assert (facts.left_out.ids, facts.left_out.failures) == (4, 1)


KNOWN = st.one_of(
    st.sampled_from(Unseen),
    st.sets(st.sampled_from("abcde")).map(lambda ids: there(*sorted(ids))),
)


@given(st.lists(st.one_of(KNOWN, st.sampled_from(["open", "close"])), max_size=40))
def test_who_was_there_can_be_told_at_any_time(steps: Sequence[Known | str]) -> None:
    sightings, truth, since, facts = one(), list[tuple[datetime, Known]](), 0, None
    known: Known = Unseen.UNKNOWN
    for now, step in enumerate(steps):
        match step:
            case "open":
                sightings.opened()
                since, truth = now, [(at(now), known)]
            case "close":
                facts = sightings.closed()
                break
            case str():
                raise AssertionError(step)
            case _:
                known = step
                sightings.told(step, now)
                truth.append((at(now), step))
    if facts is None or not truth or steps[0] != "open":
        return

    for instant, told in truth:
        assert who(facts, max(instant, at(since))) == (
            set(told.participants or ()) if isinstance(told, Snapshot) else None
        )
    assert PlatformFacts.model_validate_json(facts.model_dump_json()) == facts


def who(facts: PlatformFacts, instant: datetime) -> set[str] | None:
    """What a reader makes of the manifest: who was there at that time; None: not known."""
    ids: set[str] | None = None
    for each in facts.participants:
        if each.at > instant:
            break
        ids = None if each.count is None else ((ids or set()) | {*each.present, *each.joined}) - {*each.left}
        assert ids is None or len(ids) == each.count
    return ids

"""What is done with a stream follows from what is known, and never hangs up on anybody who is heard."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.life import GONE, LAST_WORDS, MOST_PATIENCE, Course, Life, Patience
from recorder.core.snapshot import Known, Snapshot, Unseen
from storage.names import WatchId, WatchKind

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")
AT = datetime(2026, 11, 22, 15, 5, tzinfo=UTC)

EMPTY = Snapshot(BOARD, type="conference", status="progressing")
OCCUPIED = Snapshot(BOARD, type="conference", status="progressing", participants=("a",))
JOINED = Snapshot(BOARD, type="conference", status="progressing", participants=("a", "b"))
LEAVING = Snapshot(BOARD, type="conference", status="terminating", participants=("a",), deleted_at=AT)
DELETED_EMPTY = Snapshot(BOARD, type="conference", status="terminating", deleted_at=AT)
TERMINATED = Snapshot(BOARD, type="conference", status="terminated", ended_at=AT, deleted_at=AT)
RINGING = Snapshot(CALL, status="ringing")
PROGRESSING = Snapshot(CALL, status="progressing")
HUNG_UP = Snapshot(CALL, status="hangup", ended_at=AT)
UNREADABLE = Snapshot(BOARD, type="conference", status="progressing", participants=None)
TALKING = Snapshot(CALL, status="talking")
OVER = (LEAVING, DELETED_EMPTY, TERMINATED, HUNG_UP)
PATIENCE = 20.0


def life(*known: Known, connected: float | None = None, heard: float | None = None) -> Life:
    """One that was told these at 0, with a stream since `connected` that was heard at `heard`."""
    one = Life(Patience(PATIENCE))
    if connected is not None:
        one.connected(connected)
    if heard is not None:
        one.heard(heard)
    for each in known:
        one.told(each, 0.0)
    return one


@pytest.mark.parametrize(
    ("known", "without", "standing"),
    [
        ([], Course.LISTEN, Course.LISTEN),
        ([Unseen.UNKNOWN], Course.LISTEN, Course.LISTEN),
        ([EMPTY], Course.WAIT, Course.REST),
        ([OCCUPIED], Course.LISTEN, Course.LISTEN),
        ([OCCUPIED, EMPTY], Course.WAIT, Course.REST),
        ([EMPTY, Unseen.UNKNOWN], Course.LISTEN, Course.LISTEN),
        ([LEAVING], Course.END, Course.END),
        ([DELETED_EMPTY], Course.END, Course.END),
        ([TERMINATED], Course.END, Course.END),
        ([TERMINATED, Unseen.UNKNOWN], Course.END, Course.END),
        ([TERMINATED, OCCUPIED], Course.LISTEN, Course.LISTEN),
        ([TERMINATED, EMPTY], Course.WAIT, Course.REST),
        ([Unseen.ABSENT], Course.WAIT, Course.REST),
        ([EMPTY, Unseen.ABSENT], Course.END, Course.END),
        ([EMPTY, Unseen.ABSENT, Unseen.UNKNOWN], Course.LISTEN, Course.LISTEN),
        ([EMPTY, Unseen.ABSENT, OCCUPIED], Course.LISTEN, Course.LISTEN),
        ([RINGING], Course.WAIT, Course.REST),
        ([PROGRESSING], Course.LISTEN, Course.LISTEN),
        ([PROGRESSING, HUNG_UP], Course.END, Course.END),
        ([UNREADABLE], Course.LISTEN, Course.LISTEN),
        ([EMPTY, UNREADABLE], Course.LISTEN, Course.LISTEN),
        ([TERMINATED, UNREADABLE], Course.LISTEN, Course.LISTEN),
        ([TALKING], Course.LISTEN, Course.LISTEN),
        ([RINGING, TALKING], Course.LISTEN, Course.LISTEN),
    ],
)
def test_the_course_follows_what_is_known(known: list[Known], without: Course, standing: Course) -> None:
    assert life(*known).course(1.0) is without
    assert life(*known, connected=0.0).course(1.0) is standing


@pytest.mark.parametrize("known", [*OVER, EMPTY, RINGING, Unseen.ABSENT, Unseen.UNKNOWN])
def test_nobody_who_is_heard_is_hung_up_on(known: Known) -> None:
    one = life(OCCUPIED, known, connected=0.0)
    one.heard(100.0)

    assert one.course(100.0 + LAST_WORDS - 0.01) is Course.LISTEN


@pytest.mark.parametrize("known", [EMPTY, RINGING, Unseen.ABSENT])
@pytest.mark.parametrize("moments", [[0.2], [-0.5, 0.5, 1.5, 2.5]])
def test_who_is_heard_after_it_was_said_that_nobody_is_there_is_missed_without_a_stream(
    known: Known, moments: Sequence[float]
) -> None:
    one = life(known, connected=-5.0)
    for moment in moments:
        one.heard(moment)
    one.disconnected()

    assert one.course(60.0) is Course.LISTEN
    assert one.owed is None
    one.told(known, 61.0)
    assert one.course(61.0) in (Course.WAIT, Course.END)
    assert one.owed is False


@pytest.mark.parametrize("known", [UNREADABLE, TALKING])
def test_what_we_cannot_read_is_as_if_nobody_had_been_asked(known: Known) -> None:
    one = life(OCCUPIED, known, connected=0.0)

    assert one.course(1000.0) is Course.LISTEN, "it is not opened anew"
    assert one.next_look(1000.0) is None
    assert (one.owed, one.people, one.over) == (None, 0, False)


def test_the_last_words_of_who_has_left_prove_nothing() -> None:
    one = life(OCCUPIED, EMPTY, connected=-5.0, heard=-1.0)
    one.heard(0.5)
    one.disconnected()

    assert one.course(60.0) is Course.WAIT
    assert one.owed is False


@pytest.mark.parametrize("known", OVER)
def test_those_who_are_heard_while_they_must_leave_do_not_come_back(known: Known) -> None:
    one = life(known, connected=0.0, heard=LAST_WORDS + 5.0)
    one.disconnected()

    assert one.course(60.0) is Course.END
    assert one.owed is False


def test_a_conference_that_is_over_ends_within_seconds_of_its_last_word() -> None:
    one = life(TERMINATED, connected=0.0, heard=100.0)

    assert one.next_look(100.5) == 100.0 + LAST_WORDS
    assert one.course(100.0 + LAST_WORDS) is Course.END


def test_what_is_not_there_is_over_only_if_it_ever_was() -> None:
    heard = life(connected=0.0, heard=1.0)
    heard.told(Unseen.ABSENT, 100.0)

    assert heard.course(100.0) is Course.END
    assert life(Unseen.ABSENT).course(100.0) is Course.WAIT


def test_a_stream_that_hears_nobody_though_somebody_is_there_is_opened_anew_ever_more_rarely() -> None:
    one, now, reopened = life(OCCUPIED), 0.0, []
    while now < 7200:
        one.connected(now)
        due = one.next_look(now)
        assert due is not None
        assert one.course(due - 0.001) is Course.LISTEN
        assert one.course(due) is Course.REOPEN
        one.reopening()
        one.disconnected()
        reopened.append(due - now)
        now = due

    assert reopened[:6] == [20, 40, 80, 160, 320, 600]
    assert set(reopened[6:]) == {MOST_PATIENCE}
    assert one.fruitless == len(reopened)


def test_patience_may_change_while_it_is_needed() -> None:
    one = life(OCCUPIED, connected=0.0)
    one.patience = Patience(5.0)

    assert one.course(4.9) is Course.LISTEN
    assert one.course(5.0) is Course.REOPEN


@pytest.mark.parametrize(
    ("known", "people", "ending"),
    [
        ([], 0, ""),
        ([EMPTY], 0, ""),
        ([OCCUPIED], 1, ""),
        ([JOINED], 2, ""),
        ([PROGRESSING], 2, ""),
        ([RINGING], 0, ""),
        ([JOINED, Unseen.UNKNOWN], 0, ""),
        ([LEAVING], 0, "deleted"),
        ([DELETED_EMPTY], 0, "deleted"),
        ([TERMINATED], 0, "terminated"),
        ([TERMINATED, Unseen.UNKNOWN], 0, "terminated"),
        ([HUNG_UP], 0, "hangup"),
        ([JOINED, Unseen.ABSENT], 0, GONE),
        ([Unseen.ABSENT], 0, ""),
        ([TERMINATED, JOINED], 2, ""),
    ],
)
def test_who_is_there_and_how_it_ended_is_what_was_last_shown(
    known: list[Known], people: int, ending: str
) -> None:
    one = life(*known)

    assert (one.people, one.ending, one.over) == (people, ending, bool(ending))


def test_a_time_in_which_nobody_was_told_anything_does_not_make_silence_shorter() -> None:
    one = life(OCCUPIED, connected=0.0)
    one.told(Unseen.UNKNOWN, PATIENCE - 1)

    assert one.course(PATIENCE + 1) is Course.LISTEN
    assert one.next_look(PATIENCE - 1) is None
    one.told(OCCUPIED, PATIENCE + 1)
    assert one.course(PATIENCE + 1) is Course.REOPEN


def test_silence_counts_from_when_somebody_came_and_from_the_last_audio() -> None:
    joined = life(EMPTY, connected=0.0)
    joined.told(OCCUPIED, 1000.0)
    heard = life(OCCUPIED, connected=0.0, heard=500.0)

    assert joined.next_look(1000.0) == 1000.0 + PATIENCE
    assert heard.course(500.0 + PATIENCE - 0.1) is Course.LISTEN
    assert heard.course(500.0 + PATIENCE) is Course.REOPEN


def test_each_time_of_being_there_counts_from_its_own_beginning() -> None:
    one = life(OCCUPIED, connected=0.0)
    one.told(EMPTY, 10.0)
    one.told(OCCUPIED, 1000.0)

    assert one.next_look(1000.0) == 1000.0 + PATIENCE


def test_what_another_stream_heard_does_not_keep_this_one() -> None:
    one = life(TERMINATED, connected=0.0, heard=100.0)
    one.disconnected()
    one.connected(100.5)

    assert one.course(100.6) is Course.END


@pytest.mark.parametrize("hope", [lambda one: one.told(JOINED, 50.0), lambda one: one.heard(50.0)])
def test_who_joins_and_what_is_heard_give_new_hope(hope: Callable[[Life], None]) -> None:
    one = life(OCCUPIED, connected=0.0)
    for _ in range(5):
        one.reopening()
    hope(one)
    one.connected(100.0)

    assert one.next_look(100.0) == 100.0 + PATIENCE


@pytest.mark.parametrize(
    ("known", "owed"),
    [
        ([], None),
        ([EMPTY], False),
        ([OCCUPIED], True),
        ([LEAVING], False),
        ([TERMINATED], False),
        ([TERMINATED, Unseen.UNKNOWN], False),
        ([OCCUPIED, Unseen.UNKNOWN], None),
        ([Unseen.ABSENT], False),
        ([PROGRESSING], True),
        ([HUNG_UP], False),
    ],
)
def test_a_drop_is_a_gap_where_somebody_is_there(known: list[Known], owed: bool | None) -> None:
    assert life(*known).owed is owed


KNOWN = (EMPTY, UNREADABLE, OCCUPIED, JOINED, LEAVING, DELETED_EMPTY, TERMINATED, *Unseen)
STEPS = st.lists(
    st.tuples(
        st.floats(0, 40).map(lambda seconds: round(seconds, 3)),
        st.sampled_from([*KNOWN, "connect", "heard", "drop"]),
    ),
    max_size=40,
)


def live(steps: Sequence[tuple[float, Known | str]], check: Callable[[Life, float, "Seen"], None]) -> None:
    """Walk through the steps, doing what the course says, and look at many moments in between."""
    one, now, seen = Life(Patience(PATIENCE)), 0.0, Seen()
    for pause, step in steps:
        for part in range(5):
            moment = now + pause * part / 5
            check(one, moment, seen)
            course = one.course(moment)
            if course is Course.REOPEN:
                one.reopening()
            if course in (Course.REOPEN, Course.END) and seen.standing:
                one.disconnected()
                seen.standing, seen.heard_at = False, None
        now += pause
        match step:
            case "connect":
                one.connected(now)
                seen.standing, seen.heard_at, seen.connected_at = True, None, now
            case "heard" if seen.standing:
                one.heard(now)
                seen.heard_at, seen.ever = now, True
                seen.audio.append(now)
            case "drop" if seen.standing:
                one.disconnected()
                seen.standing, seen.heard_at = False, None
            case Snapshot() | Unseen():
                one.told(step, now)
                seen.known.append(step)
                seen.told_at = now
                seen.ever = seen.ever or isinstance(step, Snapshot)
        check(one, now, seen)


class Seen:
    """What happened, as an onlooker wrote it down."""

    def __init__(self) -> None:
        self.known: list[Known] = []
        self.standing = False
        self.connected_at = 0.0
        self.heard_at: float | None = None
        self.told_at = 0.0
        self.audio: list[float] = []
        self.ever = False

    @property
    def heard_anew(self) -> bool:
        """Whether anybody was heard since something was last told, not counting the end of what was."""
        last_words_until = self.told_at + LAST_WORDS
        for before, at in pairwise([-LAST_WORDS - 1, *self.audio]):
            begins = at - before > LAST_WORDS
            if at > self.told_at and (begins or at > last_words_until):
                return True
        return False

    @property
    def last_shown(self) -> Snapshot | None:
        return next((each for each in reversed(self.known) if isinstance(each, Snapshot)), None)


@given(STEPS)
def test_no_course_ever_costs_audio(steps: list[tuple[float, Known | str]]) -> None:
    def check(one: Life, now: float, seen: Seen) -> None:
        course, last = one.course(now), seen.known[-1] if seen.known else Unseen.UNKNOWN
        if seen.standing and seen.heard_at is not None and now - seen.heard_at < LAST_WORDS:
            assert course is Course.LISTEN, "somebody is heard"
        if isinstance(last, Snapshot) and last.occupied and not last.over:
            assert course in (Course.LISTEN, Course.REOPEN), "somebody is there"
        if last is UNREADABLE:
            assert course is Course.LISTEN, "as if nobody could be asked"
        if last is Unseen.UNKNOWN and not (seen.last_shown and seen.last_shown.over):
            assert course is Course.LISTEN, "as if nobody could be asked"
        if course is Course.REOPEN:
            assert now - max(seen.connected_at, seen.heard_at or 0.0) >= PATIENCE, "it was not given time"

    live(steps, check)


@given(STEPS)
def test_an_end_is_one_that_was_shown_and_no_stream_is_wanted_where_nobody_is(
    steps: list[tuple[float, Known | str]],
) -> None:
    def check(one: Life, now: float, seen: Seen) -> None:
        course, last = one.course(now), seen.known[-1] if seen.known else Unseen.UNKNOWN
        heard = seen.standing and seen.heard_at is not None and now - seen.heard_at < LAST_WORDS
        if course is Course.END:
            absent = last is Unseen.ABSENT and seen.ever
            assert absent or (seen.last_shown is not None and seen.last_shown.over)
        if isinstance(last, Snapshot) and last.over and not heard:
            assert course is Course.END
        if isinstance(last, Snapshot) and not last.over and last.occupied is False and not heard:
            resting = Course.REST if seen.standing else Course.WAIT
            assert course is (Course.LISTEN if seen.heard_anew else resting)
        assert (one.owed is True) == (isinstance(last, Snapshot) and last.occupied is True and not last.over)

    live(steps, check)


@given(STEPS)
def test_between_two_looks_nothing_changes_by_itself(steps: list[tuple[float, Known | str]]) -> None:
    def check(one: Life, now: float, _seen: Seen) -> None:
        due = one.next_look(now)
        later = now + 10_000 if due is None else due
        course = one.course(now)
        assert later > now
        assert all(one.course(now + (later - now) * part / 7) is course for part in range(7))

    live(steps, check)

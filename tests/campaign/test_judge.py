"""The judge is judged: a recording with the smallest of faults must not pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.simulator.record import Run
from recorder.simulator.verdict import Fetched
from tests.campaign.judge import Judgement, judge
from tests.campaign.tape import MarkedTape, Samples

TAPE = MarkedTape.marked("standup", 10, seed=1)
LENGTH = len(TAPE)
SENT = 40_000
BEGIN = 12_345
"""The position of the first sample that was sent."""
END = BEGIN + SENT
CONNECTION = [Run(BEGIN, SENT, 0.0)]


def fetched(*contents: Samples | tuple[int, str]) -> Fetched:
    """What was fetched: samples that were heard, and silence with its reason."""
    samples: list[Samples] = []
    silence: list[tuple[int, int, str]] = []
    for content in contents:
        if isinstance(content, tuple):
            silence.append((sum(map(len, samples)), *content))
            samples.append(np.zeros(content[0], np.int16))
        else:
            samples.append(content)
    return Fetched(np.concatenate(samples), tuple(silence), 1)


def piece(begin: int, end: int) -> Samples:
    return TAPE.at(begin, end - begin)


def clean(judgement: Judgement) -> bool:
    return judgement.wrong == judgement.astray == judgement.disagreement == 0 and sum(judgement.dropped) == 0


def test_what_was_sent_is_what_was_fetched() -> None:
    judgement = judge(TAPE, [CONNECTION], fetched(piece(BEGIN, END)))

    assert clean(judgement)
    assert (judgement.sent, judgement.lost, judgement.reported) == (SENT, 0, 0)


@given(at=st.integers(BEGIN + 20, END - 20), count=st.integers(1, 3000))
def test_samples_that_are_missing_are_lost_and_were_not_reported(at: int, count: int) -> None:
    end = min(at + count, END - 16)

    judgement = judge(TAPE, [CONNECTION], fetched(piece(BEGIN, at), piece(end, END)))

    assert (judgement.lost, judgement.reported, judgement.wrong) == (max(0, end - at), 0, 0)
    assert judgement.dropped == (max(0, end - at),)
    assert judgement.astray == max(0, end - at)


@given(at=st.integers(BEGIN + 3000, END - 20), count=st.integers(16, 3000))
def test_samples_that_are_there_twice_are_wrong(at: int, count: int) -> None:
    judgement = judge(TAPE, [CONNECTION], fetched(piece(BEGIN, at), piece(at - count, END)))

    assert judgement.wrong == count
    assert judgement.lost == 0


@given(at=st.integers(BEGIN, END - 1))
def test_one_sample_that_is_another_is_wrong(at: int) -> None:
    samples = piece(BEGIN, END).copy()
    samples[at - BEGIN] ^= 1

    judgement = judge(TAPE, [CONNECTION], fetched(samples))

    assert judgement.wrong >= 1
    assert sum(judgement.dropped) >= 1


def test_samples_in_another_order_are_wrong() -> None:
    judgement = judge(
        TAPE,
        [CONNECTION],
        fetched(
            piece(BEGIN, BEGIN + 8000),
            piece(BEGIN + 12_000, BEGIN + 16_000),
            piece(BEGIN + 8000, BEGIN + 12_000),
            piece(BEGIN + 16_000, END),
        ),
    )

    assert judgement.wrong == 4000


def test_samples_that_were_never_sent_are_wrong() -> None:
    judgement = judge(TAPE, [CONNECTION], fetched(piece(BEGIN, END + 160)))

    assert judgement.wrong == 160


@pytest.mark.parametrize(
    ("said", "lost", "reported", "astray"),
    [
        pytest.param([(4000, "disconnected")], 4000, 4000, 0, id="true"),
        pytest.param([(3999, "disconnected")], 4000, 3999, 1, id="a sample too short"),
        pytest.param([(4001, "disconnected")], 4000, 4001, 1, id="a sample too long"),
        pytest.param([(3000, "disconnected"), (1000, "stalled")], 4000, 4000, 0, id="two reasons"),
        pytest.param([(4000, "missing")], 4000, 0, 4000, id="gone from the bucket"),
        pytest.param([(4000, "unaccounted")], 4000, 0, 4000, id="nobody knows why"),
        pytest.param([], 4000, 0, 4000, id="nothing"),
    ],
)
def test_a_gap_must_be_called_as_long_as_it_was(
    said: list[tuple[int, str]], lost: int, reported: int, astray: int
) -> None:
    before, after = BEGIN + 8000, BEGIN + 12_000
    connections = [[Run(BEGIN, 8000, 0.0)], [Run(after, END - after, 1.0)]]

    judgement = judge(TAPE, connections, fetched(piece(BEGIN, before), *said, piece(after, END)))

    assert (judgement.lost, judgement.reported, judgement.astray) == (lost, reported, astray)
    assert judgement.dropped == (0, 0)
    assert judgement.wrong == 0


def test_gaps_that_are_reported_elsewhere_do_not_make_up_for_each_other() -> None:
    gone = [Run(BEGIN, 8000, 0.0)], [Run(BEGIN + 9000, SENT - 9000, 1.0)]

    judgement = judge(
        TAPE,
        gone,
        fetched(
            piece(BEGIN, BEGIN + 8000), piece(BEGIN + 9000, END - 800), (1000, "lost"), piece(END - 800, END)
        ),
    )

    assert judgement.disagreement == 0
    assert judgement.astray == 1000


def test_what_is_called_silence_must_be() -> None:
    lying = fetched(piece(BEGIN, BEGIN + 8000), (4000, "stalled"), piece(BEGIN + 12_000, END))
    lying.samples[9000] = 7

    assert judge(TAPE, [CONNECTION], lying).wrong == 1


def test_what_was_sent_before_and_after_all_that_is_there_was_dropped_and_is_no_gap() -> None:
    judgement = judge(TAPE, [CONNECTION], fetched(piece(BEGIN + 100, END - 200)))

    assert judgement.dropped == (300,)
    assert (judgement.lost, judgement.wrong) == (0, 0)


def test_a_tape_that_is_played_round_and_round_is_followed() -> None:
    end = BEGIN + 3 * LENGTH
    whole = [Run(BEGIN, end - BEGIN, 0.0)]
    middle = BEGIN + LENGTH + 777

    assert clean(judge(TAPE, [whole], fetched(piece(BEGIN, end))))
    judgement = judge(TAPE, [whole], fetched(piece(BEGIN, middle), piece(middle + 160, end)))
    assert (judgement.lost, judgement.wrong, judgement.dropped) == (160, 0, (160,))

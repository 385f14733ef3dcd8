"""The record's own arithmetic, which every comparison of samples leans on."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.media import Codec
from recorder.simulator import ConnectionRecord, Run, Tape, WatchRecord

TAPE = Tape(np.arange(1000, dtype=np.int16))


def empty() -> ConnectionRecord:
    return ConnectionRecord(TAPE, Codec.PCM16LE, "sln")


def spans(record: ConnectionRecord) -> list[tuple[int, int]]:
    return [(run.position, run.count) for run in record.runs]


@given(st.lists(st.integers(0, 20), max_size=40))
def test_numbered_messages_are_kept_once_and_in_order_however_they_came(frames: list[int]) -> None:
    record = empty()

    for frame in frames:
        record.insert(frame * 10, 10, now=0.0)

    expected = [sample for frame in sorted(set(frames)) for sample in range(frame * 10, frame * 10 + 10)]
    assert record.samples().tolist() == expected
    assert all(one.end < two.position for one, two in zip(record.runs, record.runs[1:], strict=False))


@given(st.lists(st.integers(0, 20), max_size=40))
def test_messages_without_a_number_are_kept_as_they_came(frames: list[int]) -> None:
    record = empty()

    for frame in frames:
        record.append(frame * 10, 10, now=0.0)

    assert record.samples().tolist() == [frame * 10 + i for frame in frames for i in range(10)]


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=10))
def test_what_nobody_heard_is_the_rest_of_the_timeline(runs: list[tuple[int, int]]) -> None:
    connections = [empty() for _ in range(2)]
    for number, (position, count) in enumerate(runs):
        connections[number % 2].runs.append(Run(position, count, 0.0))

    unheard = WatchRecord(connections).unheard(10, 90)

    heard = {sample for position, count in runs for sample in range(position, position + count)}
    assert [sample for position, count in unheard for sample in range(position, position + count)] == [
        sample for sample in range(10, 90) if sample not in heard
    ]


def test_a_connection_that_heard_nothing_has_no_samples() -> None:
    assert empty().samples().tolist() == []

"""The comparison sees what a recorder could do to a sample: leave it out, shift it, make it up."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.simulator.tape import Tape
from storage.manifest import (
    Audio,
    ClosedBy,
    GapReason,
    LedgerEntry,
    Levels,
    OpenedAfter,
    OpenedAfterReason,
    SegmentManifest,
    WatchFacts,
)
from storage.names import WatchKind
from tests.bench.generator import FRAME, TAPE
from tests.bench.samples import Played, Samples, expected

TICKS = 100
TAPE_SAMPLES = Tape.speech(TAPE).samples
SENT = expected(TAPE_SAMPLES, 7, 0, TICKS * FRAME)


def manifest(samples: int, *ledger: LedgerEntry, after: OpenedAfter | None = None) -> SegmentManifest:
    return SegmentManifest(
        watch=WatchFacts(kind=WatchKind.CONFERENCE, id="1ed12456-eb4b-11ee-bba8-000000000001"),
        recorder="bench",
        version="0",
        number=1,
        started_at=datetime(2026, 11, 22, tzinfo=UTC),
        samples=samples,
        encapsulation="rtp",
        codec="pcm16le",
        ledger=ledger,
        opened_after=after,
        closed_by=ClosedBy.STOPPED,
        audio=Audio(key="a.wav", sha256="0" * 64, size=44 + 2 * samples),
        levels=Levels(peak_dbfs=None, rms_dbfs=None),
    )


def played(*spans: tuple[int, int]) -> Played:
    watch = Played(TAPE_SAMPLES)
    watch.follow(list(spans))
    return watch


def lost(recorded: Samples, *ledger: LedgerEntry) -> int:
    watch = played((7, 7 + TICKS))
    watch.take(manifest(len(recorded), *ledger), recorded)
    return sum(watch.lost())


def test_what_was_sent_is_what_the_generator_plays_tick_by_tick() -> None:
    by_tick = [
        TAPE_SAMPLES[start : start + FRAME]
        for start in (tick * FRAME % (len(TAPE_SAMPLES) - FRAME) for tick in range(7, 7 + TICKS))
    ]

    assert np.array_equal(SENT, np.concatenate(by_tick))


@given(st.integers(0, TICKS * FRAME), st.integers(0, TICKS * FRAME))
def test_segments_that_follow_each_other_are_compared_across_their_cuts(one: int, other: int) -> None:
    first, second = sorted((one, other))
    watch = played((7, 7 + TICKS))
    for part in np.split(SENT, [first, second]):
        watch.take(manifest(len(part)), part)

    assert sum(watch.lost()) == 0


def test_a_sample_that_is_missing_at_the_end_is_one_lost() -> None:
    assert lost(SENT[:-1]) == 1


def test_a_sample_too_many_is_one_too() -> None:
    assert lost(np.append(SENT, SENT[:1])) == 1


def test_one_wrong_sample_is_one_lost() -> None:
    wrong = SENT.copy()
    wrong[1234] += 1

    assert lost(wrong) == 1


@pytest.mark.parametrize("where", [0, 8000])
def test_a_shifted_sample_spoils_what_follows(where: int) -> None:
    assert lost(np.delete(SENT, where)) > len(SENT[where:]) / 2


def test_nothing_recorded_is_everything_lost() -> None:
    assert sum(played((7, 7 + TICKS)).lost()) == len(SENT)


def test_silence_that_the_ledger_tells_of_is_not_compared() -> None:
    silence = np.zeros(400, np.int16)
    recorded = np.concatenate([SENT[:1000], silence, SENT[1000:]])

    assert lost(recorded, LedgerEntry(start=1000, samples=400, reason=GapReason.STALLED)) == 0


def test_packets_that_the_ledger_calls_lost_are_lost_and_nothing_else_is() -> None:
    recorded = SENT.copy()
    recorded[FRAME : 3 * FRAME] = 0

    assert lost(recorded, LedgerEntry(start=FRAME, samples=2 * FRAME, reason=GapReason.LOST)) == 2 * FRAME


def test_each_connection_is_compared_with_what_it_was_sent() -> None:
    later = expected(TAPE_SAMPLES, 900, 0, 10 * FRAME)
    recorded = np.concatenate([SENT[:-40], np.zeros(500, np.int16), later])
    gap = LedgerEntry(start=len(SENT) - 40, samples=500, reason=GapReason.DISCONNECTED)
    watch = played((7, 7 + TICKS), (900, 910))

    watch.take(manifest(len(recorded), gap), recorded)

    assert watch.lost() == [40, 0], "what was under way when the connection was cut"


def test_an_interruption_across_a_cut_is_one() -> None:
    later, silence = expected(TAPE_SAMPLES, 900, 0, 10 * FRAME), np.zeros(500, np.int16)
    watch = played((7, 7 + TICKS), (900, 910))

    before = LedgerEntry(start=len(SENT), samples=500, reason=GapReason.DISCONNECTED)
    watch.take(manifest(len(SENT) + 500, before), np.append(SENT, silence))
    behind = LedgerEntry(start=0, samples=500, reason=GapReason.DISCONNECTED)
    watch.take(manifest(500 + len(later), behind), np.append(silence, later))

    assert watch.lost() == [0, 0]


def test_a_segment_that_follows_a_long_interruption_is_of_the_next_connection() -> None:
    later = expected(TAPE_SAMPLES, 900, 0, 10 * FRAME)
    after = OpenedAfter(reason=OpenedAfterReason.DISCONNECTED, seconds=90)
    watch = played((7, 7 + TICKS), (900, 910))

    watch.take(manifest(len(SENT)), SENT)
    watch.take(manifest(len(later), after=after), later)

    assert watch.lost() == [0, 0]


def test_audio_that_nobody_sent_is_counted() -> None:
    watch = played()

    watch.take(manifest(160), SENT[:160])

    assert watch.unknown == 160

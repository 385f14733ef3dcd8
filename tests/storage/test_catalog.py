"""Audio comes back to the sample, whatever lay between; and what does not come back is said.

The reference is an array of what was recorded, sample by sample, on the time line from `NOON` on. Segments
are cut from it; what a fetch gives is compared with a slice of it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from storage.catalog import Catalog, NothingRecorded
from storage.errors import StoreUnavailable
from storage.layout import CORRUPT, MISSING, UNACCOUNTED, Problem, to_samples
from storage.manifest import (
    ClosedBy,
    GapReason,
    LedgerEntry,
    OpenedAfter,
    OpenedAfterReason,
    SegmentManifest,
    format_manifest,
)
from storage.names import AudioFormat, WatchId, WatchKind
from storage.retrieval import FetchResult
from tests.fakes import MemoryStore
from tests.storage.segments import (
    BOARD,
    NOON,
    RATE,
    Samples,
    flac,
    manifest,
    seconds,
    speech,
    store_segment,
    stored,
    wav,
)

SAMPLE = timedelta(microseconds=125)

IDLE, GRID = OpenedAfterReason.IDLE, ClosedBy.GRID


@dataclass
class Collector:
    """Takes what a fetch writes."""

    blocks: list[Samples] = field(default_factory=list)

    def write(self, samples: Samples) -> None:
        self.blocks.append(samples.copy())

    @property
    def samples(self) -> Samples:
        return np.concatenate(self.blocks) if self.blocks else np.empty(0, np.int16)


def fetch(
    store: MemoryStore, start: datetime | None = None, end: datetime | None = None
) -> tuple[Samples, FetchResult]:
    catalog = Catalog(store)
    out = Collector()
    result = catalog.fetch(catalog.layout(BOARD, start, end), out)
    assert result.samples == len(out.samples)
    return out.samples, result


def reasons(result: FetchResult) -> list[tuple[int, int, str]]:
    return [(silence.at, silence.samples, silence.reason) for silence in result.silence]


@dataclass(frozen=True)
class Planned:
    """A segment of a made-up recording, in samples from noon on; `gap` is what lies before it."""

    gap: int
    start: int
    samples: int
    audio_format: AudioFormat = AudioFormat.WAV


@st.composite
def plans(draw: st.DrawFn) -> list[Planned]:
    plan, at = [], 0
    for _ in range(draw(st.integers(1, 6))):
        gap = draw(st.just(0) | st.integers(1, 3 * RATE))
        length = draw(st.integers(1, 2 * RATE))
        plan.append(Planned(gap, at + gap, length, draw(st.sampled_from(AudioFormat))))
        at += gap + length
    return plan


def record(store: MemoryStore, plan: list[Planned]) -> Samples:
    """Put the segments of a plan into a store, and give the whole time line as it was, silence for gaps."""
    whole = np.zeros(plan[-1].start + plan[-1].samples, np.int16)
    for number, planned in enumerate(plan):
        samples = speech(planned.samples, number)
        whole[planned.start :][: planned.samples] = samples
        opened_after = IDLE if planned.gap else None
        segment = manifest(
            samples,
            NOON + planned.start * SAMPLE,
            number=number,
            opened_after=opened_after,
            closed_by=GRID,
            audio_format=planned.audio_format,
        )
        store_segment(store, samples, segment)
    return whole


@settings(max_examples=150)
@given(plans(), st.data())
def test_a_fetch_is_a_slice_of_what_was_recorded(plan: list[Planned], data: st.DataObject) -> None:
    store = MemoryStore()
    whole = record(store, plan)
    # Some audio is in every range: from within one segment, or before it, to within another, or beyond it.
    one, other = sorted(data.draw(st.tuples(*[st.integers(0, len(plan) - 1)] * 2)))
    begin = data.draw(st.integers(0, plan[one].start + plan[one].samples - 1))
    end = data.draw(st.integers(max(begin, plan[other].start) + 1, len(whole)))

    fetched, result = fetch(store, NOON + begin * SAMPLE, NOON + end * SAMPLE)

    assert np.array_equal(fetched, whole[begin:end])
    silent = np.ones(end - begin, bool)
    for planned in plan:
        silent[max(planned.start - begin, 0) : max(planned.start + planned.samples - begin, 0)] = False
    accounted = np.zeros(end - begin, bool)
    for silence in result.silence:
        accounted[silence.at : silence.at + silence.samples] = True
        assert silence.started_at == NOON + (begin + silence.at) * SAMPLE
    assert np.array_equal(accounted, silent)


@settings(max_examples=30)
@given(plans(), st.data())
def test_two_fetches_that_meet_are_one(plan: list[Planned], data: st.DataObject) -> None:
    store = MemoryStore()
    whole = record(store, plan)
    assume(len(whole) > plan[0].start + 1)
    middle = NOON + data.draw(st.integers(plan[0].start + 1, len(whole) - 1)) * SAMPLE

    before, _ = fetch(store, None, middle)
    after, _ = fetch(store, middle, None)

    assert np.array_equal(np.concatenate([before, after]), whole[plan[0].start :])


@settings(max_examples=30)
@given(st.lists(st.integers(-400, 400), min_size=1, max_size=5), st.data())
def test_labels_that_drift_neither_add_nor_remove_a_sample(drift_ms: list[int], data: st.DataObject) -> None:
    store = MemoryStore()
    parts = [speech(RATE + number, number) for number in range(len(drift_ms) + 1)]
    store_segment(store, parts[0], manifest(parts[0], NOON, closed_by=GRID))
    end = NOON + len(parts[0]) * SAMPLE
    for number, (samples, drift) in enumerate(zip(parts[1:], drift_ms, strict=True), 1):
        label = end + timedelta(milliseconds=drift)
        store_segment(
            store, samples, manifest(samples, label, number=number, opened_after=None, closed_by=GRID)
        )
        end = label + len(samples) * SAMPLE
    middle = NOON + data.draw(st.integers(1, to_samples(end - NOON) - 2)) * SAMPLE + SAMPLE // 2

    whole, result = fetch(store)
    before, _ = fetch(store, NOON, middle)
    after, _ = fetch(store, middle, end)

    assert np.array_equal(whole, np.concatenate(parts))
    assert result.silence == ()
    assert np.array_equal(np.concatenate([before, after]), whole)


def test_silence_within_a_segment_keeps_its_reason_and_its_place() -> None:
    store = MemoryStore()
    samples = speech(RATE)
    samples[2000:3000] = 0
    gaps = [
        LedgerEntry(start=2000, samples=500, reason=GapReason.STALLED),
        LedgerEntry(start=2500, samples=500, reason=GapReason.DISCONNECTED),
    ]
    store_segment(store, samples, manifest(samples, ledger=gaps))

    _, result = fetch(store, NOON + 2250 * SAMPLE, NOON + 4000 * SAMPLE)

    assert reasons(result) == [(0, 250, "stalled"), (250, 500, "disconnected")]
    assert result.silence[1].started_at == NOON + 2500 * SAMPLE
    assert result.complete


@pytest.mark.parametrize(
    ("opened_after", "closed_by", "expected"),
    [
        (OpenedAfterReason.START, ClosedBy.STOPPED, ["start", "stopped"]),
        (OpenedAfterReason.IDLE, ClosedBy.IDLE, ["idle", "idle"]),
        (OpenedAfterReason.DISCONNECTED, ClosedBy.DISCONNECTED, ["disconnected", "disconnected"]),
        (None, ClosedBy.GRID, [MISSING, UNACCOUNTED]),
        (None, ClosedBy.CODEC, [MISSING, UNACCOUNTED]),
        (OpenedAfterReason.IDLE, ClosedBy.CRASH, ["idle", "crash"]),
    ],
)
def test_before_and_after_all_audio_there_is_silence_with_a_reason(
    opened_after: OpenedAfterReason | None, closed_by: ClosedBy, expected: list[str]
) -> None:
    store = MemoryStore()
    samples = speech(RATE)
    store_segment(store, samples, manifest(samples, opened_after=opened_after, closed_by=closed_by))

    fetched, result = fetch(store, NOON - seconds(2), NOON + seconds(4))

    silence = np.zeros(2 * RATE, np.int16)
    assert np.array_equal(fetched, np.concatenate([silence, samples, silence, silence[:RATE]]))
    assert reasons(result) == [(0, 2 * RATE, expected[0]), (3 * RATE, 3 * RATE, expected[1])]
    assert result.complete == (MISSING not in expected)


@pytest.mark.parametrize(
    ("closed_by", "between"),
    [(ClosedBy.CRASH, "crash"), (ClosedBy.STOPPED, "stopped"), (ClosedBy.GRID, UNACCOUNTED)],
)
def test_a_segment_answers_for_the_time_it_waited_and_for_none_before(
    closed_by: ClosedBy, between: str
) -> None:
    store = MemoryStore()
    first, second = speech(RATE), speech(RATE)
    store_segment(store, first, manifest(first, closed_by=closed_by))
    store_segment(store, second, manifest(second, NOON + seconds(60), number=1, away=2.5))

    _, result = fetch(store, NOON, NOON + seconds(61))

    assert reasons(result) == [
        (RATE, 56 * RATE + RATE // 2, between),
        (57 * RATE + RATE // 2, 2 * RATE + RATE // 2, "start"),
    ]


def test_across_a_restart_each_reason_has_its_place() -> None:
    store = MemoryStore()
    first, second = speech(RATE), speech(RATE)
    by_reason = {OpenedAfterReason.IDLE: 30.0, OpenedAfterReason.CRASH: 20.0, OpenedAfterReason.START: 9.0}
    account = OpenedAfter(reason=OpenedAfterReason.IDLE, seconds=59.0, by_reason=by_reason)
    store_segment(store, first, manifest(first, closed_by=ClosedBy.IDLE))
    later = manifest(second, NOON + seconds(60), number=1).model_copy(update={"opened_after": account})
    store_segment(store, second, later)

    _, whole = fetch(store, NOON, NOON + seconds(61))
    _, part = fetch(store, NOON + seconds(40), NOON + seconds(61))

    assert reasons(whole) == [
        (RATE, 30 * RATE, "idle"),
        (31 * RATE, 20 * RATE, "crash"),
        (51 * RATE, 9 * RATE, "start"),
    ]
    assert reasons(part) == [(0, 11 * RATE, "crash"), (11 * RATE, 9 * RATE, "start")]


def three_in_a_row(
    store: MemoryStore, audio_format: AudioFormat = AudioFormat.WAV
) -> tuple[list[Samples], list[SegmentManifest]]:
    parts = [speech(RATE, number) for number in range(3)]
    segments: list[SegmentManifest] = []
    for number, samples in enumerate(parts):
        segment = manifest(
            samples,
            NOON + seconds(number),
            number=number,
            opened_after=None if number else OpenedAfterReason.START,
            audio_format=audio_format,
            previous=segments[-1] if segments else None,
        )
        segments.append(store_segment(store, samples, segment))
    return parts, segments


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_audio_that_is_missing_is_silence_and_a_problem(audio_format: AudioFormat) -> None:
    store = MemoryStore()
    parts, segments = three_in_a_row(store, audio_format)
    del store.objects[segments[1].audio.key]

    fetched, result = fetch(store)

    assert np.array_equal(fetched, np.concatenate([parts[0], np.zeros(RATE, np.int16), parts[2]]))
    assert reasons(result) == [(RATE, RATE, MISSING)]
    assert [problem.key for problem in result.problems] == [segments[1].audio.key]
    assert not result.complete


@pytest.mark.parametrize("audio_format", AudioFormat)
@pytest.mark.parametrize("damage", ["one bit", "cut short", "longer", "empty"])
def test_no_sample_of_damaged_audio_is_given(damage: str, audio_format: AudioFormat) -> None:
    store = MemoryStore()
    parts, segments = three_in_a_row(store, audio_format)
    key = segments[1].audio.key
    intact = store.objects[key]
    store.objects[key] = {
        "one bit": intact[:-1] + bytes([intact[-1] ^ 1]),
        "cut short": intact[:-2],
        "longer": intact + b"\0\0",
        "empty": b"",
    }[damage]

    fetched, result = fetch(store)

    assert np.array_equal(fetched, np.concatenate([parts[0], np.zeros(RATE, np.int16), parts[2]]))
    assert reasons(result) == [(RATE, RATE, CORRUPT)]
    assert not result.complete


def store_as_it_says(
    store: MemoryStore, samples: Samples, number: int, audio: bytes, audio_format: AudioFormat
) -> None:
    """An object whose manifest has its SHA-256, but says of the samples what `samples` are."""
    segment = manifest(samples, NOON + seconds(number), number=number, audio=audio, audio_format=audio_format)
    store_segment(store, samples, segment, audio=audio)


@pytest.mark.parametrize("audio_format", AudioFormat)
def test_audio_that_is_not_what_its_manifest_says_is_corrupt(audio_format: AudioFormat) -> None:
    store = MemoryStore()
    samples = speech(RATE)
    for number, audio in enumerate((b"no audio at all", stored(samples[:-1], audio_format))):
        store_as_it_says(store, samples, number, audio, audio_format)

    _, result = fetch(store)

    assert reasons(result) == [(0, 2 * RATE, CORRUPT)]
    assert len(result.problems) == 2


def test_under_the_name_of_a_flac_there_is_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    store = MemoryStore()
    samples = speech(RATE)
    mp3 = b"\xff\xfb\x90\x64" + bytes(1000)
    others = [wav(samples), mp3, b"fLaC", b"", flac(speech(RATE, seed=1))]
    for number, audio in enumerate(others):
        store_as_it_says(store, samples, number, audio or b"?", AudioFormat.FLAC)

    _, result = fetch(store)

    assert reasons(result) == [(0, len(others) * RATE, CORRUPT)]
    assert all("the audio is not what its manifest says: it" in each.message for each in result.problems)
    assert capfd.readouterr() == ("", ""), "libraries say nothing past us"


def overstated(samples: Samples) -> bytes:
    """A FLAC that ends well, and says in its header that it is of half a second more."""
    audio = flac(samples[: RATE // 2])
    return audio[:22] + len(samples).to_bytes(4, "big") + audio[26:]


@pytest.mark.parametrize(
    "damage",
    [lambda samples: flac(samples)[:100], lambda samples: flac(samples)[:-1], overstated],
    ids=["its header", "a byte less", "half"],
)
def test_a_flac_of_fewer_samples_than_it_says_is_corrupt(damage: Callable[[Samples], bytes]) -> None:
    """Written by somebody who takes a SHA-256 of what there is, and none of the samples."""
    store = MemoryStore()
    samples = speech(RATE)
    audio = damage(samples)
    segment = manifest(samples, audio=audio, audio_format=AudioFormat.FLAC)
    unknown = segment.audio.model_copy(update={"pcm_sha256": None})
    store_segment(store, samples, segment.model_copy(update={"audio": unknown}), audio=audio)

    fetched, result = fetch(store)

    assert not fetched.any()
    assert reasons(result) == [(0, RATE, CORRUPT)]


@settings(max_examples=200)
@given(st.data())
def test_of_a_flac_that_was_damaged_before_its_sha256_was_taken_no_sample_is_given(
    data: st.DataObject,
) -> None:
    store = MemoryStore()
    samples = speech(RATE // 4)
    audio = bytearray(flac(samples))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, 120) | st.integers(0, len(audio) - 1))
        audio[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.just(0) | st.integers(0, len(audio) - 1))
    damaged = bytes(audio[: len(audio) - cut])
    store_as_it_says(store, samples, 0, damaged, AudioFormat.FLAC)

    fetched, result = fetch(store)

    if result.problems:
        assert not fetched.any()
        assert reasons(result) == [(0, len(samples), CORRUPT)]
    else:
        assert np.array_equal(fetched, samples), "what was hit says nothing about the samples"


def test_the_data_chunk_is_honoured_wherever_it_is() -> None:
    store = MemoryStore()
    samples = speech(RATE)
    audio = wav(samples, chunk=b"INFOISFT\x04\0\0\0test")
    store_segment(store, samples, manifest(samples, audio=audio), audio=audio)

    fetched, _ = fetch(store)

    assert np.array_equal(fetched, samples)


def test_a_damaged_manifest_does_not_hide_the_others() -> None:
    store = MemoryStore()
    parts, segments = three_in_a_row(store)
    key = segments[1].name.manifest_key
    store.objects[key] = b"{}"

    entries = list(Catalog(store).segments(BOARD))
    fetched, result = fetch(store)

    assert [entry.key if isinstance(entry, Problem) else entry for entry in entries] == [
        segments[0],
        key,
        segments[2],
    ]
    assert np.array_equal(fetched, np.concatenate([parts[0], np.zeros(RATE, np.int16), parts[2]]))
    assert reasons(result) == [(RATE, RATE, CORRUPT)]
    assert [problem.key for problem in result.problems] == [key]


def test_a_manifest_under_the_name_of_another_is_damaged() -> None:
    store = MemoryStore()
    _, segments = three_in_a_row(store)
    store.objects[segments[1].name.manifest_key] = store.objects[segments[0].name.manifest_key]

    entries = list(Catalog(store).segments(BOARD))

    assert [isinstance(entry, Problem) for entry in entries] == [False, True, False]


def test_a_segment_missing_from_a_chain_is_noticed() -> None:
    store = MemoryStore()
    _, segments = three_in_a_row(store)
    del store.objects[segments[1].name.manifest_key]

    _, result = fetch(store)

    assert reasons(result) == [(RATE, RATE, MISSING)]
    assert not result.complete


def test_a_segment_missing_from_an_idle_hour_is_noticed() -> None:
    store = MemoryStore()
    samples = speech(RATE)
    first = store_segment(store, samples, manifest(samples))
    second = manifest(samples, NOON + seconds(10), number=1, opened_after=IDLE, previous=first)
    third = manifest(samples, NOON + seconds(20), number=2, opened_after=IDLE, previous=second)
    store_segment(store, samples, third)

    _, result = fetch(store)

    assert reasons(result) == [(RATE, 19 * RATE, MISSING)]


def test_a_segment_that_gave_up_its_audio_is_known_to_the_next_by_what_it_was() -> None:
    store = MemoryStore()
    samples, silent = speech(RATE), np.zeros(RATE, np.int16)
    first = manifest(samples)
    given_up = LedgerEntry(start=0, samples=RATE, reason=GapReason.DISK)
    now = manifest(silent, ledger=[given_up]).model_copy(
        update={"replaces": hashlib.sha256(format_manifest(first)).hexdigest()}
    )
    store_segment(store, silent, now)
    second = manifest(samples, NOON + seconds(10), number=1, opened_after=IDLE, previous=first)
    store_segment(store, samples, second)

    _, result = fetch(store)

    assert reasons(result) == [(0, RATE, GapReason.DISK), (RATE, 9 * RATE, IDLE)]
    assert result.complete


def test_two_recorders_are_never_heard_twice() -> None:
    store = MemoryStore()
    ours, theirs = speech(3 * RATE, 1), speech(4 * RATE, 2)
    store_segment(store, ours, manifest(ours, NOON))
    store_segment(store, theirs, manifest(theirs, NOON + seconds(2), recorder="rec-b", opened_after=IDLE))

    fetched, result = fetch(store)

    assert np.array_equal(fetched, np.concatenate([ours, theirs[RATE:]]))
    assert result.silence == ()
    (overlap,) = result.overlaps
    assert (overlap.started_at, overlap.ended_at) == (NOON + seconds(2), NOON + seconds(3))
    assert (overlap.taken, overlap.left_out) == ("rec-a", "rec-b")


def test_one_recorder_fills_the_gap_of_another() -> None:
    store = MemoryStore()
    before, after, meanwhile = speech(RATE, 1), speech(RATE, 2), speech(3 * RATE, 3)
    store_segment(store, before, manifest(before, NOON))
    store_segment(store, after, manifest(after, NOON + seconds(2), number=1, opened_after=IDLE))
    store_segment(store, meanwhile, manifest(meanwhile, NOON + seconds(0.5), recorder="rec-b"))

    fetched, result = fetch(store)

    assert np.array_equal(fetched, np.concatenate([before, meanwhile[RATE // 2 :]]))
    assert result.silence == ()


def test_reads_only_manifests_that_may_matter() -> None:
    store = MemoryStore()
    samples = speech(10)
    segments = [
        store_segment(
            store,
            samples,
            manifest(samples, NOON + timedelta(minutes=number), number=number, opened_after=IDLE),
        )
        for number in range(60)
    ]

    found = list(
        Catalog(store).segments(BOARD, NOON + timedelta(minutes=30, seconds=30), NOON + timedelta(minutes=33))
    )

    assert found == segments[31:33]
    assert sorted(store.read) == [segment.name.manifest_key for segment in segments[30:33]]


def test_a_segment_that_began_the_day_before_is_found() -> None:
    store = MemoryStore()
    samples = speech(5 * RATE)
    midnight = NOON + timedelta(hours=12)
    store_segment(store, samples, manifest(samples, midnight - seconds(1)))

    fetched, _ = fetch(store, midnight + seconds(3), midnight + seconds(4))

    assert np.array_equal(fetched, samples[4 * RATE :])


def test_a_range_of_years_is_found_too() -> None:
    store = MemoryStore()
    samples = speech(RATE)
    segment = store_segment(store, samples, manifest(samples))

    found = Catalog(store).segments(BOARD, NOON - timedelta(days=2000), NOON + timedelta(days=2000))

    assert list(found) == [segment]


def test_a_segment_whose_end_lies_beyond_the_label_of_the_next_is_found() -> None:
    store = MemoryStore()
    first, second = speech(2 * RATE, 1), speech(2 * RATE, 2)
    segments = [
        store_segment(store, first, manifest(first, NOON)),
        store_segment(store, second, manifest(second, NOON + seconds(1.8), number=1, opened_after=None)),
    ]

    assert list(Catalog(store).segments(BOARD, NOON + seconds(1.9), NOON + seconds(3))) == segments


@pytest.mark.parametrize(("microseconds", "samples"), [(0, 0), (62, 0), (63, 1), (125, 1), (10**6, RATE)])
def test_a_duration_is_so_many_samples_to_the_nearest(microseconds: int, samples: int) -> None:
    assert to_samples(timedelta(microseconds=microseconds)) == samples


def test_ranges_are_half_open() -> None:
    store = MemoryStore()
    _, segments = three_in_a_row(store)

    assert list(Catalog(store).segments(BOARD, NOON + seconds(1), NOON + seconds(2))) == [segments[1]]


def test_nothing_recorded_is_said() -> None:
    store = MemoryStore()
    three_in_a_row(store)

    with pytest.raises(NothingRecorded, match="2026-11-22T13"):
        Catalog(store).layout(BOARD, NOON + timedelta(hours=1), NOON + timedelta(hours=2))
    with pytest.raises(NothingRecorded, match="nothing was recorded"):
        Catalog(MemoryStore()).layout(BOARD)


def test_watches_are_those_with_a_folder() -> None:
    store = MemoryStore()
    call = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")
    samples = speech(10)
    store_segment(store, samples, manifest(samples, watch=call))
    store_segment(store, samples, manifest(samples))
    store.objects["conferences/not-a-uuid/readme.txt"] = b""
    store.objects["other/1ed12456-eb4b-11ee-bba8-1bfb2838807a/x"] = b""

    assert list(Catalog(store).watches()) == [BOARD, call]


def test_what_others_put_beside_segments_is_left_alone() -> None:
    store = MemoryStore()
    samples = speech(10)
    segment = store_segment(store, samples, manifest(samples))
    store.objects[f"{BOARD.prefix}2026/11/22/notes.json"] = b"{}"

    assert list(Catalog(store).segments(BOARD)) == [segment]


def test_a_store_that_fails_is_no_silence() -> None:
    store = MemoryStore()
    three_in_a_row(store)
    catalog = Catalog(store)
    layout = catalog.layout(BOARD)
    store.failure = StoreUnavailable("an outage")

    with pytest.raises(StoreUnavailable, match="an outage"):
        catalog.fetch(layout, Collector())
    with pytest.raises(StoreUnavailable, match="an outage"):
        list(catalog.segments(BOARD))


def test_progress_adds_up() -> None:
    store = MemoryStore()
    record(store, [Planned(0, 0, RATE), Planned(100 * RATE, 101 * RATE, RATE)])
    catalog = Catalog(store)
    steps: list[int] = []

    catalog.fetch(catalog.layout(BOARD), Collector(), steps.append)

    assert sum(steps) == 102 * RATE

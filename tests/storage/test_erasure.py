"""What is erased is gone, to the sample, and what is left proves itself; broken off anywhere, it finishes."""

import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.archive import ArchiveFormat, create_archive
from storage.catalog import Catalog
from storage.copying import copy_segments
from storage.directory import DirectoryStore
from storage.erasure import ErasurePlan, erase, plan_erasure
from storage.errors import ObjectConflict, StoreUnavailable
from storage.export import export, find_range
from storage.findings import FaultKind
from storage.layout import Problem
from storage.manifest import OpenedAfterReason, format_manifest, parse_manifest
from storage.names import AudioFormat
from storage.retrieval import FetchResult
from storage.verification import verify
from tests.fakes import MemoryStore
from tests.storage.chains import Chain, altered, gap, opened_after
from tests.storage.segments import BOARD, NOON, RATE, Samples, seconds

WHO, WHY, AT = "dana", "request 17", datetime(2026, 11, 23, 9, tzinfo=UTC)
IN_EVERY_FORMAT = pytest.mark.parametrize("audio_format", AudioFormat)


class Broken(Exception):
    """The operator's machine died."""


class Mortal(MemoryStore):
    """Dies at the call that comes after so many others; the call may have been made, or not."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None
        self.dies_after = False

    def put(self, key: str, source: object, *, sha256: str, content_type: str) -> None:
        self._step(lambda: MemoryStore.put(self, key, source, sha256=sha256, content_type=content_type))  # type: ignore[arg-type]

    def delete(self, key: str) -> None:
        self._step(lambda: MemoryStore.delete(self, key))

    def _step(self, call: object) -> None:
        assert callable(call)
        dies = self.left == 0
        if self.left is not None:
            self.left -= 1
        if not dies or self.dies_after:
            call()
        if dies:
            raise Broken


class Collector:
    def __init__(self) -> None:
        self.blocks: list[Samples] = []

    def write(self, samples: Samples) -> None:
        self.blocks.append(samples.copy())


@pytest.fixture
def store() -> Mortal:
    return Mortal()


def erased(
    store: MemoryStore, start: float, end: float, *, why: str = WHY
) -> tuple[ErasurePlan, tuple[Problem, ...]]:
    """Erase from one second after noon to another."""
    plan = plan_erasure(store, BOARD, NOON + seconds(start), NOON + seconds(end))
    return plan, erase(store, plan, who=WHO, why=why, at=AT)


def fetched(store: MemoryStore) -> tuple[Samples, FetchResult]:
    catalog, out = Catalog(store), Collector()
    result = catalog.fetch(catalog.layout(BOARD), out)
    return np.concatenate(out.blocks), result


def continuous(store: MemoryStore, *, audio_format: AudioFormat = AudioFormat.WAV, count: int = 4) -> Chain:
    chain = Chain(store, audio_format=audio_format)
    chain.go_on(count)
    return chain


@IN_EVERY_FORMAT
def test_a_range_is_silence_afterwards_and_all_else_is_what_it_was(
    store: Mortal, audio_format: AudioFormat
) -> None:
    chain = continuous(store, audio_format=audio_format)
    before, _ = fetched(store)
    kept = before.copy()
    kept[RATE : 5 * RATE + 4] = 0

    plan, problems = erased(store, 1, 5.0005)

    assert problems == ()
    assert plan.samples == 4 * RATE + 4
    assert [part.is_whole for part in plan.parts] == [False, True, False]
    after, result = fetched(store)
    assert np.array_equal(after, kept)
    assert result.complete
    assert [(each.at, each.samples, each.reason) for each in result.silence] == [
        (RATE, 4 * RATE + 4, "erased")
    ]
    assert not any(segment.audio.key in store.objects for segment in chain.segments[:3])
    assert chain.segments[3].audio.key in store.objects


@IN_EVERY_FORMAT
def test_verify_stays_green_and_says_erased_by_whom_when_and_why(
    store: Mortal, audio_format: AudioFormat
) -> None:
    chain = continuous(store, audio_format=audio_format)

    erased(store, 1, 5)
    report = verify(store, BOARD)

    assert report.is_sound, report.faults
    (account,) = report.accounts.values()
    assert account.silence == {"erased": seconds(4)}
    assert account.recorded == seconds(4)
    assert {(each.erasure.who, each.erasure.at, each.erasure.why) for each in report.erased} == {
        (WHO, AT, WHY)
    }
    assert report.ends[0].key == chain.segments[-1].name.manifest_key


def test_the_manifests_and_the_chain_through_them_are_not_touched(store: Mortal) -> None:
    chain = continuous(store)

    erased(store, 1, 5)

    for segment in chain.segments:
        assert store.objects[segment.name.manifest_key] == format_manifest(segment)
    tombstone = parse_manifest(store.objects[chain.segments[1].name.tombstone_key(1)])
    assert tombstone.erased
    assert tombstone.erased.manifest == chain.segments[2].previous, "the later link proves what it stands for"


def test_no_audio_of_the_range_is_left_in_any_object(store: Mortal) -> None:
    continuous(store)
    before, _ = fetched(store)
    secret = before[3 * RATE : 3 * RATE + 200].tobytes()
    assert any(secret in data for data in store.objects.values())

    erased(store, 2, 4)

    assert not any(secret in data for data in store.objects.values())


def test_erasing_again_does_nothing_and_a_second_range_adds_to_the_first(store: Mortal) -> None:
    chain = continuous(store)
    erased(store, 0.5, 1)
    once = dict(store.objects)

    assert erased(store, 0.5, 1)[0].parts == ()
    assert store.objects == once

    erased(store, 1.5, 1.75, why="request 18")
    report = verify(store, BOARD)
    assert report.is_sound, report.faults
    assert [each.erasure.why for each in report.erased] == ["request 17", "request 18"]
    samples, _ = fetched(store)
    assert not samples[RATE // 2 : RATE].any()
    assert samples[RATE : RATE + RATE // 2].any()
    remains = [key for key in store.objects if chain.segments[0].name.stem in key and key.endswith("flac")]
    assert len(remains) == 1, "what the first erasure left has the second range in it"


def test_silence_of_ours_keeps_its_reason(store: Mortal) -> None:
    chain = Chain(store)
    chain.record(ledger=[gap(0.5, 0.5)])

    plan, _ = erased(store, 0.25, 1.25)

    assert plan.samples == RATE // 2
    tombstone = parse_manifest(store.objects[chain.segments[0].name.tombstone_key(1)])
    assert [(entry.start, entry.end, entry.reason.value) for entry in tombstone.ledger] == [
        (2000, 4000, "erased"),
        (4000, 8000, "disconnected"),
        (8000, 10000, "erased"),
    ]
    assert verify(store, BOARD).is_sound


def test_what_every_recorder_has_of_the_range_goes(store: Mortal) -> None:
    continuous(store)
    other = Chain(store, recorder="rec-b", at=NOON + seconds(0.04), number=50)
    other.go_on(4)

    erased(store, 0, 8)

    samples, _ = fetched(store)
    assert not samples[: 8 * RATE].any()
    assert verify(store, BOARD).is_sound


def test_audio_beyond_the_label_of_the_next_segment_goes_with_it(store: Mortal) -> None:
    chain = Chain(store)
    chain.record()
    chain.record(step=seconds(-0.04))
    before, _ = fetched(store)

    erased(store, 1, 1.98)  # in the second segment by its label, and before the end of the first

    samples, _ = fetched(store)
    assert not samples[RATE : 2 * RATE].any(), "all of the first segment from there on"
    assert np.array_equal(samples[:RATE], before[:RATE])


@pytest.mark.parametrize("dies_after", [False, True], ids=["before the call", "after it"])
@pytest.mark.parametrize("calls", range(9))
def test_broken_off_anywhere_it_can_be_begun_again(store: Mortal, calls: int, *, dies_after: bool) -> None:
    continuous(store)
    before, _ = fetched(store)
    store.left, store.dies_after = calls, dies_after

    with pytest.raises(Broken):
        erased(store, 1, 5)

    store.left = None
    between, result = fetched(store)
    assert result.complete, "a reader never meets half of it"
    for start, end in ((RATE, 2 * RATE), (2 * RATE, 4 * RATE), (4 * RATE, 5 * RATE)):
        assert not between[start:end].any() or np.array_equal(between[start:end], before[start:end])

    erased(store, 1, 5)
    report = verify(store, BOARD)
    assert report.is_sound, report.faults
    after, _ = fetched(store)
    assert not after[RATE : 5 * RATE].any()
    assert sum(key.endswith((".wav", ".flac")) for key in store.objects) == 4


def test_an_erasure_that_was_broken_off_is_found_by_verify(store: Mortal) -> None:
    segment = continuous(store).segments[1]
    store.left = 2  # audio and tombstone are put; the old audio is not deleted
    with pytest.raises(Broken):
        erased(store, 2, 4)
    store.left = None

    report = verify(store, BOARD)

    assert [(fault.kind, fault.key) for fault in report.faults] == [(FaultKind.NOT_ERASED, segment.audio.key)]


def test_a_tombstone_says_alone_that_its_segment_ends_before_a_range(store: Mortal) -> None:
    first, second = continuous(store, count=2).segments
    erased(store, 0, 1)
    del store.objects[first.name.manifest_key]

    within = verify(store, BOARD, NOON + seconds(1), second.started_at)
    after = verify(store, BOARD, second.started_at)

    assert [fault.kind for fault in within.faults] == [FaultKind.MANIFEST_MISSING]
    assert after.segments == 1
    assert after.is_sound, after.faults


def test_audio_that_comes_back_is_found_and_goes_again(store: Mortal) -> None:
    segment = continuous(store).segments[1]
    audio = store.objects[segment.audio.key]
    erased(store, 2, 4)
    store.objects[segment.audio.key] = audio  # a recorder that died before it forgot its copy

    assert not verify(store, BOARD).is_sound
    erased(store, 2, 4)
    assert verify(store, BOARD).is_sound
    assert segment.audio.key not in store.objects


def test_of_damaged_audio_no_part_is_kept_and_all_of_it_can_go(store: Mortal) -> None:
    segment = continuous(store).segments[1]
    store.objects[segment.audio.key] = b"RIFF"

    _, problems = erased(store, 2.5, 3)
    assert [problem.key for problem in problems] == [segment.audio.key]
    assert store.objects[segment.audio.key] == b"RIFF"

    _, problems = erased(store, 2, 4)
    assert problems == ()
    assert verify(store, BOARD).is_sound


def test_what_cannot_be_erased_is_said(store: Mortal) -> None:
    _, second, third, _ = continuous(store).segments
    del store.objects[second.name.manifest_key]
    store.objects[third.name.manifest_key] = b"{}"

    _, problems = erased(store, 0, 8)

    assert [problem.key for problem in problems] == [second.audio.key, third.name.manifest_key]
    assert all(problem.message.startswith("not erased") for problem in problems)


def test_somebody_who_erases_at_the_same_time_is_not_overwritten(store: Mortal) -> None:
    continuous(store)
    whole = plan_erasure(store, BOARD, NOON, NOON + seconds(2))
    part = plan_erasure(store, BOARD, NOON, NOON + seconds(1))
    erased(store, 0.5, 1.5)

    with pytest.raises(ObjectConflict):
        erase(store, whole, who=WHO, why=WHY, at=AT)
    assert erase(store, part, who=WHO, why=WHY, at=AT), "its audio is gone by now"

    samples, _ = fetched(store)
    assert samples[: RATE // 2].any()
    assert not samples[RATE // 2 : 3 * RATE // 2].any()
    erased(store, 0, 1)
    samples, _ = fetched(store)
    assert not samples[: 3 * RATE // 2].any()
    assert verify(store, BOARD).is_sound


def test_a_store_that_alters_what_is_put_keeps_the_old_audio(store: Mortal) -> None:
    class Liar(Mortal):
        def put(self, key: str, source: object, *, sha256: str, content_type: str) -> None:
            super().put(key, source, sha256=sha256, content_type=content_type)
            self.objects[key] = self.objects[key][:-1]

    segment = continuous(store).segments[0]
    liar = Liar()
    liar.objects = store.objects

    with pytest.raises(StoreUnavailable):
        erased(liar, 0, 1)

    assert segment.audio.key in store.objects
    assert segment.name.tombstone_key(1) not in store.objects


@pytest.mark.parametrize("change", ["who", "why", "ledger", "previous", "samples"])
def test_an_altered_tombstone_is_found(store: Mortal, change: str) -> None:
    segment = continuous(store).segments[1]
    erased(store, 2.5, 3)
    key = segment.name.tombstone_key(1)

    def alter(content: dict[str, object]) -> None:
        erasure = content["erased"]["erasures"][0]  # type: ignore[index]
        values: dict[str, object] = {"ledger": [], "previous": "0" * 64, "samples": 16_001}
        (erasure if change in {"who", "why"} else content).update({change: values.get(change, "nobody")})

    store.objects[key] = altered(store.objects[key], alter)

    kinds = {fault.kind for fault in verify(store, BOARD).faults}
    assert FaultKind.TOMBSTONE_ALTERED in kinds


def test_a_manifest_that_is_gone_is_missed_though_a_tombstone_stands_for_it(store: Mortal) -> None:
    segment = continuous(store).segments[1]
    erased(store, 2, 4)
    del store.objects[segment.name.manifest_key]

    report = verify(store, BOARD)

    assert [(fault.kind, fault.key) for fault in report.faults] == [
        (FaultKind.MANIFEST_MISSING, segment.name.manifest_key)
    ]


def test_an_export_has_the_tombstone_beside_the_manifest(store: Mortal) -> None:
    segment = continuous(store).segments[1]
    erased(store, 2.5, 3)

    with io.BytesIO() as file:
        with create_archive(file, ArchiveFormat.TAR) as archive:
            result = export(store, find_range(Catalog(store), BOARD), archive)
        with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as packed:
            names = [name.partition("/")[2] for name in packed.getnames()]

    assert result.problems == ()
    assert {segment.name.manifest_key, segment.name.tombstone_key(1)} <= set(names)
    assert segment.audio.key not in names


def test_a_copy_of_what_is_left_proves_itself_too(store: Mortal, tmp_path: Path) -> None:
    continuous(store)
    erased(store, 1, 5)

    copied = copy_segments(store, Catalog(store).segments(BOARD), tmp_path)

    assert copied.complete
    report = verify(DirectoryStore(tmp_path), BOARD)
    assert report.is_sound, report.faults
    assert len(report.erased) == 3


def test_a_range_without_audio_has_nothing_to_erase(store: Mortal) -> None:
    continuous(store)

    assert erased(store, 100, 200)[0].parts == ()
    assert erased(store, -100, 0)[0].parts == ()


@settings(max_examples=30)
@given(ranges=st.lists(st.tuples(st.integers(-3000, 60_000), st.integers(1, 40_000)), min_size=1, max_size=4))
def test_any_ranges_are_silence_and_all_else_is_what_it_was(ranges: list[tuple[int, int]]) -> None:
    store = MemoryStore()
    chain = Chain(store)
    chain.record(1.5)
    chain.record(2.0, ledger=[gap(0.25, 0.5)])
    chain.record(1.0, opened_after(OpenedAfterReason.IDLE, 1.0))
    expected, _ = fetched(store)
    expected = expected.copy()

    for start, length in ranges:
        expected[max(0, start) : max(0, start + length)] = 0
        erased(store, start / RATE, (start + length) / RATE)

    samples, result = fetched(store)
    assert np.array_equal(samples, expected)
    assert result.complete
    assert verify(store, BOARD).is_sound

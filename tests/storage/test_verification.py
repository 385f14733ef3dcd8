"""What is wrong with a bucket is found and named; what a recorder makes is no false alarm."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder import dropping
from recorder.spool import Spool
from storage.accounts import Account
from storage.findings import FaultKind, WatchReport
from storage.layout import CLOCK
from storage.manifest import (
    ClosedBy,
    OpenedAfter,
    OpenedAfterReason,
    SegmentFacts,
    SegmentManifest,
    WatchFacts,
    format_manifest,
)
from storage.names import AudioFormat, WatchId, WatchKind
from storage.store import ObjectStat
from storage.verification import verify
from tests.fakes import MemoryStore
from tests.storage.chains import Chain, altered, flipped, gap, good_chain, opened_after
from tests.storage.segments import BOARD, NOON, RATE, seconds, speech, wav

CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")
TODAY = (date(2026, 11, 22), "rec-a")
START, IDLE, CRASH = OpenedAfterReason.START, OpenedAfterReason.IDLE, OpenedAfterReason.CRASH
IN_EVERY_FORMAT = pytest.mark.parametrize("audio_format", AudioFormat)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def account(report: WatchReport) -> Account:
    return report.accounts[TODAY]


def found(report: WatchReport) -> list[tuple[FaultKind, str]]:
    return [(fault.kind, fault.key) for fault in report.faults]


def replace(store: MemoryStore, manifests: list[SegmentManifest]) -> None:
    """Put manifests in the place of those of their names, whatever was there."""
    for manifest in manifests:
        store.objects[manifest.name.manifest_key] = format_manifest(manifest)


def resealed(segments: list[SegmentManifest]) -> list[SegmentManifest]:
    """The same segments in a chain of their own, in the order that is given."""
    chain: list[SegmentManifest] = []
    for segment in segments:
        previous = hashlib.sha256(format_manifest(chain[-1])).hexdigest() if chain else None
        chain.append(segment.model_copy(update={"previous": previous}))
    return chain


@IN_EVERY_FORMAT
def test_a_good_recording_is_sound_and_its_time_accounted_for(
    store: MemoryStore, audio_format: AudioFormat
) -> None:
    chain = good_chain(store, audio_format=audio_format)

    report = verify(store, BOARD)

    assert report.faults == ()
    assert report.is_sound
    assert report.segments == 6
    assert account(report) == Account(
        recorded=seconds(11.75),
        silence={"disconnected": seconds(0.25)},
        not_recorded={"start": seconds(10), "idle": seconds(60), "crash": seconds(30)},
    )
    (end,) = report.ends
    assert end.key == chain.segments[-1].name.manifest_key
    assert end.sha256 == hashlib.sha256(store.objects[end.key]).hexdigest()
    assert report.size == sum(segment.audio.size for segment in chain.segments)


@IN_EVERY_FORMAT
def test_a_flipped_bit_of_audio_is_found(store: MemoryStore, audio_format: AudioFormat) -> None:
    key = good_chain(store, audio_format=audio_format).segments[2].audio.key
    store.objects[key] = flipped(store.objects[key], 5_000)

    report = verify(store, BOARD)

    assert found(report) == [(FaultKind.AUDIO_ALTERED, key)]
    assert account(report).lost == seconds(2)
    assert account(report).recorded == seconds(9.75)


def test_a_deleted_audio_object_is_found(store: MemoryStore) -> None:
    key = good_chain(store).segments[1].audio.key
    del store.objects[key]

    report = verify(store, BOARD)

    assert found(report) == [(FaultKind.AUDIO_MISSING, key)]
    assert account(report).lost == seconds(1.75)
    assert account(report).silence == {"disconnected": seconds(0.25)}, "it was no audio before either"


def test_a_deleted_manifest_is_found_by_its_audio_and_by_the_one_after_it(store: MemoryStore) -> None:
    segments = good_chain(store).segments
    del store.objects[segments[2].name.manifest_key]

    report = verify(store, BOARD)

    assert found(report) == [
        (FaultKind.MANIFEST_MISSING, segments[2].audio.key),
        (FaultKind.MANIFEST_MISSING, segments[3].name.manifest_key),
    ]
    assert segments[2].name.stem in report.faults[1].message
    assert account(report).lost == seconds(2)
    assert account(report).not_recorded["idle"] == seconds(60)


def test_a_manifest_that_comes_while_its_audio_is_looked_at_is_no_alarm(store: MemoryStore) -> None:
    class Busy(MemoryStore):
        def list(self, prefix: str = "") -> Iterator[ObjectStat]:
            late = good.segments[-1].name.manifest_key
            yield from (item for item in super().list(prefix) if item.key != late)

    good = good_chain(store)
    busy = Busy()
    busy.objects = store.objects

    assert verify(busy, BOARD).is_sound


def test_a_segment_that_was_deleted_whole_is_missing_by_the_link(store: MemoryStore) -> None:
    segments = good_chain(store).segments
    del store.objects[segments[1].name.manifest_key]
    del store.objects[segments[1].audio.key]

    report = verify(store, BOARD)

    assert found(report) == [(FaultKind.MANIFEST_MISSING, segments[2].name.manifest_key)]
    assert segments[0].name.manifest_key in report.faults[0].message
    assert "2.000 s between them are lost" in report.faults[0].message
    assert account(report).lost == seconds(2)


def test_a_truncated_wav_is_found(store: MemoryStore) -> None:
    segment = good_chain(store).segments[2]
    store.objects[segment.audio.key] = store.objects[segment.audio.key][:20_000]

    report = verify(store, BOARD)

    assert found(report) == [(FaultKind.AUDIO_TRUNCATED, segment.audio.key)]
    assert "20000 of its 32044 bytes" in report.faults[0].message


def test_audio_of_another_watch_is_found(store: MemoryStore) -> None:
    key = good_chain(store).segments[2].audio.key
    store.objects[key] = store.objects[good_chain(store, watch=CALL, number=3).segments[2].audio.key]

    assert found(verify(store, BOARD)) == [(FaultKind.AUDIO_ALTERED, key)]
    assert verify(store, CALL).is_sound


def test_a_whole_segment_of_another_watch_is_found(store: MemoryStore) -> None:
    good_chain(store)
    stranger = Chain(store, watch=CALL, at=NOON + seconds(500), number=3).record()
    for key in (stranger.audio.key, stranger.name.manifest_key):
        store.objects[key.replace(CALL.prefix, BOARD.prefix)] = store.objects[key]

    report = verify(store, BOARD)

    key = stranger.name.manifest_key.replace(CALL.prefix, BOARD.prefix)
    assert found(report) == [(FaultKind.OF_ANOTHER, key)]
    assert str(CALL) in report.faults[0].message


def test_an_object_in_a_place_that_is_not_its_own_is_found(store: MemoryStore) -> None:
    segment = good_chain(store).segments[0]
    elsewhere = segment.audio.key.replace("/2026/11/22/", "/2026/11/23/")
    store.objects[elsewhere] = store.objects[segment.audio.key]
    store.objects[f"{BOARD.prefix}notes.txt"] = b"what somebody wrote"

    report = verify(store, BOARD)

    assert found(report) == [(FaultKind.OF_ANOTHER, elsewhere)]
    (note,) = (note for note in report.notes if note.key.endswith("notes.txt"))
    assert note.message.startswith("not checked")


def test_a_chain_that_was_put_in_another_order_is_found_though_every_link_holds(store: MemoryStore) -> None:
    chain = Chain(store)
    chain.go_on(5)
    one, two, three, four, five = chain.segments
    replace(store, resealed([one, three, two, four, five]))

    report = verify(store, BOARD)

    reordered = {fault.key: fault.message for fault in report.faults if fault.kind is FaultKind.REORDERED}
    assert set(reordered) == {segment.name.manifest_key for segment in (two, three, four)}
    assert two.name.stem in reordered[three.name.manifest_key]


def test_links_that_were_exchanged_are_found(store: MemoryStore) -> None:
    chain = Chain(store)
    chain.go_on(5)
    _, two, three, *_ = chain.segments
    replace(store, [
        two.model_copy(update={"previous": three.previous}),
        three.model_copy(update={"previous": two.previous}),
    ])  # fmt: skip

    report = verify(store, BOARD)

    kinds = {fault.kind for fault in report.faults}
    assert FaultKind.REORDERED in kinds
    assert FaultKind.MANIFEST_ALTERED in kinds


def test_manifests_that_were_exchanged_are_found(store: MemoryStore) -> None:
    chain = Chain(store)
    chain.go_on(4)
    two, three = (segment.name.manifest_key for segment in chain.segments[1:3])
    store.objects[two], store.objects[three] = store.objects[three], store.objects[two]

    report = verify(store, BOARD)

    assert found(report)[:2] == [(FaultKind.OF_ANOTHER, two), (FaultKind.OF_ANOTHER, three)]


def test_an_altered_manifest_is_named_by_the_one_after_it(store: MemoryStore) -> None:
    segments = good_chain(store).segments
    key = segments[2].name.manifest_key
    store.objects[key] = altered(store.objects[key], lambda content: content.update(closed_by="codec"))

    report = verify(store, BOARD)

    assert found(report) == [(FaultKind.MANIFEST_ALTERED, key)]
    assert not account(report).lost


def test_a_manifest_that_is_none_is_found(store: MemoryStore) -> None:
    segments = good_chain(store).segments
    key = segments[2].name.manifest_key
    store.objects[key] = store.objects[key][:100]

    report = verify(store, BOARD)

    assert found(report)[0] == (FaultKind.MANIFEST_DAMAGED, key)
    assert account(report).lost == seconds(2)


def test_silence_that_is_none_and_levels_that_are_others_are_found(store: MemoryStore) -> None:
    chain = Chain(store)
    chain.record(ledger=[gap(0.5, 0.25)])
    (segment,) = chain.segments
    sound = segment.model_copy(update={"ledger": (gap(0.5, 0.5),)})
    replace(store, [sound])
    assert found(verify(store, BOARD)) == [(FaultKind.AUDIO_CONTRADICTED, segment.audio.key)]

    loud = segment.model_copy(update={"levels": segment.levels.model_copy(update={"peak_dbfs": -0.5})})
    replace(store, [loud])
    report = verify(store, BOARD)
    assert found(report) == [(FaultKind.AUDIO_CONTRADICTED, segment.audio.key)]
    assert "peak" in report.faults[0].message


def test_two_segments_that_follow_on_the_same_one_are_found(store: MemoryStore) -> None:
    chain = Chain(store)
    chain.go_on(2)
    one, two = chain.segments
    chain.segments.remove(two)
    chain.number += 3_000_000
    three = chain.record(opened_after=opened_after(CRASH, 2.0))

    assert (FaultKind.FORKED, three.name.manifest_key) in found(verify(store, BOARD))
    assert one.name.stem in str(verify(store, BOARD).faults)


def test_time_without_a_reason_is_a_hole(store: MemoryStore) -> None:
    chain = Chain(store)
    chain.go_on(2)
    chain.number += 3_000_000
    segment = chain.record(opened_after=opened_after(CRASH, 10), step=seconds(40))

    report = verify(store, BOARD)

    assert found(report) == [(FaultKind.HOLE, segment.name.manifest_key)]
    assert account(report).unexplained == seconds(40)
    assert account(report).not_recorded == {"crash": seconds(10)}


def test_a_spool_that_was_lost_leaves_a_hole(store: MemoryStore) -> None:
    chain = Chain(store)
    chain.go_on(2)
    chain.number += 3_000_000
    segment = chain.record(opened_after=opened_after(START, 10), step=seconds(50), linked=False)

    report = verify(store, BOARD)

    assert found(report) == [(FaultKind.HOLE, segment.name.manifest_key)]
    assert account(report).unexplained == seconds(50)


def test_two_segments_of_one_recorder_at_one_time_are_an_overlap(store: MemoryStore) -> None:
    chain = Chain(store)
    chain.record(10)
    chain.number += 3_000_000
    segment = chain.record(opened_after=opened_after(START, 1), step=seconds(-6), linked=False)

    assert found(verify(store, BOARD)) == [(FaultKind.OVERLAP, segment.name.manifest_key)]


@pytest.mark.parametrize("hours", [-25, -1, 1])
def test_a_clock_that_was_set_is_no_alarm_and_is_told(store: MemoryStore, hours: int) -> None:
    chain = Chain(store)
    chain.go_on(2)
    step = timedelta(hours=hours)
    segment = chain.record(opened_after=opened_after(IDLE, 30), step=step)
    chain.go_on(1)

    report = verify(store, BOARD)

    assert report.is_sound, report.faults
    (note,) = (note for note in report.notes if note.key == segment.name.manifest_key)
    assert "clock" in note.message
    total = {
        reason: sum(
            (a.not_recorded.get(reason, timedelta(0)) for a in report.accounts.values()), timedelta(0)
        )
        for reason in ("idle", CLOCK)
    }
    assert total == {"idle": seconds(30), CLOCK: max(step, timedelta(0))}


def test_a_chain_may_begin_anew_after_a_month_and_where_the_disk_kept_one_from_its_turn(
    store: MemoryStore,
) -> None:
    chain = Chain(store)
    chain.go_on(2)
    chain.record(linked=False)
    chain.number += 3_000_000
    chain.record(opened_after=opened_after(START, 10), step=timedelta(days=31), linked=False)

    report = verify(store, BOARD)

    assert report.is_sound, report.faults
    assert sum("a chain begins here" in note.message for note in report.notes) == 3
    assert len(report.ends) == 3


def test_a_recorder_that_was_renamed_goes_on_with_its_chain(store: MemoryStore) -> None:
    chain = Chain(store)
    chain.go_on(2)
    renamed = Chain(store, recorder="rec-b", at=chain.at, number=90_000_000)
    renamed.segments.extend(chain.segments)
    renamed.record(opened_after=opened_after(OpenedAfterReason.STOPPED, 20))

    report = verify(store, BOARD)

    assert report.is_sound
    assert len(report.ends) == 1


def test_two_recorders_have_a_chain_each(store: MemoryStore) -> None:
    good_chain(store)
    good_chain(store, recorder="rec-b", at=NOON + seconds(0.04), number=70)

    report = verify(store, BOARD)

    assert report.is_sound
    assert {recorder for _, recorder in report.accounts} == {"rec-a", "rec-b"}
    assert len(report.ends) == 2


def test_audio_that_was_given_up_for_room_keeps_its_place_in_the_chain(tmp_path: Path) -> None:
    store = MemoryStore()
    spool = Spool(tmp_path / "spool")
    previous = None
    for number in range(3):
        audio = speech(16 * RATE, number).tobytes()
        facts = SegmentFacts(
            watch=WatchFacts(kind=BOARD.kind, id=BOARD.id),
            recorder="rec-a",
            version="0",
            number=number,
            started_at=NOON + seconds(16 * number),
            samples=16 * RATE,
            encapsulation="sln",
            codec="pcm16le",
            closed_by=ClosedBy.GRID,
        )
        segment = spool.open(facts)
        segment.wav.write(audio)
        manifest, previous = spool.seal(segment, facts, previous)
        if number == 1:
            dropping.drop(spool.segment(manifest))
    for sealed in spool.sealed():
        store.objects[sealed.name.manifest_key] = sealed.manifest.read_bytes()
        store.objects[sealed.audio_key] = sealed.audio.read_bytes()
    spool.release()

    report = verify(store, BOARD)

    assert report.is_sound, report.faults
    assert account(report).silence == {"disk": seconds(16)}
    assert account(report).recorded == seconds(32)


def test_a_day_that_ends_in_a_segment_has_its_part_of_it(store: MemoryStore) -> None:
    chain = Chain(store, at=NOON + timedelta(hours=11, minutes=59, seconds=58))
    chain.record(5, opened_after(IDLE, 0.0))

    report = verify(store, BOARD)

    assert {day.day: a.recorded for (day, _), a in report.accounts.items()} == {
        22: seconds(2),
        23: seconds(3),
    }


def test_a_range_is_checked_against_what_was_before_it(store: MemoryStore) -> None:
    segments = good_chain(store).segments
    start = segments[3].started_at

    report = verify(store, BOARD, start)

    assert report.is_sound
    assert report.segments == 3
    (note,) = (note for note in report.notes if note.key == segments[3].name.manifest_key)
    assert segments[2].name.manifest_key in note.message
    assert account(report).not_recorded == {"crash": seconds(30)}, "what was before it is not its own"
    assert not any(segments[0].audio.key == key for key in store.read), "audio before it is not read"


def test_a_range_whose_link_goes_into_nothing_is_not_sound(store: MemoryStore) -> None:
    segments = good_chain(store).segments
    del store.objects[segments[2].name.manifest_key]
    del store.objects[segments[2].audio.key]

    report = verify(store, BOARD, segments[3].started_at)

    assert found(report) == [(FaultKind.MANIFEST_MISSING, segments[3].name.manifest_key)]


def test_a_range_finds_the_one_before_it_weeks_ago(store: MemoryStore) -> None:
    chain = Chain(store)
    chain.go_on(3)
    week = timedelta(days=20).total_seconds()
    late = chain.record(opened_after=opened_after(IDLE, week))
    other = Chain(store, recorder="rec-b", at=late.started_at - seconds(50), number=9)
    other.record()

    report = verify(store, BOARD, late.started_at - seconds(60), late.ended_at + seconds(60))

    assert report.is_sound, report.faults
    assert any("checked against" in note.message for note in report.notes)


def test_an_end_keeps_what_came_after_it_out(store: MemoryStore) -> None:
    segments = good_chain(store).segments

    assert verify(store, BOARD, None, segments[2].started_at).segments == 2


@pytest.mark.parametrize("change", [
    pytest.param(lambda data: data[:-1], id="cut"),
    pytest.param(lambda data: data + b"\n", id="longer"),
    pytest.param(lambda _: b"", id="empty"),
])  # fmt: skip
def test_audio_of_another_length_is_found(store: MemoryStore, change: Callable[[bytes], bytes]) -> None:
    key = good_chain(store).segments[1].audio.key
    store.objects[key] = change(store.objects[key])

    assert [fault.key for fault in verify(store, BOARD).faults] == [key]


def test_a_wav_of_an_editor_is_not_what_was_recorded(store: MemoryStore) -> None:
    chain = Chain(store)
    segment = chain.record()
    store.objects[segment.audio.key] = wav(speech(2 * RATE, chain.number), chunk=b"LISTINFO")

    assert found(verify(store, BOARD)) == [(FaultKind.AUDIO_ALTERED, segment.audio.key)]


@settings(max_examples=150)
@given(data=st.data())
def test_any_bit_that_is_flipped_is_found_but_in_the_last_link(data: st.DataObject) -> None:
    store = MemoryStore()
    chain = Chain(store)
    for _ in range(4):
        chain.record(0.01)
    last = chain.segments[-1].name.manifest_key
    key = data.draw(st.sampled_from(sorted(store.objects.keys() - {last})))
    at = data.draw(st.integers(0, len(store.objects[key]) - 1))
    store.objects[key] = flipped(store.objects[key], at)

    report = verify(store, BOARD)

    assert not report.is_sound


@settings(max_examples=40)
@given(data=st.data())
def test_any_object_that_is_deleted_is_missed_but_the_last_ones(data: st.DataObject) -> None:
    store = MemoryStore()
    chain = good_chain(store)
    last = chain.segments[-1]
    keys = store.objects.keys() - {last.name.manifest_key, last.audio.key}
    for key in data.draw(st.sets(st.sampled_from(sorted(keys)), min_size=1, max_size=3)):
        del store.objects[key]

    assert not verify(store, BOARD).is_sound


@pytest.mark.parametrize(
    ("field", "forged", "said"),
    [
        ("samples", 86_400 * RATE + 1, "it claims 691200001 samples, which is more than a day"),
        ("samples", 10**18, "it claims 1000000000000000000 samples, which is more than a day"),
        ("recorder", "rec,a", "the manifest cannot be read: 'rec,a' is not 1 to 64 letters, digits, "),
        ("started_at", datetime(9999, 12, 31, 23, 59, tzinfo=UTC), "the manifest cannot be read: started_at"),
        (
            "opened_after",
            OpenedAfter(reason=OpenedAfterReason.IDLE, seconds=1).model_copy(update={"seconds": 1e18}),
            "the manifest cannot be read: opened_after.seconds",
        ),
    ],
)
def test_a_manifest_that_no_recorder_would_make_is_one_fault(
    store: MemoryStore, field: str, forged: object, said: str
) -> None:
    chain = good_chain(store)
    key = chain.segments[2].key
    store.objects[key] = format_manifest(chain.segments[2].model_copy(update={field: forged}))

    report = verify(store, BOARD)

    (fault,) = [fault for fault in report.faults if fault.key == key]
    assert fault.kind is FaultKind.MANIFEST_DAMAGED
    assert fault.message.startswith(said)
    assert report.segments == len(chain.segments) - 1


@pytest.mark.parametrize("with_another", [False, True])
@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_range_within_a_segment_whose_manifest_is_of_no_use_is_not_sound(
    store: MemoryStore, *, is_deleted: bool, with_another: bool
) -> None:
    segment = Chain(store).record(300)
    if with_another:
        Chain(store, recorder="rec-b").record(300)
    key = segment.name.manifest_key
    store.objects[key] = b"{"
    expected = (FaultKind.MANIFEST_DAMAGED, key)
    if is_deleted:
        del store.objects[key]
        expected = (FaultKind.MANIFEST_MISSING, segment.audio.key)

    report = verify(store, BOARD, NOON + seconds(60), NOON + seconds(120))

    assert found(report) == [expected]
    assert not report.is_sound


def test_a_manifest_of_no_use_that_is_more_than_a_day_before_a_range_is_not_of_it(store: MemoryStore) -> None:
    chain = Chain(store)
    segment = chain.record()
    store.objects[segment.name.manifest_key] = b"{"
    chain.record(opened_after=opened_after(IDLE, timedelta(days=2).total_seconds()), linked=False)

    assert verify(store, BOARD, NOON + timedelta(days=1, seconds=1)).is_sound

"""From messages to segments: the promises of a whole recording, on virtual time."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.core.absence import Past
from recorder.core.events import MessagesDiscarded
from recorder.core.media import SAMPLE_RATE, Codec, CodecChoice, Encapsulation
from recorder.core.packets import DiscardReason
from recorder.core.recording import GRID_GRACE
from storage.manifest import ClosedBy, GapReason, OpenedAfter, OpenedAfterReason, SegmentFacts
from tests.recorder.core.drive import FRAME, START, Drive, counter, cut

PACKET: Final = FRAME / SAMPLE_RATE
DISCONNECTED, STALLED, LOST = GapReason.DISCONNECTED, GapReason.STALLED, GapReason.LOST


def facts(drive: Drive) -> list[SegmentFacts]:
    return [segment.facts for segment in drive.segments]


def audio(seconds: float, start: int = 0) -> list[bytes]:
    return cut(counter(round(seconds * SAMPLE_RATE), start))


def rtp(payload: bytes, sequence: int, ssrc: int = 0) -> bytes:
    return b"\x80\x60" + (sequence % 65536).to_bytes(2) + bytes(4) + ssrc.to_bytes(4) + payload


def gaps(drive: Drive) -> list[tuple[float, float, GapReason]]:
    return [(round(place, 3), round(length, 3), reason) for place, length, reason in drive.gaps]


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 2000), min_size=1, max_size=30),
    period=st.sampled_from([5.0, 10.0, 60.0, 300.0]),
    before_the_grid=st.integers(0, 4_999_999) | st.just(1),
    encapsulation=st.sampled_from(Encapsulation),
)
def test_a_steady_stream_is_recorded_to_the_sample_however_it_is_cut(
    sizes: list[int], period: float, before_the_grid: int, encapsulation: Encapsulation
) -> None:
    began = datetime(2027, 1, 1, tzinfo=UTC) - timedelta(microseconds=before_the_grid)
    drive = Drive(encapsulation, segment=period, start=began - timedelta(seconds=2))
    drive.connect(1.0)
    position = 0
    for number, size in enumerate(itertools.islice(itertools.cycle(sizes), 120)):
        payload = counter(size, position)
        position += size
        header = b"\x10" + len(payload).to_bytes(2) if encapsulation is Encapsulation.AUDIOSOCKET else b""
        message = rtp(payload, 65500 + number) if encapsulation is Encapsulation.RTP else header + payload
        drive.receive([message], 2.0 + position / SAMPLE_RATE)
    drive.finish(drive.now)

    assert drive.pcm == counter(position)
    assert drive.gaps == []
    assert abs(facts(drive)[0].started_at - began) <= timedelta(milliseconds=1)
    midnight = datetime(2027, 1, 1, tzinfo=UTC)
    assert all(
        (each.started_at - midnight) % timedelta(seconds=period) == timedelta(0) for each in facts(drive)[1:]
    )
    assert all(left.ended_at == right.started_at for left, right in itertools.pairwise(facts(drive)))


@pytest.mark.parametrize(
    ("dead", "expected"),
    [
        (90.0, {"idle": 30.0, "crash": 60.0, "disconnected": 4.0, "start": 6.0}),
        # The wall clock was set back by a minute: what we know ourselves stays, the rest is as it seems.
        (30.0, {"idle": 30.0, "disconnected": 4.0, "start": 6.0}),
        (-30.0, {"disconnected": 4.0, "start": 6.0}),
    ],
)
def test_the_first_segment_accounts_for_the_time_without_a_recorder(
    dead: float, expected: dict[str, float]
) -> None:
    causes = ((OpenedAfterReason.IDLE, 30.0), (OpenedAfterReason.CRASH, 60.0))
    drive = Drive(past=Past(START - timedelta(seconds=dead), causes))
    drive.connect(4.0)
    drive.finish(drive.play(audio(2.0), at=10.0))

    opened_after = facts(drive)[0].opened_after
    assert opened_after is not None
    assert opened_after.by_reason == pytest.approx(expected)
    assert opened_after.seconds == pytest.approx(sum(expected.values()))
    assert opened_after.reason in {OpenedAfterReason.IDLE, OpenedAfterReason.START}


def test_the_first_segment_accounts_for_the_time_since_the_start() -> None:
    drive = Drive()
    drive.connect(4.0)
    end = drive.play(audio(2.0), at=10.0)
    drive.finish(end)

    assert facts(drive)[0].opened_after == OpenedAfter(
        reason=OpenedAfterReason.START,
        seconds=10.0,
        by_reason={OpenedAfterReason.DISCONNECTED: 4.0, OpenedAfterReason.START: 6.0},
    )
    assert facts(drive)[0].closed_by is ClosedBy.STOPPED
    assert facts(drive)[0].started_at == START + timedelta(seconds=10)


def test_when_nobody_is_heard_the_segment_closes_at_its_last_sample() -> None:
    drive = Drive(idle_after=10.0)
    drive.connect(0.0)
    drive.play(audio(3.0), at=1.0)
    drive.advance(13.9)
    assert drive.open

    drive.advance(14.0)

    assert facts(drive)[0].closed_by is ClosedBy.IDLE
    assert facts(drive)[0].samples == 3 * SAMPLE_RATE


def test_a_word_that_nothing_follows_is_written_though_no_segment_was_open() -> None:
    drive = Drive(idle_after=10.0)
    drive.connect(0.0)
    drive.play(audio(0.2), at=100.0)

    drive.advance(110.2)

    assert drive.pcm == counter(1600)
    assert facts(drive)[0].closed_by is ClosedBy.IDLE


def test_hours_of_emptiness_are_ledger_and_not_audio() -> None:
    drive = Drive(idle_after=10.0)
    drive.connect(0.0)
    drive.play(audio(3.0), at=1.0)
    drive.play(audio(3.0, start=24_000), at=7204.0)
    drive.finish(7207.0)

    first, second = facts(drive)
    assert drive.pcm == counter(48_000)
    assert second.opened_after == OpenedAfter(
        reason=OpenedAfterReason.IDLE, seconds=7200.0, by_reason={OpenedAfterReason.IDLE: 7200.0}
    )
    assert second.started_at - first.ended_at == timedelta(seconds=7200)


def test_an_absence_names_the_time_that_there_was_no_connection() -> None:
    drive = Drive(idle_after=10.0)
    drive.connect(0.0)
    drive.play(audio(3.0), at=1.0)
    drive.disconnect(104.0)
    drive.connect(134.0)
    drive.play(audio(3.0), at=204.0)
    drive.finish(207.0)

    assert facts(drive)[1].opened_after == OpenedAfter(
        reason=OpenedAfterReason.IDLE,
        seconds=200.0,
        by_reason={OpenedAfterReason.DISCONNECTED: 30.0, OpenedAfterReason.IDLE: 170.0},
    )


def test_a_conference_that_nobody_is_in_ends_its_segment_and_what_follows_is_no_loss() -> None:
    drive = Drive(gap_limit=60.0)
    drive.connect(0.0)
    drive.play(audio(3.0), at=1.0)
    drive.vacate(6.0)
    drive.advance(500.0)
    drive.vacate(500.0)
    drive.await_(1000.0)
    drive.connect(1004.0)
    drive.play(audio(3.0, start=24_000), at=1005.0)
    drive.finish(1009.0)

    first, second = facts(drive)
    assert (first.closed_by, first.samples, first.ledger) == (ClosedBy.IDLE, 24_000, ())
    assert second.opened_after == OpenedAfter(
        reason=OpenedAfterReason.IDLE,
        seconds=1001.0,
        by_reason={OpenedAfterReason.DISCONNECTED: 4.0, OpenedAfterReason.IDLE: 997.0},
    )
    assert drive.heard == counter(48_000)


def test_to_be_told_that_nobody_has_come_yet_is_no_time_without_a_connection() -> None:
    drive = Drive()
    drive.vacate(1.0)
    drive.await_(100.0)
    drive.connect(102.0)
    drive.play(audio(3.0), at=103.0)
    drive.finish(107.0)

    assert facts(drive)[0].opened_after == OpenedAfter(
        reason=OpenedAfterReason.START,
        seconds=103.0,
        by_reason={OpenedAfterReason.DISCONNECTED: 3.0, OpenedAfterReason.START: 100.0},
    )


@pytest.mark.parametrize("away", [0.5, 5.0, 55.0])
def test_a_reconnect_within_the_limit_continues_the_segment_with_silence(away: float) -> None:
    drive = Drive(gap_limit=60.0)
    drive.connect(0.0)
    drive.play(audio(3.0), at=1.0)
    drive.disconnect(4.0)
    drive.connect(4.0 + away - 0.1)
    drive.play(audio(3.0, start=24_000), at=4.0 + away)
    drive.finish(7.0 + away)

    (segment,) = facts(drive)
    assert gaps(drive) == [(3.0, away, DISCONNECTED)]
    assert drive.heard == counter(48_000)
    assert segment.reception.reconnects == 1
    assert segment.samples == (6 + away) * SAMPLE_RATE


@pytest.mark.parametrize(
    ("silent", "expected"),
    [
        (1.0, [(3.0, 11.0, DISCONNECTED)]),
        (2.0, [(3.0, 2.0, STALLED), (5.0, 10.0, DISCONNECTED)]),
        (40.0, [(3.0, 40.0, STALLED), (43.0, 10.0, DISCONNECTED)]),
    ],
)
def test_a_connection_that_stood_silent_before_it_was_lost_stalled_for_so_long(
    silent: float, expected: list[tuple[float, float, GapReason]]
) -> None:
    drive = Drive(gap_limit=60.0, idle_after=60.0)
    drive.connect(0.0)
    drive.play(audio(3.0), at=1.0)
    drive.disconnect(4.0 + silent)
    drive.connect(13.9 + silent)
    drive.play(audio(3.0, start=24_000), at=14.0 + silent)
    drive.finish(17.0 + silent)

    assert gaps(drive) == expected
    assert drive.heard == counter(48_000)


def test_a_segment_that_ends_while_nothing_is_heard_tells_a_stall_from_a_loss_too() -> None:
    drive = Drive(gap_limit=90.0, idle_after=60.0, segment=60)
    drive.connect(0.0)
    drive.play(audio(3.0), at=1.0)
    drive.disconnect(14.0)
    drive.connect(53.9)
    drive.play(audio(3.0, start=24_000), at=54.0)
    drive.finish(57.0)

    first, second = facts(drive)
    assert first.samples == 29 * SAMPLE_RATE, "the minute ends"
    assert [(entry.samples / SAMPLE_RATE, entry.reason) for entry in first.ledger] == [
        (10.0, STALLED),
        (16.0, DISCONNECTED),
    ]
    assert [(entry.samples / SAMPLE_RATE, entry.reason) for entry in second.ledger] == [(24.0, DISCONNECTED)]
    assert drive.heard == counter(48_000)


@pytest.mark.parametrize(("choice", "payload"), [(CodecChoice.ULAW, b"\xfe"), (CodecChoice.AUTO, b"\xff")])
def test_audio_in_time_continues_the_segment_though_it_is_decided_later(
    choice: CodecChoice, payload: bytes
) -> None:
    drive = Drive(codec=choice, gap_limit=60.0)
    drive.connect(0.0)
    drive.play([payload * 160] * 150, at=1.0)
    drive.disconnect(4.0)
    drive.connect(60.0)
    drive.play([payload * 160] * 150, at=63.9)
    drive.finish(66.9)

    (segment,) = facts(drive)
    assert gaps(drive) == [(3.0, 59.9, DISCONNECTED)]
    assert segment.samples == round(65.9 * SAMPLE_RATE)


def test_beyond_the_limit_the_segment_closes_and_the_next_opens_with_audio() -> None:
    drive = Drive(gap_limit=60.0)
    drive.connect(0.0)
    drive.play(audio(3.0), at=1.0)
    drive.disconnect(4.0)
    drive.advance(64.0)
    assert facts(drive)[0].closed_by is ClosedBy.DISCONNECTED
    drive.connect(80.0)
    drive.play(audio(3.0), at=84.0)
    drive.finish(87.0)

    first, second = facts(drive)
    assert (first.samples, second.samples) == (24_000, 24_000)
    assert second.opened_after == OpenedAfter(
        reason=OpenedAfterReason.DISCONNECTED,
        seconds=80.0,
        by_reason={OpenedAfterReason.DISCONNECTED: 76.0, OpenedAfterReason.IDLE: 4.0},
    )
    assert second.started_at - first.ended_at == timedelta(seconds=80)


def test_connections_that_bring_nothing_do_not_put_off_the_limit() -> None:
    drive = Drive(gap_limit=60.0)
    drive.connect(0.0)
    drive.play(audio(3.0), at=1.0)
    drive.disconnect(4.0)
    for at in (10.0, 20.0, 30.0, 40.0, 50.0):
        drive.connect(at)
        drive.disconnect(at + 3.0)
    drive.advance(63.9)
    assert drive.open

    drive.advance(64.0)

    assert facts(drive)[0].closed_by is ClosedBy.DISCONNECTED
    assert facts(drive)[0].samples == 24_000


def test_an_absence_does_not_count_again_what_is_in_the_ledger() -> None:
    drive = Drive(segment=5.0, gap_limit=20.0, idle_after=10.0, start=datetime(2026, 1, 1, tzinfo=UTC))
    drive.connect(0.0)
    drive.play(audio(3.0), at=1.0)
    drive.disconnect(4.0)  # filled up to second 5
    drive.connect(104.0)
    drive.play(audio(1.0), at=204.0)
    drive.finish(205.0)

    opened_after = facts(drive)[-1].opened_after
    assert opened_after is not None
    assert gaps(drive) == [(3.0, 1.0, DISCONNECTED)]
    assert opened_after.seconds == pytest.approx(199.0)
    assert opened_after.by_reason == {
        OpenedAfterReason.DISCONNECTED: pytest.approx(99.0),
        OpenedAfterReason.IDLE: pytest.approx(100.0),
    }


def test_a_disconnected_segment_is_filled_and_closed_on_time_without_traffic() -> None:
    drive = Drive(segment=60.0)  # the next instant of the grid is at 30 s
    drive.connect(0.0)
    drive.play(audio(9.0), at=1.0)
    drive.disconnect(10.0)
    drive.advance(30.0 + GRID_GRACE - 0.01)
    assert drive.open

    drive.advance(30.0 + GRID_GRACE + 0.01)

    (segment,) = facts(drive)
    assert segment.closed_by is ClosedBy.GRID
    assert segment.ended_at == START + timedelta(seconds=30)
    assert gaps(drive) == [(9.0, 20.0, DISCONNECTED)]


def test_silence_is_cut_at_every_instant_of_the_grid_that_it_covers() -> None:
    drive = Drive(segment=5.0, gap_limit=60.0, start=datetime(2026, 1, 1, tzinfo=UTC))
    drive.connect(0.0)
    drive.play(audio(2.0), at=1.0)
    drive.disconnect(3.0)
    drive.connect(20.0)
    drive.play(audio(2.0, start=16_000), at=21.0)
    drive.finish(23.0)

    assert [each.samples / SAMPLE_RATE for each in facts(drive)] == [4.0, 5.0, 5.0, 5.0, 3.0]
    assert all(left.ended_at == right.started_at for left, right in itertools.pairwise(facts(drive)))
    assert sum(length for _, length, _ in gaps(drive)) == 18.0
    assert drive.heard == counter(32_000)


def test_a_connection_that_stands_is_not_cut_before_it_is_known_what_a_stall_was() -> None:
    drive = Drive(segment=60.0, idle_after=10.0)
    drive.connect(0.0)
    drive.play(audio(28.0), at=1.0)
    drive.receive(audio(5.0, start=28 * SAMPLE_RATE), 34.0)  # the grid is at 30 s
    drive.play(audio(5.0, start=33 * SAMPLE_RATE), at=34.0)
    drive.finish(39.0)

    assert drive.gaps == []
    assert [each.samples / SAMPLE_RATE for each in facts(drive)] == [29.0, 9.0]
    assert facts(drive)[1].started_at == START + timedelta(seconds=30)


@pytest.mark.parametrize("leap", [timedelta(hours=-1), timedelta(seconds=-30), timedelta(days=1)])
def test_a_step_of_the_wall_clock_moves_no_audio_and_makes_no_name_twice(leap: timedelta) -> None:
    drive = Drive(segment=5.0)
    drive.connect(0.0)
    drive.play(audio(12.0), at=1.0)
    drive.disconnect(13.0)
    drive.connect(14.0, utc=START + timedelta(seconds=14) + leap)
    drive.play(audio(12.0, start=96_000), at=15.0)
    drive.finish(27.0)

    assert gaps(drive) == [(12.0, 2.0, DISCONNECTED)]
    assert drive.heard == counter(192_000)
    assert facts(drive)[-1].ended_at == START + timedelta(seconds=27) + leap


def test_a_leap_second_smeared_over_a_day_makes_no_gap_and_no_name_twice() -> None:
    drive = Drive(segment=3600.0)
    smear = timedelta(seconds=1) / 24
    for hour in range(24):
        began = hour * 3600.0
        drive.connect(began, utc=START + timedelta(seconds=began) - smear * hour)
        drive.play(audio(3.0, start=hour * 24_000), at=began + 1.0)
        drive.disconnect(began + 4.0)
    drive.finish(began + 5.0)

    assert gaps(drive) == []
    assert drive.heard == counter(24 * 24_000)
    assert [segment.opened_after.seconds for segment in facts(drive)[1:] if segment.opened_after] == [
        pytest.approx(3597.0) for _ in range(23)
    ]
    label = START + timedelta(seconds=23 * 3600 + 1) - smear * 23
    assert abs(facts(drive)[-1].started_at - label) < timedelta(milliseconds=1)


def test_a_day_that_ends_is_no_reason_to_lose_a_sample() -> None:
    midnight = datetime(2027, 1, 1, tzinfo=UTC)
    drive = Drive(segment=86_400.0, start=midnight - timedelta(seconds=3))
    drive.connect(0.0)
    drive.play(audio(5.0), at=1.0)
    drive.finish(6.0)

    assert drive.pcm == counter(40_000)
    assert [each.started_at for each in facts(drive)] == [midnight - timedelta(seconds=2), midnight]
    assert facts(drive)[1].name.audio_key.split("/")[2:5] == ["2027", "01", "01"]


def test_every_connection_has_sequence_numbers_of_its_own() -> None:
    drive = Drive(Encapsulation.RTP)
    drive.connect(0.0)
    drive.play([rtp(each, number) for number, each in enumerate(audio(3.0), start=1)], at=1.0)
    drive.disconnect(4.0)
    drive.connect(5.0)
    drive.play([rtp(each, number) for number, each in enumerate(audio(3.0, start=24_000), start=1)], at=6.0)
    drive.finish(9.0)

    assert drive.heard == counter(48_000)
    assert gaps(drive) == [(3.0, 2.0, DISCONNECTED)]
    assert (facts(drive)[0].reception.duplicate, facts(drive)[0].reception.late) == (0, 0)


def test_packets_that_the_numbers_show_as_lost_are_silence_in_their_place() -> None:
    drive = Drive(Encapsulation.RTP)
    drive.connect(0.0)
    messages = [rtp(each, number) for number, each in enumerate(audio(6.0))]
    for number, message in enumerate(messages):
        if not 150 <= number < 160:
            drive.receive([message], 1.0 + (number + 1) * PACKET)
    drive.finish(7.0)

    assert gaps(drive) == [(3.0, 0.2, LOST)]
    assert facts(drive)[0].reception.lost == 10
    assert facts(drive)[0].samples == 6 * SAMPLE_RATE
    assert drive.segments[0].pcm[: 2 * 24_000] == counter(24_000)
    assert drive.segments[0].pcm[2 * 25_600 :] == counter(22_400, 25_600)


def test_reordered_packets_are_recorded_in_order() -> None:
    drive = Drive(Encapsulation.RTP)
    drive.connect(0.0)
    messages = [rtp(each, 65500 + number) for number, each in enumerate(audio(6.0))]
    for start in range(3, len(messages) - 3, 7):
        messages[start], messages[start + 2] = messages[start + 2], messages[start]
    drive.play(messages, at=1.0)
    drive.finish(7.0)

    assert drive.pcm == counter(48_000)
    assert drive.gaps == []


def test_another_codec_begins_another_segment() -> None:
    drive = Drive(codec=CodecChoice.AUTO)
    drive.connect(0.0)
    drive.play([bytes(320)] * 150, at=1.0)
    drive.disconnect(4.0)
    drive.connect(5.0)
    drive.play([b"\xff" * 160] * 200, at=6.0)
    drive.finish(10.0)

    assert drive.codecs == [Codec.PCM16LE, Codec.ULAW]
    assert [(each.codec, each.closed_by) for each in facts(drive)] == [
        ("pcm16le", ClosedBy.CODEC),
        ("ulaw", ClosedBy.STOPPED),
    ]
    assert facts(drive)[0].ended_at == facts(drive)[1].started_at
    assert gaps(drive) == [(3.0, 2.0, DISCONNECTED)]
    assert len(drive.pcm) == 2 * 9 * SAMPLE_RATE


def test_what_waits_for_its_codec_is_written_when_the_connection_ends() -> None:
    drive = Drive(codec=CodecChoice.AUTO)
    drive.connect(0.0)
    drive.receive([bytes(320)], 1.0)
    assert drive.segments == []
    drive.disconnect(1.1)
    drive.finish(1.1)

    assert drive.pcm == bytes(320)


def test_messages_without_audio_are_said_and_counted() -> None:
    drive = Drive(Encapsulation.RTP)
    drive.connect(0.0)
    drive.play([rtp(each, number) for number, each in enumerate(audio(1.0))], at=1.0)
    drive.receive([b"", b"\x80", b"abc", b"\x80\x0d" + bytes(20)], 2.02, {DiscardReason.TEXT: 2})
    drive.finish(2.1)

    assert drive.discarded == [
        MessagesDiscarded(DiscardReason.TEXT, 2),
        MessagesDiscarded(DiscardReason.EMPTY, 1),
        MessagesDiscarded(DiscardReason.SHORT, 1),
        MessagesDiscarded(DiscardReason.VERSION, 1),
        MessagesDiscarded(DiscardReason.PAYLOAD_TYPE, 1),
    ]
    reception = facts(drive)[0].reception
    assert reception.messages == 50 + 4 + 2
    assert reception.discarded == {"text": 2, "empty": 1, "short": 1, "version": 1, "payload-type": 1}
    assert drive.pcm == counter(8000)


def every_reason() -> list[tuple[Encapsulation, bytes, DiscardReason]]:
    rtp_, socket = Encapsulation.RTP, Encapsulation.AUDIOSOCKET
    return [
        (rtp_, b"", DiscardReason.EMPTY),
        (rtp_, b"\x80", DiscardReason.SHORT),
        (rtp_, bytes(172), DiscardReason.VERSION),
        (rtp_, b"\x80\x0d" + bytes(20), DiscardReason.PAYLOAD_TYPE),
        (rtp_, b"\xa0\x60" + bytes(20), DiscardReason.PADDING),
        (rtp_, rtp(b"abc", 50), DiscardReason.ODD),
        (rtp_, rtp(b"ab", 9000), DiscardReason.STRAY),
        (socket, b"\x00\x00\x00", DiscardReason.KIND),
        (socket, b"\x10\x00\x09ab", DiscardReason.LENGTH),
    ]


@pytest.mark.parametrize(("encapsulation", "message", "reason"), every_reason())
def test_each_reason_to_discard_reaches_the_manifest(
    encapsulation: Encapsulation, message: bytes, reason: DiscardReason
) -> None:
    def message_of(payload: bytes, sequence: int) -> bytes:
        if encapsulation is Encapsulation.RTP:
            return rtp(payload, sequence)
        return b"\x10" + len(payload).to_bytes(2) + payload

    drive = Drive(encapsulation)
    drive.connect(0.0)
    drive.play([message_of(each, number) for number, each in enumerate(audio(1.0))], at=1.0)
    drive.receive([message], 2.01)
    following = 51 if reason is DiscardReason.ODD else 50
    drive.play([message_of(each, following + number) for number, each in enumerate(audio(1.0, 8000))], at=2.0)
    drive.finish(3.1)

    assert facts(drive)[0].reception.discarded == {reason: 1}
    assert drive.pcm == counter(16_000)


def test_a_connection_that_brings_nothing_leaves_nothing() -> None:
    drive = Drive()
    for at in range(0, 1000, 10):
        drive.connect(float(at))
        drive.disconnect(at + 3.0)
    drive.finish(1000.0)

    assert drive.segments == []
    assert drive.ticks == 0


def test_messages_without_a_connection_are_a_mistake_of_the_caller() -> None:
    drive = Drive()

    with pytest.raises(RuntimeError, match="without a connection"):
        drive.receive([b"ab"], 1.0)


def test_the_codec_is_known_to_the_shell_once_it_is_heard() -> None:
    drive = Drive(codec=CodecChoice.AUTO)
    assert drive.recording.codec is None
    drive.connect(0.0)
    drive.play([bytes(320)] * 50, at=1.0)

    assert drive.recording.codec is Codec.PCM16LE


def test_a_codec_that_was_asked_for_is_not_said_before_there_is_audio() -> None:
    drive = Drive()
    drive.connect(0.0)
    drive.receive([b""], 0.5)

    assert drive.recording.tick(1.0) == []
    assert drive.codecs == []


@pytest.mark.parametrize("reads", [[1] * 3000, [12, 13] * 120])
def test_a_minute_with_losses_is_accounted_for_to_the_sample(reads: Sequence[int]) -> None:
    drive = Drive(Encapsulation.RTP, segment=10.0, start=datetime(2026, 1, 1, tzinfo=UTC))
    messages = [rtp(each, number) for number, each in enumerate(audio(60.0))]
    drive.connect(0.5)
    start = 0
    for size in reads:
        kept = [
            number
            for number in range(start, start + size)
            if not (1000 <= number < 1100 or 2000 <= number < 2050)
        ]
        start += size
        if kept:
            drive.receive([messages[number] for number in kept], 1.0 + start * PACKET)
    drive.finish(61.0)

    assert drive.now == 61.0
    assert gaps(drive) == [(20.0, 2.0, LOST), (40.0, 1.0, LOST)]
    assert len(drive.pcm) == 2 * 60 * SAMPLE_RATE
    assert sum(each.silence for each in facts(drive)) == 3 * SAMPLE_RATE

"""The loop of one watch, on virtual time: what it records, and how it asks again."""

import errno
import itertools
import random
import wave
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
import soundfile
from structlog.testing import capture_logs

from recorder.attendance import Attendance
from recorder.conference import Conference
from recorder.connection import ConnectionRefused, Setback
from recorder.core.media import CodecChoice, Encapsulation
from recorder.core.recording import Recording, RecordingSettings
from recorder.core.segmenter import Identity
from recorder.core.snapshot import Known
from recorder.journal import Journal
from recorder.offload import Arguments, Result
from recorder.rate import Precedence, Rate
from recorder.segment import OpenSegment
from recorder.spool import Spool
from recorder.watchlist import Watch
from recorder.writer import SegmentWriter
from storage.manifest import ClosedBy, GapReason, OpenedAfterReason, SegmentFacts, SegmentManifest, WatchFacts
from storage.names import WatchId, WatchKind
from tests.recorder.scripted import Counter, Script, ScriptedPlatform, pcm, talk
from tests.virtual import BEGIN, Inline, virtual_clock

WATCH = Watch(
    WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a"),
    "board",
    Encapsulation.SLN,
    CodecChoice.AUTO,
)

pytestmark = pytest.mark.anyio


async def record(
    spool: Spool,
    steps: Sequence[ConnectionRefused | Script],
    seconds: float,
    *,
    disk: Inline | None = None,
    sealing: Inline | None = None,
    step: timedelta = timedelta(),
    rate: Rate | None = None,
    journal: Journal | None = None,
    news: Sequence[tuple[float, Known]] = (),
    watch: Watch = WATCH,
) -> ScriptedPlatform:
    """Record for so many virtual seconds, then stop as a signal would.

    `news` are told at their seconds, the first of them before anything else.
    """
    platform = ScriptedPlatform(steps)
    clock = virtual_clock(step=lambda: step if platform.attempts[1:] else timedelta())
    attendance = Attendance(clock)
    recording = Recording(
        Identity(
            WatchFacts(kind=watch.watch_id.kind, id=watch.watch_id.id), "rec-a", "0", watch.encapsulation
        ),
        RecordingSettings(watch.codec, segment=60.0, gap_limit=60.0, idle_after=10.0),
        itertools.count(),
        clock.monotonic(),
        sightings=attendance.sightings if news else None,
    )
    conference = Conference(
        watch,
        platform,
        recording,
        SegmentWriter(spool),
        clock=clock,
        rate=rate or Rate(15),
        disk=disk or Inline(),
        sealing=sealing or Inline(),
        on_sealed=lambda _: None,
        chance=random.Random(1).random,
        journal=journal,
        attendance=attendance,
    )

    for _, known in news[:1]:
        attendance.told(known)

    async def tell() -> None:
        began = clock.monotonic()
        for at, known in news[1:]:
            await anyio.sleep(began + at - clock.monotonic())
            attendance.told(known)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell)
        with anyio.move_on_after(seconds):
            await conference.run()
        tasks.cancel_scope.cancel()
    return platform


def manifests(spool: Spool) -> list[SegmentManifest]:
    return [segment.read_manifest()[0] for segment in spool.sealed()]


def recorded(spool: Spool) -> bytes:
    """All audio in the spool, joined, and silence of ours left out."""
    heard = b""
    for segment in spool.sealed():
        manifest, _ = segment.read_manifest()
        with wave.open(str(segment.audio)) as file:
            content = bytearray(file.readframes(file.getnframes()))
        for entry in reversed(manifest.ledger):
            silence = content[entry.start * 2 : (entry.start + entry.samples) * 2]
            assert not any(silence), "what the ledger calls silence is silent"
            del content[entry.start * 2 : (entry.start + entry.samples) * 2]
        heard += content
    return heard


def playing(source: Counter, seconds: float) -> Script:
    return lambda: talk(source, seconds)


async def nothing() -> AsyncIterator[bytes]:
    """A stream that stands for ever and carries nothing."""
    await anyio.sleep_forever()
    yield b""


async def cut_at_once() -> AsyncIterator[bytes]:
    """What the platform does to the stream of a conference that nobody has joined."""
    await anyio.sleep(3)
    return
    yield b""


def refuse(setback: Setback, *, retry_after: float | None = None) -> ConnectionRefused:
    return ConnectionRefused(setback, "no", retry_after=retry_after)


async def test_every_sample_is_recorded_and_segments_are_cut_on_the_grid(spool: Spool) -> None:
    source = Counter()

    await record(spool, [playing(source, 1000)], 300)

    segments = manifests(spool)
    assert recorded(spool) == pcm(0, source.sent)
    assert [s.started_at.second for s in segments[1:]] == [0] * 5
    assert [s.closed_by for s in segments] == [ClosedBy.GRID] * 5 + [ClosedBy.STOPPED]
    assert [s.opened_after is None for s in segments] == [False] + [True] * 5


async def test_a_drop_is_bridged_with_silence_and_told(spool: Spool) -> None:
    source = Counter()

    await record(spool, [playing(source, 20), refuse(Setback.TRANSIENT), playing(source, 1000)], 60)

    segments = manifests(spool)
    assert recorded(spool) == pcm(0, source.sent)
    assert {entry.reason.value for s in segments for entry in s.ledger} == {"disconnected"}
    span = sum(s.samples for s in segments) / 8000
    assert span == pytest.approx(60, abs=0.2), "the recording is as long as the time that passed"


async def test_a_stream_that_is_missed_does_not_wait_behind_those_that_are_only_asked_for(
    spool: Spool,
) -> None:
    rate, source = Rate(15), Counter()
    steps: list[ConnectionRefused | Script] = [
        playing(source, 20),
        refuse(Setback.TRANSIENT),
        playing(source, 100),
    ]
    platforms: list[ScriptedPlatform] = []

    async def missed() -> None:
        platforms.append(await record(spool, steps, 60, rate=rate))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(missed)
        await anyio.sleep(10)
        crowd = [rate.ask(Precedence.OTHERS) for _ in range(3000)]
    assert not all(turn.granted for turn in crowd)

    first, second, third = platforms[0].attempts
    assert second - (first + 20) < 1.5
    assert third - second < 2.5


async def test_a_conference_that_has_ended_is_not_missed(spool: Spool) -> None:
    rate, source = Rate(1), Counter()
    steps: list[ConnectionRefused | Script] = [playing(source, 20), refuse(Setback.NOT_LIVE)]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: record(spool, steps, 100, rate=rate))
        await anyio.sleep(19.5)
        crowd = [rate.ask(Precedence.OTHERS) for _ in range(100)]
        await anyio.sleep(10.25)
        granted = sum(turn.granted for turn in crowd)
        assert granted == 10, "one turn of eleven was for the stream that broke off"
        await anyio.sleep(20)
        assert sum(turn.granted for turn in crowd) == granted + 20, "and none for what has ended"


async def test_a_call_that_nobody_has_joined_is_asked_for_slowly_and_recorded_when_it_begins(
    spool: Spool,
) -> None:
    source = Counter()

    platform = await record(spool, [*[cut_at_once] * 20, playing(source, 1000)], 900)

    waits = [later - earlier for earlier, later in itertools.pairwise(platform.attempts)]
    assert all(4 <= wait <= 3 + 15 + 1 for wait in waits), "the 3 s of the platform and a pace of ours"
    assert recorded(spool) == pcm(0, source.sent)
    first = manifests(spool)[0].opened_after
    assert first is not None
    assert first.reason is OpenedAfterReason.START
    assert first.seconds == pytest.approx(platform.attempts[20] - 1000, abs=0.1)


@pytest.mark.parametrize(
    ("setback", "most_a_minute"),
    [(Setback.REFUSED, 3), (Setback.NOT_LIVE, 20), (Setback.THROTTLED, 10), (Setback.TRANSIENT, 15)],
)
async def test_a_platform_that_refuses_is_not_hammered(
    spool: Spool, setback: Setback, most_a_minute: int
) -> None:
    platform = await record(spool, [refuse(setback)], 1800)

    busiest = max(sum(t <= other < t + 60 for other in platform.attempts) for t in platform.attempts)
    assert busiest <= most_a_minute
    assert platform.attempts[-1] > 1000 + 1800 - 301, "and it is never given up"


async def test_retry_after_is_honoured(spool: Spool) -> None:
    platform = await record(spool, [refuse(Setback.THROTTLED, retry_after=40)], 200)

    assert all(later - earlier >= 40 for earlier, later in itertools.pairwise(platform.attempts))


async def test_an_empty_conference_costs_no_audio_and_is_accounted_for(spool: Spool) -> None:
    source = Counter()

    async def talk_pause_talk() -> AsyncIterator[bytes]:
        async for message in talk(source, 5):
            yield message
        await anyio.sleep(3600)
        async for message in talk(source, 1000):
            yield message

    await record(spool, [talk_pause_talk], 3700)

    first, second, *_ = manifests(spool)
    assert (first.samples, first.closed_by) == (40_000, ClosedBy.IDLE)
    assert second.opened_after is not None
    assert second.opened_after.by_reason == {OpenedAfterReason.IDLE: 3600.0}
    assert recorded(spool) == pcm(0, source.sent)


async def test_segments_close_on_time_though_nothing_arrives(spool: Spool) -> None:
    source = Counter()

    await record(spool, [playing(source, 20), refuse(Setback.REFUSED)], 40)
    grid_has_passed = BEGIN + timedelta(seconds=33)

    (segment,) = manifests(spool)
    assert segment.closed_by is ClosedBy.GRID
    assert segment.ended_at < grid_has_passed


async def test_a_disk_that_stalls_for_seconds_costs_no_sample(spool: Spool) -> None:
    source = Counter()

    await record(spool, [playing(source, 1000)], 120, disk=Inline(seconds=4.0))

    assert recorded(spool) == pcm(0, source.sent)
    assert [entry for s in manifests(spool) for entry in s.ledger] == []


async def test_an_encoder_that_takes_its_time_holds_up_no_recording(flac_spool: Spool) -> None:
    class Encoder(Inline):
        """Begins only after 40 seconds, and sees then how far the recording is."""

        async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
            await anyio.sleep(40)
            sizes = sorted(path.stat().st_size for path in flac_spool.folder.glob("*.open"))
            seen.append((sizes[0] // 16_000, sizes[-1] // 16_000))
            return call(*arguments)

    seen: list[tuple[int, int]] = []
    source = Counter()

    await record(flac_spool, [playing(source, 1000)], 200, sealing=Encoder())

    segments = manifests(flac_spool)
    heard = b"".join(soundfile.read(s.audio, dtype="int16")[0].tobytes() for s in flac_spool.sealed())
    assert heard == pcm(0, source.sent)
    assert seen[1] == (39, 60), "a second at most is not on the disk yet"
    assert [s.closed_by for s in segments] == [ClosedBy.GRID] * 3 + [ClosedBy.STOPPED]
    assert [s.opened_after is None for s in segments] == [False] + [True] * 3
    assert [s.previous is None for s in segments] == [True] + [False] * 3
    assert list(flac_spool.folder.glob("*.open")) == [], "a stop waits for what is being sealed"


async def test_a_wall_clock_that_is_set_back_an_hour_moves_no_audio_and_makes_no_two_names_equal(
    spool: Spool,
) -> None:
    source = Counter()

    await record(spool, [playing(source, 100), playing(source, 1000)], 250, step=timedelta(hours=-1))

    in_order = sorted(manifests(spool), key=lambda segment: segment.number)
    before, after = in_order[:3], in_order[3:]
    assert [s.started_at.hour for s in in_order] == [15, 15, 15, 14, 14]
    assert sum(s.samples - s.silence for s in in_order) == source.sent
    assert [s.opened_after for s in in_order[1:]] == [None] * 4
    assert [s.closed_by for s in (*before, *after)] == [ClosedBy.GRID] * 4 + [ClosedBy.STOPPED]


class FullDisk(Spool):
    """Takes no new segment while it is `full`."""

    full = True

    def open(self, facts: SegmentFacts) -> OpenSegment:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().open(facts)


async def test_what_a_full_disk_did_not_take_is_in_the_ledger_when_there_is_room_again(
    tmp_path: Path,
) -> None:
    spool, source = FullDisk(tmp_path), Counter()

    async def make_room() -> None:
        await anyio.sleep(150)
        spool.full = False

    with capture_logs() as said:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(make_room)
            tasks.start_soon(record, spool, [playing(source, 1000)], 300)
    spool.release()

    segments = manifests(spool)
    entries = [entry for manifest in segments for entry in manifest.ledger]
    assert {entry.reason for entry in entries} == {GapReason.DISK}
    lost = sum(entry.samples for entry in entries)
    assert recorded(spool) == pcm(lost, source.sent - lost)
    assert lost / 8000 == pytest.approx(150, abs=2)
    assert sum(manifest.samples for manifest in segments) == source.sent
    assert [manifest.opened_after is None for manifest in segments] == [False] + [True] * 5
    again = [line for line in said if line["event"] == "recording again"]
    told = [line for line in said if line["event"].startswith("not recorded")]
    assert [line["samples_missed"] for line in again] == [lost]
    assert 2 <= len(told) <= 4, "once a minute"


async def test_what_a_full_disk_has_not_taken_when_we_stop_is_told(tmp_path: Path) -> None:
    spool = FullDisk(tmp_path)
    with capture_logs() as said:
        await record(spool, [playing(Counter(), 1000)], 40)
    spool.release()

    given_up = [line for line in said if "given up" in line["event"]]
    assert len(given_up) == 1
    assert "No space left" in given_up[0]["reason"]

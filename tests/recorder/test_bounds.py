"""Whatever a platform sends, one stream keeps no more in memory than is stated, and no audio goes over it."""

import itertools
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np
import pytest

from recorder.connection import Batch
from recorder.core.events import SamplesReady, SilenceReady
from recorder.core.hold import MOST_HELD
from recorder.core.jitterbuffer import MOST_BYTES
from recorder.core.media import CodecChoice, Encapsulation
from recorder.core.packets import DiscardReason, Row
from recorder.core.recording import Recording, RecordingSettings
from recorder.frames import MOST_ROWS, FrameSplitter
from recorder.limits import STREAM_MEMORY
from storage.manifest import GapReason
from tests.recorder.core.drive import identity

READ = 1 << 18
"""Bytes that the event loop reads at a time."""
NOISE = np.random.default_rng(1).integers(0, 256, 60_000, np.uint8).tobytes()

Reads = Iterator[tuple[float, bytes]]


def frame(payload: bytes) -> bytes:
    return struct.pack("!BBH", 0x82, 126, len(payload)) + payload


def packet(sequence: int, payload: bytes) -> bytes:
    return frame(b"\x80\x60" + (sequence % 65536).to_bytes(2) + bytes(8) + payload)


def too_fast() -> Reads:
    """A valid stream a hundred times too fast, for a minute, after it has stalled for an hour."""
    yield 0.0, frame(bytes(320)) * 50
    for number in range(30 * 60):
        yield 3600 + number * 0.033, frame(bytes(320)) * 165


def out_of_order() -> Reads:
    """A packet is missing, and those that follow are as long as can be."""
    yield 0.0, packet(0, bytes(320))
    for number in range(120):
        yield 0.001 * number, packet(2 + number, NOISE)


def far_off() -> Reads:
    """Numbers that never make sense, in the longest of packets."""
    for number in range(400):
        yield 0.02 * number, packet(number * 10_007, NOISE)


def unclear() -> Reads:
    """Noise, too fast and too slow for any codec: nobody can say how it is coded."""
    for number in range(280):
        yield 0.02 * number, frame(NOISE) * 4


def shortest() -> Reads:
    """Messages that take more to say than they hold."""
    pair = b"\x82\x01\x00\x82\x02\x00\x00"
    for number in range(1):
        yield float(number), pair * (READ // len(pair))


def record(
    reads: Reads, encapsulation: Encapsulation, codec: CodecChoice
) -> tuple[int, int, list[GapReason]]:
    """Samples heard, the most bytes in memory at a time, and the reasons of all silence."""
    settings = RecordingSettings(codec, segment=86_400.0, gap_limit=60.0, idle_after=100_000.0)
    recording = Recording(identity(encapsulation), settings, itertools.count(), started=0.0)
    recording.connected(0.0, datetime(2026, 11, 22, tzinfo=UTC))
    splitter, heard, silence, now = FrameSplitter(), 0, list[GapReason](), 0.0
    tracemalloc.start()
    try:
        for now, data in reads:
            list(splitter.split(data))
            rows, splitter.rows = splitter.rows, []
            events = recording.receive(rows, now)
            heard += sum(len(event.pcm) // 2 for event in events if isinstance(event, SamplesReady))
            silence += [event.reason for event in events if isinstance(event, SilenceReady)]
            del rows, events
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    events = recording.finish(now)
    heard += sum(len(event.pcm) // 2 for event in events if isinstance(event, SamplesReady))
    return heard, most, silence


@pytest.mark.parametrize(
    ("reads", "encapsulation", "codec", "samples", "own"),
    [
        (too_fast, Encapsulation.SLN, CodecChoice.PCM16LE, (30 * 60 * 165 + 50) * 160, 3 * MOST_HELD),
        (
            out_of_order,
            Encapsulation.RTP,
            CodecChoice.PCM16LE,
            160 + 120 * 30_000,
            5 * MOST_BYTES + MOST_HELD,
        ),
        (far_off, Encapsulation.RTP, CodecChoice.PCM16LE, 400 * 30_000, 8 * MOST_BYTES + MOST_HELD),
        (unclear, Encapsulation.SLN, CodecChoice.AUTO, None, 3 * MOST_HELD),
        (shortest, Encapsulation.SLN, CodecChoice.PCM16LE, None, 3 << 20),
    ],
)
def test_memory_is_bounded_and_what_goes_early_is_not_lost(
    reads: Callable[[], Reads],
    encapsulation: Encapsulation,
    codec: CodecChoice,
    samples: int | None,
    own: int,
) -> None:
    heard, most, _ = record(reads(), encapsulation, codec)

    assert most < own < STREAM_MEMORY
    assert samples is None or heard == samples


def test_a_flood_of_short_messages_is_counted_and_its_beginning_kept() -> None:
    splitter = FrameSplitter()
    pair = b"\x82\x01\x00\x82\x02\x00\x00"
    list(splitter.split(pair * 10_000))

    assert (len(splitter.rows), splitter.discarded) == (
        MOST_ROWS,
        {DiscardReason.FLOOD: 20_000 - MOST_ROWS},
    )


def test_packets_of_ordinary_length_are_never_a_flood_though_no_two_are_alike() -> None:
    splitter = FrameSplitter()
    count = READ // 165
    list(splitter.split(b"".join(frame(bytes(159 + number % 2)) for number in range(count))))

    assert (len(splitter.rows), splitter.discarded) == (count, {})


def test_what_the_shortest_messages_take_is_counted_as_pending() -> None:
    rows = [Row.of(b"x")] * 10_000

    assert Batch(0.0, rows).size > 10_000 * 200


def test_a_gap_that_is_decided_early_is_still_in_the_ledger() -> None:
    def reads() -> Reads:
        yield from ((0.02 * number, frame(bytes(320))) for number in range(100))
        yield 402.0, frame(bytes(320)) * 15_000  # five minutes of the six and a half that are missing

    heard, _, silence = record(reads(), Encapsulation.SLN, CodecChoice.PCM16LE)

    assert heard == 15_100 * 160
    assert silence == [GapReason.STALLED] * len(silence)

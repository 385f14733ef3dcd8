"""Which codec a stream carries: never wrong in real time, and right at once where the content tells."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import recorder.simulator
from recorder.core.codec import BYTES_PER_SAMPLE
from recorder.core.detection import Decoder
from recorder.core.media import SAMPLE_RATE, Codec, CodecChoice
from recorder.core.packets import Run
from recorder.core.reception import ReceptionCounters

Signal = npt.NDArray[np.float64]

SECONDS: Final = 7
LENGTH: Final = SECONDS * SAMPLE_RATE
TIME: Final = np.arange(LENGTH) / SAMPLE_RATE
SPEECH: Final = Path(recorder.simulator.__file__).parent / "speech"


def tone(frequency: float, amplitude: float) -> Signal:
    return amplitude * np.sin(2 * np.pi * frequency * TIME)


def noise(deviation: float) -> Signal:
    return np.random.default_rng(1).normal(0, deviation, LENGTH)


def speech(name: str, gain: float = 1.0) -> Signal:
    samples, _ = soundfile.read(SPEECH / f"{name}.flac", frames=LENGTH, dtype="int16")
    return np.resize(samples.astype(np.float64) * gain, LENGTH)


def after(silence: float, signal: Signal) -> Signal:
    return np.concatenate((np.zeros(round(silence * SAMPLE_RATE)), signal))[:LENGTH]


PLAIN: Final = {
    "standup": speech("standup"),
    "planung": speech("planung"),
    "reunion": speech("reunion"),
    "soporte": speech("soporte"),
    "roundtable": speech("roundtable"),
    "a whisper": speech("standup", 0.01),
    "a shout, clipped": speech("reunion", 4.0),
    "low tone": tone(50, 1000),
    "faint tone": tone(440, 10),
    "telephone tone": tone(440, 10_000),
    "high tone": tone(3700, 10_000),
    "faint noise": noise(4),
    "room noise": noise(30),
    "loud noise": noise(300),
    "clicks": np.where(np.arange(LENGTH) % 80 == 0, 20_000.0, 0.0),
    "digital silence": np.zeros(LENGTH),
    "silence and then speech": after(1.2, speech("standup")),
    "long silence and then speech": after(5.0, speech("standup")),
}
"""Decided rightly in every codec."""

EXTREME: Final = {
    "overdriven speech": speech("standup", 20.0),
    "full-scale tone": tone(440, 32_767),
    "full-scale high tone": tone(3700, 32_767),
    "dial tones": tone(770, 8000) + tone(1336, 8000),
    "clipped tone": tone(440, 80_000),
    "clipped high tone": tone(3700, 80_000),
    "full-scale noise": noise(10_000),
    "clipped noise": noise(30_000),
    "even noise": np.random.default_rng(2).integers(-32_768, 32_768, LENGTH).astype(np.float64),
    "ramp": (np.arange(LENGTH) * 7.0) % 65_536 - 32_768,
    "steep ramp": (np.arange(LENGTH) * 514.0) % 65_536 - 32_768,
    "offset of minus one": np.full(LENGTH, -1.0),
    "offset": np.full(LENGTH, -300.0),
}
"""Too loud or too regular for the content alone: decided by the pace, and between the two laws by custom."""

ABSURD: Final = {
    "counter": np.arange(LENGTH) % 65_536.0 - 32_768,
    "square wave of two samples": np.where(np.arange(LENGTH) % 2 == 0, 32_767.0, -32_768.0),
}
"""No sound: at least the width of a sample is right."""

ALL: Final = PLAIN | EXTREME | ABSURD


def encoded(codec: Codec, signal: Signal) -> bytes:
    samples = np.clip(np.round(signal), -32_768, 32_767).astype("<i2")
    if codec is Codec.PCM16LE:
        return samples.tobytes()
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="RAW", subtype=codec.name)
    return buffer.getvalue()


def paced(codec: Codec, data: bytes, every: float) -> Iterator[Run]:
    """The data in runs as real time brings them, one `every` seconds."""
    size = round(every * SAMPLE_RATE) * BYTES_PER_SAMPLE[codec]
    for number, start in enumerate(range(0, len(data), size), start=1):
        yield Run(100.3 + number * every, data[start : start + size], 160 * BYTES_PER_SAMPLE[codec])


def decided(runs: Iterator[Run], before: Codec | None = None) -> tuple[Codec | None, float]:
    """What a decoder decides over some runs before they end, and the time of the run that did it."""
    decoder = Decoder(CodecChoice.AUTO, ReceptionCounters(), before)
    at = 0.0
    for run in runs:
        at = run.at
        decoder.put([run], at)
        if decoder.codec:
            break
    return decoder.codec, at


@pytest.mark.parametrize("every", [0.02, 0.25])
@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("name", PLAIN)
def test_sound_in_real_time_is_decided_rightly(name: str, codec: Codec, every: float) -> None:
    decision, at = decided(paced(codec, encoded(codec, PLAIN[name]), every))

    assert decision is codec
    assert at - 100.3 < 2.6


@pytest.mark.parametrize("every", [0.02, 0.25])
@pytest.mark.parametrize("codec", [Codec.PCM16LE, Codec.ULAW])
@pytest.mark.parametrize("name", EXTREME)
def test_what_is_hardly_sound_is_decided_by_its_pace(name: str, codec: Codec, every: float) -> None:
    decision, at = decided(paced(codec, encoded(codec, EXTREME[name]), every))

    assert decision is codec
    assert at - 100.3 < 2.6


@pytest.mark.parametrize("every", [0.02, 0.25])
@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("name", ALL)
def test_the_width_of_a_sample_is_never_mistaken_in_real_time(name: str, codec: Codec, every: float) -> None:
    decision, _ = decided(paced(codec, encoded(codec, ALL[name]), every))

    assert decision
    assert BYTES_PER_SAMPLE[decision] == BYTES_PER_SAMPLE[codec]


@pytest.mark.parametrize(("bytes_a_second", "codec"), [(8000, Codec.ULAW), (16_000, Codec.PCM16LE)])
@pytest.mark.parametrize("every", [0.02, 0.25])
def test_random_bytes_are_decided_by_their_pace(bytes_a_second: int, codec: Codec, every: float) -> None:
    data = np.random.default_rng(3).bytes(bytes_a_second * SECONDS)

    decision, at = decided(paced(codec, data, every))

    assert decision is codec
    assert at - 100.3 >= 2.0


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("name", ["standup", "planung", "reunion", "soporte", "roundtable", "telephone tone"])
def test_speech_is_decided_within_a_second(name: str, codec: Codec) -> None:
    decision, at = decided(paced(codec, encoded(codec, PLAIN[name]), 0.02))

    assert decision is codec
    assert at - 100.3 < 1.0


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("name", [name for name in PLAIN if name != "clicks"])
def test_sound_that_comes_all_at_once_is_decided_rightly_at_its_end(name: str, codec: Codec) -> None:
    data = encoded(codec, PLAIN[name])
    decoder = Decoder(CodecChoice.AUTO, ReceptionCounters())
    size = 160 * BYTES_PER_SAMPLE[codec]

    for start in range(0, len(data), size):
        assert decoder.put([Run(7.0, data[start : start + size], size)], 7.0) == []
    chunks = decoder.flush()

    assert decoder.codec is codec
    assert sum(chunk.samples for chunk in chunks) == LENGTH


@pytest.mark.parametrize("codec", list(Codec))
def test_speech_with_pauses_on_the_wire_is_decided_rightly(codec: Codec) -> None:
    def runs() -> Iterator[Run]:
        for number, run in enumerate(paced(codec, encoded(codec, PLAIN["standup"]), 0.02)):
            yield Run(
                run.at + number // 5 * 0.1, run.payload, run.frame
            )  # 100 ms of sound, 100 ms of nothing

    decision, _ = decided(runs())

    assert decision in {codec, None}


def test_a_stall_and_its_burst_do_not_pass_for_a_pace() -> None:
    data = encoded(Codec.ULAW, PLAIN["digital silence"])

    def runs() -> Iterator[Run]:
        for run in paced(Codec.ULAW, data, 0.02):
            stalled = 100.8 < run.at < 101.8
            yield Run(101.8 if stalled else run.at, run.payload, run.frame)

    decision, at = decided(runs())

    assert decision is Codec.ULAW
    assert at > 102.3


@pytest.mark.parametrize("before", list(Codec))
def test_the_codec_of_the_connection_before_is_believed_where_nothing_speaks_against_it(
    before: Codec,
) -> None:
    decision, at = decided(paced(before, encoded(before, PLAIN["digital silence"]), 0.02), before)

    assert decision is before
    assert at - 100.3 < 0.5


@pytest.mark.parametrize("before", list(Codec))
@pytest.mark.parametrize("codec", list(Codec))
def test_the_codec_of_the_connection_before_does_not_outweigh_the_content(
    before: Codec, codec: Codec
) -> None:
    decision, _ = decided(paced(codec, encoded(codec, PLAIN["standup"]), 0.02), before)

    assert decision is codec


@pytest.mark.parametrize("before", list(Codec))
@pytest.mark.parametrize("codec", list(Codec))
def test_the_codec_of_the_connection_before_does_not_outweigh_the_pace(before: Codec, codec: Codec) -> None:
    decision, _ = decided(paced(codec, encoded(codec, PLAIN["digital silence"]), 0.02), before)

    assert decision is codec


@pytest.mark.parametrize("began", [0.1, 2.04, 2.13, 3.2, 100.7, 12345.678])
def test_too_little_to_tell_is_guessed_at_the_deadline_and_not_later(began: float) -> None:
    decoder = Decoder(CodecChoice.AUTO, ReceptionCounters())
    assert decoder.deadline is None

    assert decoder.put([Run(began, b"\xff" * 160, 160)], began) == []
    due = decoder.deadline
    assert due is not None
    assert decoder.put([], due - 0.001) == []
    (chunk,) = decoder.put([], due)

    assert (chunk.at, chunk.pcm) == (began, bytes(320))
    assert decoder.codec is Codec.ULAW
    assert decoder.deadline is None


def test_what_is_kept_comes_out_in_order_with_its_own_times() -> None:
    data = encoded(Codec.PCM16LE, PLAIN["standup"])
    decoder = Decoder(CodecChoice.AUTO, ReceptionCounters())
    runs = list(paced(Codec.PCM16LE, data, 0.02))

    chunks = [chunk for run in runs for chunk in decoder.put([run], run.at)]

    assert [chunk.at for chunk in chunks] == [run.at for run in runs]
    assert b"".join(chunk.pcm for chunk in chunks) == data


def test_half_a_sample_is_dropped_and_counted_in_linear_and_a_sample_in_mu_law() -> None:
    counters = ReceptionCounters()
    linear = Decoder(CodecChoice.PCM16LE, counters)
    law = Decoder(CodecChoice.ULAW, counters)
    run = Run(1.0, b"abc", 3)

    assert linear.put([run], 1.0) == []
    assert law.put([run], 1.0)[0].samples == 3
    assert counters.discarded == {"odd": 1}


def test_packets_known_to_be_missing_are_counted_in_samples() -> None:
    decoder = Decoder(CodecChoice.PCM16LE, ReceptionCounters())

    (chunk,) = decoder.put([Run(1.0, bytes(640), 320, lost=3)], 1.0)

    assert (chunk.frame, chunk.lost) == (160, 480)

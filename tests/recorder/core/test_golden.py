"""Captures of the platform's own stream handler become the signal that was played, sample for sample."""

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import soundfile

from recorder.core.media import Codec, CodecChoice, Encapsulation
from tests.recorder.core.drive import Drive

GOLDEN: Final = Path(__file__).parents[2] / "golden"


def capture(encapsulation: Encapsulation, codec: Codec) -> list[bytes]:
    """The messages: each behind its length in four bytes, big-endian."""
    data = (GOLDEN / f"{encapsulation}-{codec}.bin").read_bytes()
    messages, start = [], 0
    while start < len(data):
        end = start + 4 + int.from_bytes(data[start : start + 4])
        messages.append(data[start + 4 : end])
        start = end
    return messages


def signal(codec: Codec) -> bytes:
    name = "signal.wav" if codec is Codec.PCM16LE else "signal-ulaw.wav"
    samples, _ = soundfile.read(GOLDEN / name, dtype="int16")
    return np.asarray(samples, dtype="<i2").tobytes()


def one_by_one(messages: list[bytes]) -> Iterator[list[bytes]]:
    return ([message] for message in messages)


def in_batches(messages: list[bytes]) -> Iterator[list[bytes]]:
    chance = random.Random(5)
    start = 0
    while start < len(messages):
        size = chance.randint(1, 25)
        yield messages[start : start + size]
        start += size


@pytest.mark.parametrize("paced", [True, False], ids=["paced", "at once"])
@pytest.mark.parametrize("reads", [one_by_one, in_batches], ids=["one by one", "in batches"])
@pytest.mark.parametrize("codec", [Codec.PCM16LE, Codec.ULAW])
@pytest.mark.parametrize("encapsulation", list(Encapsulation))
@pytest.mark.parametrize("choice", ["auto", "known"])
def test_a_capture_is_recorded_as_the_signal_that_was_played(
    encapsulation: Encapsulation,
    codec: Codec,
    reads: Callable[[list[bytes]], Iterable[list[bytes]]],
    paced: bool,
    choice: str,
) -> None:
    drive = Drive(encapsulation, CodecChoice.AUTO if choice == "auto" else CodecChoice(codec))
    drive.connect(0.5)

    at = 1.0
    for messages in reads(capture(encapsulation, codec)):
        at += 0.02 * len(messages) * paced
        drive.receive(messages, at)
    drive.disconnect(at)
    drive.finish(at)

    assert drive.pcm == signal(codec)
    assert drive.codecs == [codec]
    assert drive.gaps == []
    (segment,) = drive.segments
    assert segment.facts.reception.messages == 150
    assert segment.facts.reception.discarded == {}
    assert segment.facts.reception.lost == 0

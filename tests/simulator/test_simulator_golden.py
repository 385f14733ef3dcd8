"""The simulator against captures of the real stream handler: the same signal gives the same bytes."""

from pathlib import Path

import numpy as np
import pytest

from recorder.core.media import Codec
from recorder.simulator import End, Ended, Generation, Platform, Programme, Tape, simulate
from tests.simulator.listening import ABNORMAL, BOARD, hear

pytestmark = pytest.mark.anyio

CAPTURES = [
    f"{encapsulation}-{codec}"
    for encapsulation in ("rtp", "sln", "audiosocket")
    for codec in ("pcm16le", "ulaw")
]


def read_capture(path: Path) -> list[bytes]:
    """The messages of a capture: each behind its length in four bytes."""
    data, messages = path.read_bytes(), []
    while data:
        end = 4 + int.from_bytes(data[:4])
        messages.append(data[4:end])
        data = data[end:]
    return messages


@pytest.mark.parametrize("capture", CAPTURES)
async def test_the_wire_is_the_platforms_byte_for_byte(golden: Path, capture: str) -> None:
    encapsulation, _, codec = capture.partition("-")
    tape = Tape.read(golden / "signal.wav")
    platform = Platform(Programme(BOARD, tape, Codec(codec), pace=None, end=End.CLOSE))

    async with simulate(platform) as server:
        heard = await hear(server, encapsulation)

    record = platform.record(BOARD).connections[0]
    decoded = Tape.read(golden / ("signal.wav" if codec == "pcm16le" else "signal-ulaw.wav")).samples
    assert heard.messages == read_capture(golden / f"{capture}.bin")
    assert heard.code == ABNORMAL
    assert np.array_equal(record.samples(), decoded)
    assert record.ended is Ended.AUDIO
    assert record.messages == 150


async def test_servers_before_august_2026_said_payload_type_0(golden: Path) -> None:
    tape = Tape.read(golden / "signal.wav")
    programme = Programme(
        BOARD, tape, Codec.ULAW, pace=None, end=End.CLOSE, generation=Generation.PAYLOAD_TYPE_0
    )

    async with simulate(Platform(programme)) as server:
        heard = await hear(server, "rtp")

    captured = read_capture(golden / "rtp-ulaw.bin")
    assert heard.messages == [message[:1] + b"\0" + message[2:] for message in captured]

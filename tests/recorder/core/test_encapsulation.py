"""How audio sits inside a message: vectors for each way; nothing else gets through, and nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.encapsulation import UNPACK
from recorder.core.media import Encapsulation
from recorder.core.packets import DiscardReason, Packet
from tests.recorder.core.drive import DETERMINED

RTP, SLN, AUDIOSOCKET = Encapsulation.RTP, Encapsulation.SLN, Encapsulation.AUDIOSOCKET

HEADER = (
    b"\x80"  # version 2, no padding, no extension, no contributing sources
    b"\x60"  # no marker, payload type 96
    b"\x01\x02"  # sequence number 258
    b"\x00\x00\x01\x40"  # timestamp 320
    b"\x00\x00\x00\x2a"  # SSRC 42
)
AUDIO = b"\x10\x20\x30\x40"


def rtp(first: int = 0x80, second: int = 0x60, rest: bytes = AUDIO) -> bytes:
    """The header above with other first bytes, and what follows it."""
    return bytes([first, second]) + HEADER[2:] + rest


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(rtp(), id="as the platform sends it"),
        pytest.param(rtp(second=0x00), id="payload type 0, as before August 2026"),
        pytest.param(rtp(second=0x08), id="payload type 8"),
        pytest.param(rtp(second=0xE0), id="marker"),
        pytest.param(rtp(0x82, rest=b"CSRCCSRC" + AUDIO), id="two contributing sources"),
        pytest.param(rtp(0x90, rest=b"\xbe\xde\x00\x01ext." + AUDIO), id="extension of one word"),
        pytest.param(rtp(0x90, rest=b"\xbe\xde\x00\x00" + AUDIO), id="extension of no word"),
        pytest.param(rtp(0xA0, rest=AUDIO + b"\x00\x00\x03"), id="three bytes of padding"),
        pytest.param(rtp(0xA0, rest=AUDIO + b"\x01"), id="one byte of padding"),
        pytest.param(
            rtp(0xB1, rest=b"CSRC\xbe\xde\x00\x01ext." + AUDIO + b"\x00\x02"), id="everything at once"
        ),
    ],
)
def test_rtp_gives_its_payload_sequence_number_and_source(message: bytes) -> None:
    assert UNPACK[RTP](message) == Packet(AUDIO, sequence=258, ssrc=42)


def test_sln_is_all_payload() -> None:
    assert UNPACK[SLN](AUDIO) == Packet(AUDIO)


@pytest.mark.parametrize("size", [1, 160, 255, 256, 320, 65535])
def test_audiosocket_gives_as_much_payload_as_its_length_says(size: int) -> None:
    payload = bytes(size)

    assert UNPACK[AUDIOSOCKET](b"\x10" + size.to_bytes(2) + payload) == Packet(payload)


REFUSED = [
    pytest.param(RTP, b"", DiscardReason.EMPTY, id="nothing"),
    pytest.param(RTP, HEADER, DiscardReason.EMPTY, id="rtp without payload"),
    pytest.param(RTP, HEADER[:11], DiscardReason.SHORT, id="rtp ends in its header"),
    pytest.param(RTP, b"\x80", DiscardReason.SHORT, id="rtp of one byte"),
    pytest.param(RTP, rtp(0x8F, rest=bytes(59)), DiscardReason.SHORT, id="rtp ends in its sources"),
    pytest.param(
        RTP, rtp(0x90, rest=b"\xbe\xde\x00"), DiscardReason.SHORT, id="rtp ends before the extension"
    ),
    pytest.param(
        RTP, rtp(0x90, rest=b"\xbe\xde\xff\xff" + AUDIO), DiscardReason.SHORT, id="rtp ends in its extension"
    ),
    pytest.param(RTP, rtp(0x00), DiscardReason.VERSION, id="rtp version 0"),
    pytest.param(RTP, rtp(0x40), DiscardReason.VERSION, id="rtp version 1"),
    pytest.param(RTP, rtp(0xC0), DiscardReason.VERSION, id="rtp version 3"),
    pytest.param(RTP, rtp(0xA0, rest=AUDIO + b"\x00"), DiscardReason.PADDING, id="rtp padding of zero"),
    pytest.param(
        RTP, rtp(0xA0, rest=AUDIO + b"\x06"), DiscardReason.PADDING, id="rtp padding over the header"
    ),
    pytest.param(RTP, rtp(0xA0, rest=b"\x00\x00\x03"), DiscardReason.EMPTY, id="rtp padding alone"),
    pytest.param(RTP, rtp(second=13), DiscardReason.PAYLOAD_TYPE, id="comfort noise"),
    pytest.param(RTP, rtp(second=0x80 | 13), DiscardReason.PAYLOAD_TYPE, id="comfort noise with marker"),
    pytest.param(RTP, rtp(second=19), DiscardReason.PAYLOAD_TYPE, id="comfort noise of old"),
    pytest.param(RTP, rtp(second=101), DiscardReason.PAYLOAD_TYPE, id="telephone event"),
    pytest.param(RTP, rtp(second=200), DiscardReason.PAYLOAD_TYPE, id="rtcp sender report"),
    pytest.param(SLN, b"", DiscardReason.EMPTY, id="sln without payload"),
    pytest.param(AUDIOSOCKET, b"", DiscardReason.EMPTY, id="audiosocket nothing"),
    pytest.param(AUDIOSOCKET, b"\x10\x00\x00", DiscardReason.EMPTY, id="audiosocket without payload"),
    pytest.param(AUDIOSOCKET, b"\x10\x01", DiscardReason.SHORT, id="audiosocket ends in its header"),
    pytest.param(AUDIOSOCKET, b"\x00\x00\x00", DiscardReason.KIND, id="audiosocket hang-up"),
    pytest.param(AUDIOSOCKET, b"\x01\x00\x10" + bytes(16), DiscardReason.KIND, id="audiosocket identity"),
    pytest.param(AUDIOSOCKET, b"\x12\x00\x02ab", DiscardReason.KIND, id="audiosocket 16 kHz"),
    pytest.param(AUDIOSOCKET, b"\x10\x00\x03ab", DiscardReason.LENGTH, id="audiosocket too short"),
    pytest.param(AUDIOSOCKET, b"\x10\x00\x01ab", DiscardReason.LENGTH, id="audiosocket too long"),
    pytest.param(
        AUDIOSOCKET, b"\x10\x02\x00ab", DiscardReason.LENGTH, id="audiosocket length in wrong order"
    ),
]


@pytest.mark.parametrize(("encapsulation", "message", "reason"), REFUSED)
def test_what_is_no_audio_is_refused_with_its_reason(
    encapsulation: Encapsulation, message: bytes, reason: DiscardReason
) -> None:
    assert UNPACK[encapsulation](message) is reason


@DETERMINED
@given(encapsulation=st.sampled_from(Encapsulation), message=st.binary(max_size=400))
def test_any_bytes_give_a_packet_or_a_reason(encapsulation: Encapsulation, message: bytes) -> None:
    unpacked = UNPACK[encapsulation](message)

    if isinstance(unpacked, Packet):
        assert unpacked.payload
        assert unpacked.payload in message
        assert (unpacked.sequence is None) is (encapsulation is not RTP)
    else:
        assert unpacked in DiscardReason


@DETERMINED
@given(first=st.integers(0x80, 0xBF), second=st.integers(0, 255), rest=st.binary(max_size=120))
def test_any_bytes_after_version_2_give_a_packet_or_a_reason(first: int, second: int, rest: bytes) -> None:
    unpacked = UNPACK[RTP](rtp(first, second, rest))

    assert isinstance(unpacked, Packet) == bool(not isinstance(unpacked, DiscardReason))
    assert not isinstance(unpacked, Packet) or unpacked.payload in rest


def test_the_table_knows_every_encapsulation() -> None:
    assert set(UNPACK) == set(Encapsulation)

"""How audio sits inside a message: vectors for each way; nothing else gets through, and nothing raises."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.core.encapsulation import UNPACK
from recorder.core.media import Encapsulation
from recorder.core.packets import DiscardReason, Packets, Row
from tests.recorder.core.drive import rows

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


def unpack(encapsulation: Encapsulation, message: bytes) -> Packets | DiscardReason:
    """What is in a message that came alone."""
    [unpacked] = UNPACK[encapsulation](Row.of(message))
    return unpacked


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
    assert unpack(RTP, message) == Packets(AUDIO, len(AUDIO), sequence=258, ssrc=42)


def test_sln_is_all_payload() -> None:
    assert unpack(SLN, AUDIO) == Packets(AUDIO, len(AUDIO))


@pytest.mark.parametrize("size", [1, 160, 255, 256, 320, 65535])
def test_audiosocket_gives_as_much_payload_as_its_length_says(size: int) -> None:
    payload = bytes(size)

    assert unpack(AUDIOSOCKET, b"\x10" + size.to_bytes(2) + payload) == Packets(payload, size)


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
    assert unpack(encapsulation, message) is reason


@given(encapsulation=st.sampled_from(Encapsulation), message=st.binary(max_size=400))
def test_any_bytes_give_a_packet_or_a_reason(encapsulation: Encapsulation, message: bytes) -> None:
    unpacked = unpack(encapsulation, message)

    if isinstance(unpacked, Packets):
        assert unpacked.payload
        assert unpacked.payload in message
        assert (unpacked.sequence is None) is (encapsulation is not RTP)
    else:
        assert unpacked in DiscardReason


@given(first=st.integers(0x80, 0xBF), second=st.integers(0, 255), rest=st.binary(max_size=120))
def test_any_bytes_after_version_2_give_a_packet_or_a_reason(first: int, second: int, rest: bytes) -> None:
    unpacked = unpack(RTP, rtp(first, second, rest))

    assert isinstance(unpacked, Packets) == bool(not isinstance(unpacked, DiscardReason))
    assert not isinstance(unpacked, Packets) or unpacked.payload in rest


def each(unpacked: Iterable[Packets | DiscardReason]) -> list[Packets | DiscardReason]:
    return [one for some in unpacked for one in (some.each() if isinstance(some, Packets) else (some,))]


@st.composite
def alike(draw: st.DrawFn) -> list[bytes]:
    """Messages of one length, most of them such as follow each other on a wire, some of them not."""
    size = draw(st.sampled_from([0, 1, 3, 11, 12, 15, 16, 20]))
    kinds = draw(st.lists(st.sampled_from(["next", "next", "next", "any", "other"]), max_size=30))
    sequence, messages = draw(st.integers(65500, 65540)), []
    for kind in kinds:
        sequence += draw(st.integers(0, 3)) if kind == "other" else 1
        first, second = draw(st.sampled_from([(0x80, 0x60)] * 8 + [(0x80, 13), (0xA0, 0x60), (0x10, 0)]))
        payload = draw(st.binary(min_size=20, max_size=20))
        message = bytes([first, second]) + (sequence % 65536).to_bytes(2) + payload[:4] + bytes(4) + payload
        if first == 0x10:  # AudioSocket
            message = b"\x10" + max(0, size - 3).to_bytes(2) + payload
        messages.append((payload if kind == "any" else message)[:size])
    return messages


@given(encapsulation=st.sampled_from(Encapsulation), messages=alike())
def test_a_row_gives_what_its_messages_give_one_by_one(
    encapsulation: Encapsulation, messages: list[bytes]
) -> None:
    single = [unpack(encapsulation, message) for message in messages]

    assert [one for row in rows(messages) for one in each(UNPACK[encapsulation](row))] == single


@pytest.mark.parametrize("encapsulation", Encapsulation)
@pytest.mark.parametrize("first", [0, 258, 65530])
def test_a_row_of_a_steady_stream_is_unpacked_as_one(encapsulation: Encapsulation, first: int) -> None:
    counted = [
        HEADER[:2] + (n % 65536).to_bytes(2) + n.to_bytes(4) + HEADER[8:] for n in range(first, first + 25)
    ]
    headers = {RTP: counted, SLN: [b""] * 25, AUDIOSOCKET: [b"\x10\x00\x04"] * 25}[encapsulation]
    [row] = rows(header + bytes([n] * 4) for n, header in enumerate(headers))

    [packets] = UNPACK[encapsulation](row)

    assert packets == Packets(
        b"".join(bytes([n] * 4) for n in range(25)),
        4,
        first if encapsulation is RTP else None,
        42 if encapsulation is RTP else None,
    )


def test_the_table_knows_every_encapsulation() -> None:
    assert set(UNPACK) == set(Encapsulation)

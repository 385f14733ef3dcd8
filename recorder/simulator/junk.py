"""Messages that a recorder must survive: count, report, and go on.

Each is one WebSocket message, binary unless it is a `str`. They were chosen from what each way of putting
audio into messages can get wrong; none of them holds audio that anybody should hear. Data only.
"""

from recorder.core.media import Encapsulation

_ANY = (
    b"",  # an empty message
    "hello",  # text
)

UNREADABLE: dict[Encapsulation, tuple[bytes | str, ...]] = {
    Encapsulation.RTP: (
        *_ANY,
        bytes.fromhex("80"),  # one byte
        bytes.fromhex("8060 0001 00000140 000000"),  # one byte short of a header
        bytes.fromhex("4060 0001 00000140 00000000") + bytes(320),  # version 1
        bytes.fromhex("8f60 0001 00000140 00000000") + bytes(20),  # 15 contributing sources in 20 bytes
        bytes.fromhex("9060 0001 00000140 00000000 bede ffff")
        + bytes(320),  # an extension longer than the message
        bytes.fromhex("a060 0001 00000140 00000000") + b"\xff" * 20,  # more padding than there are bytes
        bytes.fromhex("80c8 0006 00000000") + bytes(20),  # an RTCP sender report
    ),
    Encapsulation.SLN: _ANY,
    Encapsulation.AUDIOSOCKET: (
        *_ANY,
        bytes.fromhex("10"),  # one byte
        bytes.fromhex("1001"),  # half a length
        bytes.fromhex("100140") + bytes(319),  # one byte short of its length
        bytes.fromhex("100140") + bytes(321),  # one byte more than its length
        bytes.fromhex("100000"),  # no audio
        bytes.fromhex("000000"),  # hangup
        bytes.fromhex("010010") + bytes(16),  # an identifier
        bytes.fromhex("030001 35"),  # a DTMF digit
        bytes.fromhex("120280") + bytes(640),  # audio at 16 000 samples a second
        bytes.fromhex("ff0001 04"),  # an error
    ),
}
"""By encapsulation. Whatever is not empty is audio to `sln`, which has no header to be wrong."""

OVERSIZED = bytes((1 << 20) + 1)
"""More than a mebibyte: the limit many a WebSocket library sets on one message."""

ODD = {
    Encapsulation.RTP: bytes.fromhex("8060 0001 00000140 00000000") + b"\x55" * 321,
    Encapsulation.SLN: b"\x55" * 321,
    Encapsulation.AUDIOSOCKET: bytes.fromhex("100141") + b"\x55" * 321,
}
"""By encapsulation: a message that ends in half a sample, where samples have two bytes."""

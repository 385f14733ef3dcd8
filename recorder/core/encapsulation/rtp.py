"""RTP (RFC 3550 section 5.1): a header of 12 bytes or more, then the payload.

VoIPBIN's own packets have version 2, payload type 96 (0 before August 2026), SSRC 0 and nothing optional.
Servers before December 2024 passed on what Asterisk sent them, so the whole header is read.
"""

from recorder.core.packets import DiscardReason, Packet

_HEADER = 12
_NOT_AUDIO = frozenset({13, 19, 72, 73, 74, 75, 76, 101})
"""RFC 3551: 13 and 19 are comfort noise, 72 to 76 are RTCP seen as RTP; 101 is where Asterisk puts telephone
events. Any other type may be audio: types name the codec wrongly more often than they are new."""


def unpack(message: bytes) -> Packet | DiscardReason:  # noqa: PLR0911  one return for each way to fail
    """The packet in a message, or why there is none."""
    size = len(message)
    if size == 0:
        return DiscardReason.EMPTY
    if message[0] >> 6 != 2:  # noqa: PLR2004  the version of RFC 3550
        return DiscardReason.VERSION
    start = _HEADER + 4 * (message[0] & 0x0F)
    if message[0] & 0x10:
        # Section 5.3.1: 16 bits of profile, 16 bits of length in 32-bit words, then that many words.
        if size < start + 4:
            return DiscardReason.SHORT
        start += 4 + 4 * int.from_bytes(message[start + 2 : start + 4])
    if size < start:
        return DiscardReason.SHORT
    end = size
    if message[0] & 0x20:
        # The last byte counts the padding, itself included; zero would be a padding that is not there.
        padding = message[-1]
        end -= padding
        if padding == 0 or end < start:
            return DiscardReason.PADDING
    if message[1] & 0x7F in _NOT_AUDIO:
        return DiscardReason.PAYLOAD_TYPE
    if end == start:
        return DiscardReason.EMPTY
    return Packet(
        message[start:end],
        sequence=message[2] << 8 | message[3],
        ssrc=int.from_bytes(message[8:12]),
    )

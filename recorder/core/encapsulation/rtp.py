"""RTP (RFC 3550 section 5.1): a header of 12 bytes or more, then the payload.

VoIPBIN's own packets have version 2, payload type 96 (0 before August 2026), SSRC 0 and nothing optional.
Servers before December 2024 passed on what Asterisk sent them, so the whole header is read.
"""

from collections.abc import Iterable

import numpy as np

from recorder.core.packets import MODULUS, DiscardReason, Packets, Row

_HEADER = 12
_ALIKE = (0, 1, 8, 9, 10, 11)
"""Bytes of the header that are the same in all packets of a source: flags, payload type, SSRC."""
_OWN_LENGTH = 0x30
"""Flags of padding and extension: either makes the length of the payload the packet's own."""
_NOT_AUDIO = frozenset({13, 19, 72, 73, 74, 75, 76, 101})
"""RFC 3551: 13 and 19 are comfort noise, 72 to 76 are RTCP seen as RTP; 101 is where Asterisk puts telephone
events. Any other type may be audio: types name the codec wrongly more often than they are new."""

_COUNTING = np.arange(2 * MODULUS).astype(">u2")
_HIGH, _LOW = _COUNTING.view(np.uint8)[::2].tobytes(), _COUNTING.view(np.uint8)[1::2].tobytes()
"""The two bytes of all sequence numbers in order, twice: what the columns of a row in order are slices of."""


def unpack(row: Row) -> Iterable[Packets | DiscardReason]:
    """The packets in a row, or why there are none."""
    if row.many > 1 and not _is_one_run(row):
        return (_unpack(message) for message in row.each())
    unpacked = _unpack(row)
    return (unpacked,) if isinstance(unpacked, Packets) else (unpacked,) * row.many


def _is_one_run(row: Row) -> bool:
    """Whether the packets of a row have one source, one shape and consecutive sequence numbers."""
    data, start, size, _, count = row
    if size < _HEADER or data[start] & _OWN_LENGTH:
        return False
    sequence = data[start + 2] << 8 | data[start + 3]
    return (
        row.column(3) == _LOW[sequence : sequence + count]
        and row.column(2) == _HIGH[sequence : sequence + count]
        and all(row.column(offset).count(data[start + offset]) == count for offset in _ALIKE)
    )


def _unpack(row: Row) -> Packets | DiscardReason:  # noqa: PLR0911  one return for each way to fail
    """The packets of a row that is one run, by the header of the first, or why there are none."""
    data, first, size, *_ = row
    if size == 0:
        return DiscardReason.EMPTY
    if data[first] >> 6 != 2:  # noqa: PLR2004  the version of RFC 3550
        return DiscardReason.VERSION
    flags = data[first]
    start = _HEADER + 4 * (flags & 0x0F)
    if flags & 0x10:
        # Section 5.3.1: 16 bits of profile, 16 bits of length in 32-bit words, then that many words.
        if size < start + 4:
            return DiscardReason.SHORT
        start += 4 + 4 * int.from_bytes(data[first + start + 2 : first + start + 4])
    if size < start:
        return DiscardReason.SHORT
    end = size
    if flags & 0x20:
        # The last byte counts the padding, itself included; zero would be a padding that is not there.
        padding = data[first + size - 1]
        end -= padding
        if padding == 0 or end < start:
            return DiscardReason.PADDING
    if data[first + 1] & 0x7F in _NOT_AUDIO:
        return DiscardReason.PAYLOAD_TYPE
    if end == start:
        return DiscardReason.EMPTY
    return Packets(
        row.cut(start, end),
        end - start,
        sequence=data[first + 2] << 8 | data[first + 3],
        ssrc=int.from_bytes(data[first + 8 : first + 12]),
    )

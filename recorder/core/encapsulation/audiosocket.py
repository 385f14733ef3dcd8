"""AudioSocket: one byte of kind, the payload's length in two bytes (big-endian), the payload.

The platform forwards one AudioSocket message in one WebSocket message, and of kind 0x10 only. Other kinds
(hang-up, identity, digits, errors, audio at other rates) could pass on servers before December 2024.
"""

from collections.abc import Iterable

from recorder.core.packets import DiscardReason, Packets, Row

_HEADER = 3
_AUDIO = 0x10
"""Signed linear 8 kHz by its name, whatever the channel's format was by its content."""


def unpack(row: Row) -> Iterable[Packets | DiscardReason]:
    """The packets in a row, or why there are none."""
    header = row.cut(0, min(_HEADER, row.size))
    if header == header[:_HEADER] * row.many:
        refused = _refusal(header, row.size)
        return (refused,) * row.many if refused else (_packets(row),)
    return (unpacked for message in row.each() for unpacked in unpack(message))


def _refusal(header: bytes, size: int) -> DiscardReason | None:
    """Why a message of `size` bytes that begins with `header` holds no audio, None if it does."""
    if not size:
        return DiscardReason.EMPTY
    if size < _HEADER:
        return DiscardReason.SHORT
    if header[0] != _AUDIO:
        return DiscardReason.KIND
    length = header[1] << 8 | header[2]
    if length != size - _HEADER:
        return DiscardReason.LENGTH
    return None if length else DiscardReason.EMPTY


def _packets(row: Row) -> Packets:
    return Packets(row.cut(_HEADER, row.size), row.size - _HEADER)

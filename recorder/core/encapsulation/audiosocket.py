"""AudioSocket: one byte of kind, the payload's length in two bytes (big-endian), the payload.

The platform forwards one AudioSocket message in one WebSocket message, and of kind 0x10 only. Other kinds
(hang-up, identity, digits, errors, audio at other rates) could pass on servers before December 2024.
"""

from recorder.core.packets import DiscardReason, Packet

_HEADER = 3
_AUDIO = 0x10
"""Signed linear 8 kHz by its name, whatever the channel's format was by its content."""


def unpack(message: bytes) -> Packet | DiscardReason:
    """The packet in a message, or why there is none."""
    if not message:
        return DiscardReason.EMPTY
    if len(message) < _HEADER:
        return DiscardReason.SHORT
    if message[0] != _AUDIO:
        return DiscardReason.KIND
    length = message[1] << 8 | message[2]
    if length != len(message) - _HEADER:
        return DiscardReason.LENGTH
    return Packet(message[_HEADER:]) if length else DiscardReason.EMPTY

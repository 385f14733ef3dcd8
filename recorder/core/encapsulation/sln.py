"""SLN: the whole message is payload. Nothing tells its order, its codec or its end."""

from recorder.core.packets import DiscardReason, Packet


def unpack(message: bytes) -> Packet | DiscardReason:
    """The packet in a message, or why there is none."""
    return Packet(message) if message else DiscardReason.EMPTY

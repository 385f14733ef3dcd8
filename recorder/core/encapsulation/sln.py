"""SLN: the whole message is payload. Nothing tells its order, its codec or its end."""

from collections.abc import Iterable

from recorder.core.packets import DiscardReason, Packets, Row


def unpack(row: Row) -> Iterable[Packets | DiscardReason]:
    """The packets in a row, or why there are none."""
    return (Packets(row.cut(0, row.size), row.size),) if row.size else (DiscardReason.EMPTY,) * row.many

"""Splits whole messages off a stream of WebSocket frames (RFC 6455 section 5.2) without I/O.

Audio is complete, final, unmasked binary frames. These are cut out here, once per read; everything else
(control frames, fragments, whatever is not allowed) is handed on untouched, for a full implementation of the
protocol to deal with. A frame too long to be audio is never gathered: its bytes are dropped as they come.
"""

from collections import Counter
from collections.abc import Iterator

from recorder.core.packets import DiscardReason, Row

MAX_MESSAGE = 1 << 17
"""Bytes. AudioSocket cannot say more than 65 535, an RTP packet is no longer, and the rest is courtesy."""

MOST_ROWS = 4096
"""Rows of one read; messages in more are dropped. A read of 256 KiB holds 800 packets of 20 ms, and they are
rows of their own only where each has another length. It takes shorter messages than audio has to be more."""

_FINAL_TEXT, _FINAL_BINARY = 0x81, 0x82
_MASKED = 0x80


class FrameSplitter:
    """The state of one stream between two reads.

    Attributes:
        rows: whole binary messages, for the caller to take.
        discarded: counts of messages that were dropped, for the caller to take.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.discarded: Counter[DiscardReason] = Counter()
        self._rest = b""  # the beginning of a frame that has not come whole
        self._dropping = 0  # bytes still to come of a frame that is not wanted
        self._passing = 0  # bytes still to come of a frame that somebody else deals with

    def split(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes of the stream; yield those that are for a full implementation, in order.

        What it makes of them may be messages too, which belong after those that are in `rows` by then.
        """
        data = self._rest + data if self._rest else data
        self._rest = b""
        position, end = 0, len(data)
        while position < end:
            if self._dropping:
                taken = min(self._dropping, end - position)
                self._dropping -= taken
                position += taken
            elif self._passing:
                taken = min(self._passing, end - position)
                yield data[position : position + taken]
                self._passing -= taken
                position += taken
            else:
                begun = self._frame(data, position)
                if begun is None:
                    self._rest = data[position:]
                    break
                position = begun

    def _frame(self, data: bytes, position: int) -> int | None:
        """Look at the frame that begins at `position`; return where to go on, or None if more is needed."""
        header = _header(data, position)
        if header is None:
            return None
        size, length = header
        opcode, masked = data[position], data[position + 1] & _MASKED
        if masked or opcode not in (_FINAL_TEXT, _FINAL_BINARY):
            self._passing = size + length
            return position
        payload = position + size
        if opcode == _FINAL_TEXT or length > MAX_MESSAGE:
            self.discarded[DiscardReason.TEXT if opcode == _FINAL_TEXT else DiscardReason.OVERSIZED] += 1
            self._dropping = length
            return payload
        if len(data) < payload + length:
            return None
        # Frames of one length lie at one stride: those that begin with the same bytes need no second look.
        head, stride, last = data[position:payload], size + length, len(data) - size - length
        while position <= last and data.startswith(head, position):
            position += stride
        self.add(Row(data, payload, length, stride, (position + size - payload) // stride))
        return position

    def add(self, row: Row) -> None:
        """Keep messages for the caller."""
        if len(self.rows) < MOST_ROWS:
            self.rows.append(row)
        else:
            self.discarded[DiscardReason.FLOOD] += row.many


def _header(data: bytes, position: int) -> tuple[int, int] | None:
    """Size of the header and length of the payload, in bytes; None if the header has not come whole."""
    available = len(data) - position
    if available < 2:  # noqa: PLR2004  the two bytes that every frame begins with
        return None
    short = data[position + 1] & 0x7F
    extended = {126: 2, 127: 8}.get(short, 0)
    if available < 2 + extended:
        return None
    length = int.from_bytes(data[position + 2 : position + 2 + extended]) if extended else short
    # A masking key would follow; a server must not mask, and whoever deals with it reads on from here.
    masking_key = 4 if data[position + 1] & _MASKED else 0
    return 2 + extended + masking_key, length

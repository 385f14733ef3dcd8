"""How audio sits inside a message: one file per way, one table of all.

Each takes a row of messages. Where all of them say the same of themselves they are unpacked in one pass,
where they do not each is a row of its own: there is one way to read a message, however many come together.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from recorder.core.encapsulation import audiosocket, rtp, sln
from recorder.core.media import Encapsulation
from recorder.core.packets import DiscardReason, Packets, Row

Unpack = Callable[[Row], Iterable[Packets | DiscardReason]]

UNPACK: Final[Mapping[Encapsulation, Unpack]] = {
    Encapsulation.RTP: rtp.unpack,
    Encapsulation.SLN: sln.unpack,
    Encapsulation.AUDIOSOCKET: audiosocket.unpack,
}

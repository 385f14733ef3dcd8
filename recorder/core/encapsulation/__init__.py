"""How audio sits inside a message: one file per way, one table of all."""

from collections.abc import Callable, Mapping
from typing import Final

from recorder.core.encapsulation import audiosocket, rtp, sln
from recorder.core.media import Encapsulation
from recorder.core.packets import DiscardReason, Packet

Unpack = Callable[[bytes], Packet | DiscardReason]

UNPACK: Final[Mapping[Encapsulation, Unpack]] = {
    Encapsulation.RTP: rtp.unpack,
    Encapsulation.SLN: sln.unpack,
    Encapsulation.AUDIOSOCKET: audiosocket.unpack,
}

"""What `Recording` asks its shell to do, or tells it, in the order in which it must be done."""

from dataclasses import dataclass
from typing import NamedTuple

from recorder.core.media import Codec
from recorder.core.packets import DiscardReason
from storage.manifest import GapReason, SegmentFacts


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """Create a file for a segment. `facts` are those known so far, with no samples and a provisional end."""

    facts: SegmentFacts


class SamplesReady(NamedTuple):
    """Append `pcm` (16-bit little-endian, one channel) to the open segment. The one event of every read."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class SilenceReady:
    """Append `samples` of digital silence, which stand for what was not heard. `facts` include them."""

    samples: int
    reason: GapReason
    facts: SegmentFacts


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """Seal the open segment; `facts` are final."""

    facts: SegmentFacts


@dataclass(frozen=True, slots=True)
class CodecDetected:
    """It is known what the stream carries; said once a connection."""

    codec: Codec


@dataclass(frozen=True, slots=True)
class MessagesDiscarded:
    """Messages gave no audio. Counted already; said for the log."""

    reason: DiscardReason
    count: int


Event = SegmentOpened | SamplesReady | SilenceReady | SegmentClosed | CodecDetected | MessagesDiscarded

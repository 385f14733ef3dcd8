"""The stages of a recording that die with a connection. Knows no segment and no clock."""

from recorder.core.detection import Decoder
from recorder.core.jitterbuffer import JitterBuffer
from recorder.core.media import Codec, CodecChoice
from recorder.core.reception import ReceptionCounters


class Stages:
    """Of one connection."""

    def __init__(self, choice: CodecChoice, counters: ReceptionCounters, before: Codec | None) -> None:
        self.jitter_buffer = JitterBuffer(counters)
        self.decoder = Decoder(choice, counters, before)
        self.codec_said = False
        self.heard = False

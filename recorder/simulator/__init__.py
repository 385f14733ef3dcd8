"""A stand-in VoIPBIN with scripted faults, for the demo, tests and rehearsals.

    board = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
    programme = Programme(board, Tape.speech("standup"), script=[Drop(at=40_000), NotLive(times=2)])
    async with simulate(Platform(programme)) as server:
        ...  # record from server.url with TOKEN, then compare with server.platform.record(board)

It knows nothing of how the recorder reads what it sends.
"""

from recorder.simulator.junk import ODD, OVERSIZED, UNREADABLE
from recorder.simulator.platform import ACCESSKEY, TOKEN, ErrorStyle, Grant, Platform, RateLimit
from recorder.simulator.programme import FRAME, End, Programme
from recorder.simulator.record import ConnectionRecord, Ended, Missed, Run, WatchRecord, played
from recorder.simulator.script import (
    AcceptThenClose,
    AnswerLate,
    CloseFrame,
    Drop,
    Duplicate,
    Fragment,
    Junk,
    Lose,
    NeverAudio,
    NotLive,
    Refuse,
    Reorder,
    ResetConnection,
    Script,
    Split,
    Stall,
    Step,
)
from recorder.simulator.server import Simulator, simulate
from recorder.simulator.tape import Tape, speeches
from recorder.simulator.wire import Generation, Numbering

__all__ = [
    "ACCESSKEY",
    "FRAME",
    "ODD",
    "OVERSIZED",
    "TOKEN",
    "UNREADABLE",
    "AcceptThenClose",
    "AnswerLate",
    "CloseFrame",
    "ConnectionRecord",
    "Drop",
    "Duplicate",
    "End",
    "Ended",
    "ErrorStyle",
    "Fragment",
    "Generation",
    "Grant",
    "Junk",
    "Lose",
    "Missed",
    "NeverAudio",
    "NotLive",
    "Numbering",
    "Platform",
    "Programme",
    "RateLimit",
    "Refuse",
    "Reorder",
    "ResetConnection",
    "Run",
    "Script",
    "Simulator",
    "Split",
    "Stall",
    "Step",
    "Tape",
    "WatchRecord",
    "played",
    "simulate",
    "speeches",
]

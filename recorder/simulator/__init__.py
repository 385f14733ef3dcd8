"""A stand-in VoIPBIN with scripted faults, for the demo, tests and rehearsals.

    board = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
    programme = Programme(board, Tape.speech("standup"), script=[Drop(at=40_000), NotLive(times=2)])
    async with simulate(Platform(programme)) as server:
        ...  # record from server.url with TOKEN, then compare with server.platform.record(board)

It has the platform's other faces, too: the API that lists conferences and the socket that announces what
becomes of them. It knows nothing of how the recorder reads what it sends.
"""

from recorder.simulator.announcing import Delivery, PayloadStyle
from recorder.simulator.day import (
    AsteriskRestarted,
    Away,
    CallBecame,
    Created,
    Crowded,
    Deleted,
    Deployed,
    Dialled,
    Dropped,
    Forgotten,
    Happening,
    Joined,
    Left,
    Renamed,
    Unannounced,
    live_through,
)
from recorder.simulator.junk import ODD, OVERSIZED, UNREADABLE
from recorder.simulator.platform import ACCESSKEY, TOKEN, ErrorStyle, Grant, Platform, RateLimit
from recorder.simulator.programme import FRAME, End, Programme
from recorder.simulator.record import Asked, ConnectionRecord, Ended, Missed, Run, WatchRecord, played
from recorder.simulator.rendering import CUSTOMER, TimeStyle
from recorder.simulator.resources import (
    Call,
    CallStatus,
    Conference,
    ConferenceStatus,
    ConferenceType,
    Stay,
)
from recorder.simulator.script import (
    AcceptThenClose,
    AnswerLate,
    Babble,
    CloseFrame,
    CutOff,
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
    Trouble,
)
from recorder.simulator.server import Simulator, simulate
from recorder.simulator.tape import Tape, speeches
from recorder.simulator.wire import Generation, Numbering

__all__ = [
    "ACCESSKEY",
    "CUSTOMER",
    "FRAME",
    "ODD",
    "OVERSIZED",
    "TOKEN",
    "UNREADABLE",
    "AcceptThenClose",
    "AnswerLate",
    "Asked",
    "AsteriskRestarted",
    "Away",
    "Babble",
    "Call",
    "CallBecame",
    "CallStatus",
    "CloseFrame",
    "Conference",
    "ConferenceStatus",
    "ConferenceType",
    "ConnectionRecord",
    "Created",
    "Crowded",
    "CutOff",
    "Deleted",
    "Delivery",
    "Deployed",
    "Dialled",
    "Drop",
    "Dropped",
    "Duplicate",
    "End",
    "Ended",
    "ErrorStyle",
    "Forgotten",
    "Fragment",
    "Generation",
    "Grant",
    "Happening",
    "Joined",
    "Junk",
    "Left",
    "Lose",
    "Missed",
    "NeverAudio",
    "NotLive",
    "Numbering",
    "PayloadStyle",
    "Platform",
    "Programme",
    "RateLimit",
    "Refuse",
    "Renamed",
    "Reorder",
    "ResetConnection",
    "Run",
    "Script",
    "Simulator",
    "Split",
    "Stall",
    "Stay",
    "Step",
    "Tape",
    "TimeStyle",
    "Trouble",
    "Unannounced",
    "WatchRecord",
    "live_through",
    "played",
    "simulate",
    "speeches",
]

"""The little languages of the simulator's command line: what to play on which watch, and what goes wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import cycle
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from pydantic import TypeAdapter, ValidationError

from recorder.core.media import SAMPLE_RATE
from recorder.simulator import script
from recorder.simulator.tape import Tape, speeches
from storage.names import WatchId, WatchKind

FAULTS: Mapping[str, type[script.Step]] = {
    "refuse": script.Refuse,
    "answer-late": script.AnswerLate,
    "not-live": script.NotLive,
    "accept-then-close": script.AcceptThenClose,
    "never-audio": script.NeverAudio,
    "drop": script.Drop,
    "reset": script.ResetConnection,
    "close-frame": script.CloseFrame,
    "stall": script.Stall,
    "lose": script.Lose,
    "duplicate": script.Duplicate,
    "reorder": script.Reorder,
    "junk": script.Junk,
    "fragment": script.Fragment,
    "split": script.Split,
}
"""The script's vocabulary as the command line spells it."""


def read_tape(name: str) -> Tape:
    """A shipped meeting by its name, or a WAV or FLAC file by its path.

    Raises:
        ValueError: it is neither, or holds no audio that can be played.
    """
    if name in speeches():
        return Tape.speech(name)
    try:
        return Tape.read(Path(name))
    except OSError as error:
        shipped = ", ".join(speeches())
        raise ValueError(f"{name}: {error.strerror}; shipped with the simulator are {shipped}") from None


def read_watches(kind: WatchKind, arguments: Iterable[str]) -> dict[WatchId, Tape]:
    """`ID=FILE` or `ID=NAME` of each watch.

    Raises:
        ValueError: an id is not a UUID, or there is nothing to play.
    """
    watches = {}
    for argument in arguments:
        identifier, _, name = argument.partition("=")
        watches[WatchId(kind, identifier)] = read_tape(name or speeches()[0])
    return watches


def fleet(size: int) -> dict[WatchId, Tape]:
    """`size` conferences with ids that are always the same, playing the shipped meetings in turn."""
    tapes = [Tape.speech(name) for name in speeches()]
    ids = (str(uuid5(NAMESPACE_URL, f"simulated:{number}")) for number in range(size))
    return dict(zip((WatchId(WatchKind.CONFERENCE, id_) for id_ in ids), cycle(tapes), strict=False))


def read_scripts(watches: Iterable[WatchId], arguments: Iterable[str]) -> dict[WatchId, list[script.Step]]:
    """The steps of each watch from `ID=FAULT:KEY=VALUE,...` arguments, in their order; `*` is every watch.

    Raises:
        ValueError: there is no such watch or fault, or the fault has no such key or value.
    """
    scripts: dict[WatchId, list[script.Step]] = {watch: [] for watch in watches}
    for argument in arguments:
        identifier, _, step = argument.partition("=")
        meant = [watch for watch in scripts if identifier.lower() in ("*", watch.id)]
        if not meant:
            raise ValueError(f"{argument}: nothing is played on {identifier!r}")
        for watch in meant:
            scripts[watch].append(read_step(step))
    return scripts


def read_step(text: str) -> script.Step:
    """One step: `stall:at=10s,seconds=3,burst=yes`. `at` is in samples, or with an `s` in seconds.

    Raises:
        ValueError: there is no such fault, or it has no such key or value.
    """
    name, _, rest = text.partition(":")
    if name not in FAULTS:
        raise ValueError(f"{name!r} is no fault; there are {', '.join(FAULTS)}")
    kind = FAULTS[name]
    known = [field.name for field in fields(kind)]
    values: dict[str, object] = {}
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        if key not in known:
            raise ValueError(f"{name} has no {key!r}; it has {', '.join(known)}")
        values[key] = _value(key, value)
    try:
        step: script.Step = TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return step


def _value(key: str, value: str) -> object:
    if key == "at" and value.endswith("s"):
        return round(float(value[:-1]) * SAMPLE_RATE)
    if key == "message" and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    return value

"""Whether what came out of the bucket is what the platform sent, sample by sample.

Knows the record of the simulator and a fetched file; nothing of how the one became the other.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recorder.simulator.programme import Programme
from recorder.simulator.record import WatchRecord
from recorder.simulator.tape import Tape


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that `recordings fetch` wrote, and what it said of it.

    Attributes:
        samples: all of the file.
        silence: (start, count, reason) of each run of samples that are silence of the recorder's.
        segments: of how many segments it was put together.
    """

    samples: NDArray[np.int16]
    silence: tuple[tuple[int, int, str], ...]
    segments: int

    @classmethod
    def read(cls, path: Path, report: Mapping[str, Any]) -> Self:
        """The file and the command's `--json` (blocking)."""
        silence = tuple((each["at"], each["samples"], each["reason"]) for each in report["silence"])
        return cls(Tape.read(path).samples, silence, len(report["segments"]))

    def heard(self) -> NDArray[np.int16]:
        """The samples that are the conference's own."""
        ours = np.zeros(len(self.samples), dtype=np.bool_)
        for start, count, _ in self.silence:
            ours[start : start + count] = True
        return self.samples[~ours]

    def silent(self) -> bool:
        """Whether what is called silence is."""
        return all(not self.samples[start : start + count].any() for start, count, _ in self.silence)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One watch, compared. Counts of samples.

    `differing` counts samples that differ, are missing or are too many; `silence` is by reason.
    """

    programme: Programme
    encapsulation: str
    connections: int
    segments: int
    sent: int
    fetched: int
    silence: Mapping[str, int]
    differing: int

    @property
    def identical(self) -> bool:
        """Whether every sample that was sent is there, once, in order and unchanged."""
        return self.sent > 0 and self.differing == 0


def judge(programme: Programme, record: WatchRecord, fetched: Fetched) -> Verdict:
    """Compare what all connections of a watch carried with what was fetched."""
    sent = np.concatenate([np.zeros(0, np.int16), *(each.samples() for each in record.connections)])
    heard = fetched.heard()
    both = min(len(sent), len(heard))
    differing = int(np.count_nonzero(sent[:both] != heard[:both])) + abs(len(sent) - len(heard))
    silence: Counter[str] = Counter()
    for _, count, reason in fetched.silence:
        silence[reason] += count
    return Verdict(
        programme=programme,
        encapsulation=record.connections[0].encapsulation if record.connections else "",
        connections=len(record.connections),
        segments=fetched.segments,
        sent=len(sent),
        fetched=len(fetched.samples),
        silence=silence,
        differing=differing if fetched.silent() else max(differing, 1),
    )

"""What a fault came to: one row of the table, and whether it is good. Knows no daemon and no store."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from recorder.core.media import SAMPLE_RATE
from tests.campaign.judge import Judgement

FRAME = 160
"""Samples in a packet. Whole packets are missing; a stream that is joined between two begins with a part."""
JITTER = 800
"""Samples by which audio may be late and not be missed: a gap is measured by arrival, and so exactly."""
BEGINNING = 2 * SAMPLE_RATE
"""Samples at the beginning of a stream, whose place and codec are weighed before they are written."""
WEIGHED = SAMPLE_RATE // 2
"""Samples that a death may take there beyond those that it may take of a stream that flows."""
LABEL = 400
"""Samples by which a label may be off: where a process died, wall clocks decide."""


@dataclass(frozen=True)
class Findings:
    """What was found of one or several daemons.

    Attributes:
        judgements: of each watch.
        objects: that are wrong in a bucket, and files that nothing could be done with.
        complaints: what else is not as it must be.
    """

    judgements: tuple[Judgement, ...] = ()
    objects: int = 0
    complaints: tuple[str, ...] = ()

    def __add__(self, other: "Findings") -> "Findings":
        return Findings(
            self.judgements + other.judgements,
            self.objects + other.objects,
            self.complaints + other.complaints,
        )


def together(findings: Iterable[Findings]) -> Findings:
    """All of them as one."""
    return sum(findings, Findings())


@dataclass(frozen=True)
class Allowance:
    """What is allowed, in samples.

    Attributes:
        dropped: of one stream and one fault, audio that had come and is not in the bucket.
        astray: by which the bucket may be wrong about the length of one gap.
        disagreement: by which lost and reported audio of one watch may differ.
        eased: how much of each of these that are not none is for a busy machine.
    """

    dropped: int = 0
    astray: int = 0
    disagreement: int = 0
    eased: int = 0

    @classmethod
    def of_reconnects(cls, dropped: int = 0) -> "Allowance":
        """The process survived, and joined its streams again at some instant. Errors of gaps never add up."""
        return cls(dropped, JITTER + FRAME, JITTER + FRAME)

    @classmethod
    def of_deaths(cls, deaths: int, dropped: float) -> "Allowance":
        """The process died so many times, and may have lost so many seconds each time."""
        astray = JITTER + FRAME + LABEL
        # The last two packets had left the platform, and may not have reached our machine's end of it.
        return cls(round(dropped * SAMPLE_RATE) + 2 * FRAME, astray, JITTER + FRAME + deaths * LABEL)

    def easier(self, starved: int) -> "Allowance":
        """The same where a busy machine held things up for so many samples.

        What had come and must not be gone is not eased. That nothing may be called a gap is, where audio was
        later than jitter ever is: only its arrival could tell.
        """
        late = starved if starved > JITTER else 0
        return Allowance(
            self.dropped + starved if self.dropped else 0,
            self.astray + (starved if self.astray else late),
            self.disagreement + (starved if self.disagreement else late),
            starved,
        )


@dataclass(frozen=True)
class Row:
    """One fault. Counts of samples.

    Attributes:
        times: it was injected.
        sent: over all streams.
        lost: of the conferences, between the first and the last sample in the bucket: not in the bucket.
        reported: what the bucket says of the same.
        astray: by which the bucket was wrong about a gap, at most.
        dropped: audio that had come, of one stream and one fault, and is not in the bucket: at most.
        young: the same of streams that had begun less than two seconds before.
        objects: that are wrong.
        note: figures that belong to this fault alone.
        complaints: why it is not good.
        not_run: why it was not, if it was not.
    """

    fault: str
    times: int = 0
    streams: int = 0
    sent: int = 0
    lost: int = 0
    reported: int = 0
    astray: int = 0
    dropped: int = 0
    young: int = 0
    allowed: Allowance = field(default_factory=Allowance)
    objects: int = 0
    note: str = ""
    complaints: tuple[str, ...] = ()
    not_run: str | None = None

    @property
    def good(self) -> bool:
        """Whether nothing is to be said against it. One that was not run is not good, and not bad."""
        return self.not_run is None and not self.complaints

    @property
    def bad(self) -> bool:
        """Whether it was run and something is to be said against it."""
        return self.not_run is None and bool(self.complaints)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "good": self.good}


def row(fault: str, times: int, found: Findings, allowed: Allowance, note: str = "") -> Row:
    """Weigh what was found against what is allowed."""
    each = found.judgements
    gone = [pair for one in each for pair in zip(one.dropped, one.carried, strict=True)]
    dropped = max((lost for lost, carried in gone if carried > BEGINNING), default=0)
    young = max((lost for lost, carried in gone if carried <= BEGINNING), default=0)
    may_be_young = allowed.dropped + (WEIGHED if allowed.dropped else 0)
    disagreement = max((one.disagreement for one in each), default=0)
    astray = max((one.astray for one in each), default=0)
    complaints = list(found.complaints)
    if times < 1:
        complaints.append("it was never injected")
    if not sum(one.sent for one in each):
        complaints.append("nothing was sent")
    if found.objects:
        complaints.append(f"{found.objects} objects are wrong")
    if wrong := sum(one.wrong for one in each):
        complaints.append(f"{wrong} samples are not what was sent, or not in their place")
    if dropped > allowed.dropped:
        age = max(carried for lost, carried in gone if lost == dropped) / SAMPLE_RATE
        complaints.append(
            f"{dropped} samples of a stream {age:.1f} s old had come and are gone; {allowed.dropped} may be"
        )
    if young > may_be_young:
        complaints.append(f"{young} samples of a stream that had begun are gone; {may_be_young} may be")
    if astray > allowed.astray:
        at, missing, said = max(each, key=lambda one: one.astray).worst
        complaints.append(
            f"a gap of {missing} samples, {at / SAMPLE_RATE:.1f} s after the first, is said to be of {said}:"
            f" wrong by {astray}, and {allowed.astray} may be"
        )
    if disagreement > allowed.disagreement:
        complaints.append(
            f"lost and reported audio of a watch differ by {disagreement}; {allowed.disagreement} may be"
        )
    return Row(
        fault=fault,
        times=times,
        streams=len(each),
        sent=sum(one.sent for one in each),
        lost=sum(one.lost for one in each),
        reported=sum(one.reported for one in each),
        astray=astray,
        dropped=dropped,
        young=young,
        allowed=allowed,
        objects=found.objects,
        note=note,
        complaints=tuple(complaints),
    )


def not_run(fault: str, why: str) -> Row:
    """A row that says why there is none."""
    return Row(fault, not_run=why)

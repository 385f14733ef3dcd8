"""What follows from each joint of a chain: what is wrong, what is to be known, where the time went. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storage.accounts import Kind
from storage.chain import FORGOTTEN_AFTER, Hold, Joint, Link
from storage.findings import Fault, FaultKind, Note
from storage.layout import CLOCK
from storage.names import SegmentName


@dataclass(frozen=True, slots=True)
class Span:
    """Some time that no segment covers."""

    kind: Kind
    started_at: datetime
    duration: timedelta
    reason: str = ""


@dataclass(slots=True)
class Judgement:
    """What follows from one joint."""

    faults: list[Fault] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)


def judge(joint: Joint, unusable: Sequence[SegmentName], earlier: Collection[SegmentName]) -> Judgement:
    """Judge a joint; of `unusable` segments no manifest can be read, `earlier` ones are before the range."""
    judgement = Judgement(spans=list(_answered_for(joint.segment)))
    if joint.skipped:
        judgement.faults.append(_out_of_order(joint))
    if joint.hold is Hold.PROVEN:
        _judge_proven(joint, judgement, earlier)
    elif joint.hold is Hold.BEGINS:
        _judge_beginning(joint, judgement)
    else:
        _judge_broken(joint, judgement, unusable)
    return judgement


def _answered_for(segment: Link) -> Iterator[Span]:
    """The time that a segment says it was opened after, by reason, in the order that it gives."""
    if segment.opened_after is None:
        return
    at = segment.started_at - segment.accounted
    by_reason = segment.opened_after.by_reason or {segment.opened_after.reason: segment.opened_after.seconds}
    for reason, seconds in by_reason.items():
        yield Span(Kind.NOT_RECORDED, at, timedelta(seconds=seconds), reason.value)
        at += timedelta(seconds=seconds)


def _out_of_order(joint: Joint) -> Fault:
    assert joint.skipped is not None  # noqa: S101  asked for such joints only
    assert joint.before is not None  # noqa: S101  a link that holds has two ends
    message = f"it follows on {joint.before.name.stem}"
    if joint.skipped is not joint.before:
        message += f", and its recorder had opened {joint.skipped.name.stem} before it"
    else:
        message += ", which its recorder opened after it"
    return Fault(FaultKind.REORDERED, joint.segment.key, message)


def _judge_proven(joint: Joint, judgement: Judgement, earlier: Collection[SegmentName]) -> None:
    before, segment = joint.before, joint.segment
    assert before is not None and joint.excess is not None  # noqa: S101, PT018  a link that holds has two ends
    if before.name in earlier:
        judgement.notes.append(
            Note(segment.key, f"checked against {before.key}, before the range", is_usual=True)
        )
    if joint.is_in_time or joint.skipped:
        return
    if joint.excess < timedelta(0):
        message = f"after {before.name.stem} the clock of the recorder was set back by {_said(-joint.excess)}"
        judgement.notes.append(Note(segment.key, message))
    elif joint.is_one_life:
        message = f"after {before.name.stem} the clock of the recorder was set forward, or its machine slept,"
        judgement.notes.append(Note(segment.key, f"{message} by {_said(joint.excess)}"))
        judgement.spans.append(Span(Kind.NOT_RECORDED, before.ended_at, joint.excess, CLOCK))
    else:
        _add_hole(joint, judgement, f"the link between them holds: {before.name.stem} came before it")


def _judge_beginning(joint: Joint, judgement: Judgement) -> None:
    before, segment = joint.before, joint.segment
    if before is None:
        judgement.notes.append(
            Note(segment.key, "a chain begins here: it is the first of its recorder", is_usual=True)
        )
        return
    judgement.notes.append(Note(segment.key, f"a chain begins here, and another went before to {before.key}"))
    if joint.is_in_time:
        return
    if segment.started_at - before.ended_at < -joint.tolerance:
        _judge_overlap(joint, judgement, before)
    elif joint.is_forgotten:
        days = FORGOTTEN_AFTER.days
        message = f"what was since {before.name.stem} is not known: a recorder remembers for {days} days"
        judgement.notes.append(Note(segment.key, message))
    elif joint.excess is not None and joint.excess > timedelta(0):
        _add_hole(joint, judgement, "a chain begins here: the spool was new, or its memory was lost")


def _judge_overlap(joint: Joint, judgement: Judgement, before: Link) -> None:
    overlap = before.ended_at - joint.segment.started_at
    message = f"it begins {_said(overlap)} before {before.name.stem} ends, and no link proves their order"
    judgement.faults.append(Fault(FaultKind.OVERLAP, joint.segment.key, message))


def _judge_broken(joint: Joint, judgement: Judgement, unusable: Sequence[SegmentName]) -> None:
    before, segment = joint.before, joint.segment
    if before is None:
        message = "it was sealed after a manifest that is not there: deleted, or still to come"
        judgement.faults.append(Fault(FaultKind.MANIFEST_MISSING, segment.key, message))
        return
    if joint.is_in_time:
        message = f"{segment.name.stem} was sealed after another manifest, and continues this in time"
        judgement.faults.append(Fault(FaultKind.MANIFEST_ALTERED, before.key, message))
        return
    assert joint.excess is not None  # noqa: S101  there is something before it
    between = [
        name for name in unusable if before.name.started_at <= name.started_at <= segment.name.started_at
    ]
    culprit = ", ".join(name.stem for name in between)
    message = f"it was sealed after a manifest that is not there; the last one before it is {before.key}"
    if culprit:
        message += f"; what cannot be used between them: {culprit}"
    if joint.excess > timedelta(0):
        message += f"; {_said(joint.excess)} between them are lost, or still to come"
        judgement.spans.append(Span(Kind.LOST, before.ended_at, joint.excess))
    judgement.faults.append(Fault(FaultKind.MANIFEST_MISSING, segment.key, message))
    if segment.started_at - before.ended_at < -joint.tolerance:
        _judge_overlap(joint, judgement, before)


def _add_hole(joint: Joint, judgement: Judgement, why: str) -> None:
    assert joint.before is not None and joint.excess is not None  # noqa: S101, PT018  a hole has two ends
    message = f"{_said(joint.excess)} after {joint.before.name.stem} have no reason: {why}"
    judgement.faults.append(Fault(FaultKind.HOLE, joint.segment.key, message))
    judgement.spans.append(Span(Kind.UNEXPLAINED, joint.before.ended_at, joint.excess))


def _said(duration: timedelta) -> str:
    return f"{duration.total_seconds():.3f} s"

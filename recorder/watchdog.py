"""Whether the daemon gets on with its work, by what it has done and not by its being alive. Pure.

What waits for others is no standstill: a quiet conference, a platform or a store that is away and tried
again, a disk that is full and says so. What was begun and has no end is one; so is what came and nobody took.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from recorder.journal import Journal


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which something counts as stuck: well above what a busy machine or a slow disk take.

    Attributes:
        receive: something has come over a stream, or may have, and was not taken. It is kept meanwhile.
        connect: an attempt to open a stream, or to close it, has no end. Both have limits of their own.
        write: a write has no end. What comes meanwhile is kept for four minutes.
        unwritten: audio comes, and none of it is given to the disk. Thirty seconds of it may be weighed.
        seal: closed segments are being sealed. Thousands of them may be closed at once.
        upload: beyond the time that an attempt may take, or when the next was due.
    """

    receive: float = 60.0
    connect: float = 60.0
    write: float = 120.0
    unwritten: float = 120.0
    seal: float = 900.0
    upload: float = 120.0


def standstills(
    journals: Iterable[Journal], upload_overdue: float, now: float, patience: Patience
) -> Iterator[str]:
    """What does not get on though it should, in words; nothing while all does.

    `upload_overdue` is how many seconds ago the uploads should have got on.
    """
    if upload_overdue > patience.upload:
        yield f"uploads should have got on {upload_overdue:.0f} s ago"
    for journal in journals:
        if stuck := _stuck(journal, now, patience):
            yield f"{journal.watch.watch_id}: {stuck}"


def _stuck(journal: Journal, now: float, patience: Patience) -> str:
    if _longer(journal.writing_since, patience.write, now):
        return f"a write to the disk has no end for {patience.write:.0f} s"
    if _longer(journal.sealing_since, patience.seal, now):
        return f"a closed segment is being sealed for {patience.seal:.0f} s"
    if _longer(journal.step_since, patience.connect, now):
        return f"a stream is being opened or closed for {patience.connect:.0f} s"
    if _longer(journal.unwritten_since, patience.unwritten, now):
        return f"audio comes, and none was given to the disk for {patience.unwritten:.0f} s"
    # While the disk is at it, what comes is kept: then it is the disk that is asked.
    unread_since = journal.connection.unread_since if journal.connection else None
    if journal.writing_since is None and _longer(unread_since, patience.receive, now):
        return f"what has come is not taken for {patience.receive:.0f} s"
    return ""


def _longer(since: float | None, limit: float, now: float) -> bool:
    return since is not None and now - since > limit

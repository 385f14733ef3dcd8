"""The ledger of a segment, put together from those who know a part of it. Pure.

The core knows what was not heard, whoever writes it what the disk did not take, and a tombstone what was
erased. A sample has one reason: the one that was known first, for what was not heard could not have been
written or erased either.
"""

from collections.abc import Iterable, Iterator, Sequence

from storage.manifest import LedgerEntry


def merged(ledger: Sequence[LedgerEntry], missing: Sequence[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    """`ledger`, and of `missing` what it has no reason for yet.

    Both are in order and do not overlap, and so is what is returned. Neighbours of one reason are one entry.
    """
    entries = [*ledger, *_unknown(ledger, missing)]
    entries.sort(key=lambda entry: entry.start)
    return tuple(_joined(entries))


def _unknown(ledger: Sequence[LedgerEntry], missing: Iterable[LedgerEntry]) -> Iterator[LedgerEntry]:
    """The parts of `missing` that no entry of `ledger` covers."""
    behind = 0  # entries of the ledger that end before anything that is still missing
    for entry in missing:
        start = entry.start
        while behind < len(ledger) and ledger[behind].end <= start:
            behind += 1
        for known in range(behind, len(ledger)):
            if ledger[known].start >= entry.end:
                break
            if start < ledger[known].start:
                yield entry.between(start, ledger[known].start)
            start = ledger[known].end
        if start < entry.end:
            yield entry.between(start, entry.end)


def _joined(entries: Iterable[LedgerEntry]) -> Iterator[LedgerEntry]:
    last: LedgerEntry | None = None
    for entry in entries:
        if last and (last.end, last.reason) == (entry.start, entry.reason):
            last = last.between(last.start, entry.end)
            continue
        if last:
            yield last
        last = entry
    if last:
        yield last

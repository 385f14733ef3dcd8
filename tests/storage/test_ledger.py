"""A ledger from two hands: every sample has one reason, and none is counted twice."""

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from storage.ledger import merged
from storage.manifest import GapReason, LedgerEntry

Reasons = list[GapReason | None]
"""Why each sample is silence of ours; None where it is not."""


def entries(reasons: Reasons) -> list[LedgerEntry]:
    found, start = [], 0
    for reason, run in groupby(reasons):
        samples = len(list(run))
        if reason:
            found.append(LedgerEntry(start=start, samples=samples, reason=reason))
        start += samples
    return found


def reasons(*each: GapReason) -> st.SearchStrategy[Reasons]:
    runs = st.tuples(st.sampled_from([None, *each]), st.integers(1, 4))
    return st.lists(runs, max_size=12).map(lambda found: [reason for reason, n in found for _ in range(n)])


@given(reasons(GapReason.LOST, GapReason.STALLED), reasons(GapReason.DISK))
def test_every_sample_has_the_reason_that_was_known_first(core: Reasons, disk: Reasons) -> None:
    length = max(len(core), len(disk))
    core, disk = core + [None] * (length - len(core)), disk + [None] * (length - len(disk))

    ledger = merged(entries(core), entries(disk))

    found: Reasons = [None] * length
    for entry in ledger:
        found[entry.start : entry.end] = [entry.reason] * entry.samples
    assert found == [one or other for one, other in zip(core, disk, strict=True)]
    assert all(before.end <= after.start for before, after in pairwise(ledger)), "in order, none over another"
    assert list(ledger) == entries(found), "and none in two where one does"

"""A day in rows, for people."""

from collections.abc import Iterable, Sequence

from tests.day.oracle import Judgement

_HEADS = (
    "watch",
    "story",
    "there",
    "sent",
    "missed",
    "first heard after",
    "closed after",
    "streams",
    "silence",
)
_WIDTHS = (10, 10, 7, 7, 7, 22, 18, 8)


def lines(judgements: Sequence[Judgement], faults: Iterable[str]) -> Iterable[str]:
    """A line for each watch, and one for each fault. Seconds."""
    yield _row(_HEADS)
    for each in judgements:
        cells = (
            each.watch.id[:8],
            each.story,
            f"{each.present:.1f}",
            f"{each.sent:.1f}",
            f"{each.missed:.1f}",
            " ".join(f"{late:.1f}" for late in each.late),
            " ".join(f"{closing:.1f}" for closing in each.closing),
            str(each.streams),
            " ".join(f"{reason} {seconds:.1f}" for reason, seconds in each.silence.items()),
        )
        yield _row(cells)
    for each in judgements:
        yield from (f"{each.watch} ({each.story}): {fault}" for fault in each.faults)
    yield from faults


def _row(cells: Sequence[str]) -> str:
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=False)]
    return " ".join([*padded, *cells[len(_WIDTHS) :]]).rstrip()

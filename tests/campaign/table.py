"""The table of a campaign, in plain text that can stand in a README; and the same as JSON."""

import json
from collections.abc import Iterator, Sequence

from recorder.core.media import SAMPLE_RATE
from tests.bench import kernel
from tests.campaign.rows import Row

_HEADS = ("fault", "times", "sent s", "lost s", "reported s", "off ms", "gone ms", "busy ms", "wrong", "")
_LEGEND = (
    "sent: audio of all streams. lost: of their conferences, what is not in the bucket between the first and",
    "the last sample that are. reported: what the bucket says of that. off: by how much it is wrong about a",
    "gap, at most. gone: audio that had come and is not in the bucket, of one stream and fault, at most.",
    "busy: for how long the machine kept the recorder or the platform waiting, which is allowed for.",
    "wrong: objects that are.",
)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table, a line at a time: machine, rows, what belongs to one row alone, and what is wrong."""
    cells = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADS))]
    yield kernel.machine()
    for line in cells:
        first, *others, last = line
        middle = " ".join(f"{cell:>{width}}" for cell, width in zip(others, widths[1:-1], strict=True))
        yield f"{first:<{widths[0]}} {middle}  {last}".rstrip()
    yield from _LEGEND
    for row in rows:
        if row.note:
            yield f"{row.fault}: {row.note}"
    for row in rows:
        for complaint in row.complaints:
            yield f"WRONG: {row.fault}: {complaint}"


def as_json(rows: Sequence[Row], seconds: float, seed: int) -> str:
    """The same for programs."""
    value = {
        "machine": kernel.machine(),
        "seed": seed,
        "seconds": round(seconds, 1),
        "rows": [row.plain() for row in rows],
    }
    return json.dumps(value, indent=1)


def _cells(row: Row) -> tuple[str, ...]:
    if row.not_run is not None:
        return row.fault, "-", "-", "-", "-", "-", "-", "-", "-", f"not run: {row.not_run}"
    return (
        row.fault,
        str(row.times),
        _seconds(row.sent),
        _seconds(row.lost),
        _seconds(row.reported),
        _milliseconds(row.astray),
        _milliseconds(max(row.dropped, row.young)),
        _milliseconds(row.allowed.eased),
        str(row.objects),
        "ok" if row.good else "WRONG",
    )


def _seconds(samples: int) -> str:
    return f"{samples / SAMPLE_RATE:.2f}" if samples else "0"


def _milliseconds(samples: int) -> str:
    return f"{samples * 1000 / SAMPLE_RATE:.0f}"

"""Sets of moments, as spans from one to another in seconds, in order and apart. Pure."""

from collections.abc import Iterable
from itertools import pairwise

Span = tuple[float, float]


def union(spans: Iterable[Span]) -> list[Span]:
    """All that is in any of them."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if end <= begin:
            continue
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((begin, end))
    return joined


def outside(spans: Iterable[Span], begin: float, end: float) -> list[Span]:
    """What of a span is in none of them."""
    edges = [(begin, begin), *union((max(a, begin), min(b, end)) for a, b in spans), (end, end)]
    return [(a, b) for (_, a), (b, _) in pairwise(edges) if b > a]


def minus(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """What is in the first ones and not in the others."""
    others = list(others)
    return [piece for begin, end in union(spans) for piece in outside(others, begin, end)]


def both(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """What is in both."""
    spans = list(spans)
    return minus(spans, minus(spans, others))


def length(spans: Iterable[Span]) -> float:
    """Seconds."""
    return sum(end - begin for begin, end in spans)


def touches(spans: Iterable[Span], begin: float, end: float) -> bool:
    """Whether any of them has a moment in common with this one."""
    return any(a <= end and b >= begin for a, b in spans)

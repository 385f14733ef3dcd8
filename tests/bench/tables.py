"""What a benchmark prints: tables for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from tests.bench import kernel
from tests.bench.daemon import WAY
from tests.bench.discovery import BOUND, Crowd, Found
from tests.bench.process import DENIED, TOO_LATE, Cost
from tests.bench.restart import Return

out = Console(width=110, soft_wrap=False)
progress = Console(stderr=True)


def show_machine() -> None:
    measured, other = kernel.cores()
    out.print(kernel.machine(), highlight=False)
    place = "everything shares one core" if measured == other else f"generator and store on core {other}"
    out.print(f"what is measured is bound to core {measured}; {place}", highlight=False)


def show_density(
    costs: Sequence[Cost], missing: Mapping[str, str], stages: Mapping[str, float] | str
) -> None:
    """Ways side by side. `missing` are those that were not measured, and why."""
    heads = ("us/packet", "kernel", "to ours", "streams/core", "KiB/stream", "samples lost")
    table = Table(Column("way", no_wrap=True), *_right(*heads))
    ours = next((cost.microseconds for cost in costs if cost.way == WAY), None)
    for cost in costs:
        table.add_row(
            cost.way,
            f"{cost.microseconds:.1f}",
            f"{cost.kernel:.1f}",
            f"{cost.microseconds / ours:.2f}" if ours else "",
            f"{cost.streams_a_core:.0f}",
            f"{cost.kib:.0f}",
            _lost(cost.lost),
        )
    out.print(table)
    for way, why in missing.items():
        out.print(f"{way}: not measured: {why}", highlight=False)
    show_stages(stages)
    show_generator(costs)


def show_stages(stages: Mapping[str, float] | str) -> None:
    if isinstance(stages, str):
        out.print(f"stages: {stages}", highlight=False)
        return
    if not stages:
        return
    table = Table("stage of the daemon", *_right("share of its CPU"))
    for stage, share in sorted(stages.items(), key=lambda item: -item[1]):
        table.add_row(stage, f"{share:.1%}")
    out.print(table)


def show_generator(costs: Sequence[Cost]) -> None:
    for cost in costs:
        if cost.void:
            out.print(
                f"VOID: {cost.way} at {cost.streams} streams: generator {cost.late:.2f} s late (at most"
                f" {TOO_LATE} s may be), other processes had the core for {cost.denied:.0%} of the time (at"
                f" most {DENIED:.0%}); run it on an idle machine",
                highlight=False,
                style="bold red",
            )
    if not costs:
        return
    figures = [cost.generator for cost in costs]
    out.print(
        f"generator: {min(figures):.1f} to {max(figures):.1f}"
        f" us a packet, {max(cost.late for cost in costs) * 1000:.0f} ms late at most",
        highlight=False,
    )


_GROWTH = ("us a packet", "kernel", "core", "MiB", "KiB an added", "lag s", "late ms", "lost")
_WIDTHS = (8, 12, 8, 6, 7, 14, 7, 9, 9)


def show_growth_heads(first: str) -> None:
    show_row((first, *_GROWTH))


def show_growth(first: str, cost: Cost, before: Cost | None) -> None:
    show_row(
        (
            first,
            f"{cost.microseconds:.1f}",
            f"{cost.kernel:.1f}",
            f"{cost.share:.0%}",
            f"{cost.resident / 1024:.0f}",
            "" if before is None or before.streams == cost.streams else f"{slope(before, cost):.0f}",
            f"{cost.lag:.2f}",
            f"{cost.late * 1000:.0f}",
            "" if cost.lost is None else str(cost.lost),
        )
    )


def show_row(cells: Sequence[str]) -> None:
    out.print(
        "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)), highlight=False
    )


def show_growth_end(costs: Sequence[Cost], lost: int, drift: str) -> None:
    if drift:
        out.print(drift, highlight=False)
    out.print(f"samples lost: {lost}", highlight=False)
    show_generator(costs)


def show_return(back: Return) -> None:
    took = "NOT in time" if back.seconds is None else f"after {back.seconds:.1f} s"
    out.print(
        f"{back.up} streams were up again {took}; the bound is {back.bound:.1f} s\n"
        f"the daemon took {back.mean:.0%} of its core meanwhile, {back.most:.0%} in the busiest second\n"
        f"samples lost: {back.lost_after} of the connections since, {back.lost_before} of those before\n"
        f"generator: {back.late * 1000:.0f} ms late at most",
        highlight=False,
    )


def show_found(crowd: Crowd, found: Found) -> None:
    took = "NOT in time" if found.seconds is None else f"after {found.seconds:.1f} s"
    middle, most_of_them, most = found.spread
    out.print(
        f"{crowd.live} of {crowd.conferences} conferences were live, and all recorded {took}; the bound is"
        f" {BOUND:.0f} s\n"
        f"requests until then: {_requests(found.requests)}\n"
        f"the daemon took {found.cpu:.0%} of its core and {found.memory:.0f} MiB\n"
        f"then {len(found.late) + found.unheard} more began, {crowd.turnover:g} a second, as many being over:"
        f" recorded after {middle:.1f} s (median), {most_of_them:.1f} s (95 %), {most:.1f} s (most);"
        f" {found.unheard} were not\n"
        f"requests meanwhile: {_requests(found.later)}\n"
        f"the daemon took {found.cpu_later:.0%} of its core and {found.memory_later:.0f} MiB\n"
        f"in the busiest second {found.busiest} requests; {found.throttled} were answered 429\n"
        f"samples lost: {found.lost}; the platform took {found.platform:.0%} of its core",
        highlight=False,
    )


def _requests(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def slope(before: Cost, after: Cost) -> float:
    """KiB of memory for each stream that was added between two points."""
    return (after.resident - before.resident) / (after.streams - before.streams)


def plain(cost: Cost) -> dict[str, Any]:
    """For JSON."""
    return {**asdict(cost), "streams_a_core": cost.streams_a_core, "void": cost.void}


def show_json(**values: Any) -> None:
    out.file.write(json.dumps({"machine": kernel.machine(), **values}, indent=1) + "\n")


def _lost(lost: int | None) -> str:
    return "not counted" if lost is None else str(lost)


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]

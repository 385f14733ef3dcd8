"""What the doctor prints: a line for each finding as it comes, or all of it as JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict

import typer

from recorder.doctor.finding import Finding, Verdict

_COLOURS = {
    Verdict.OK: typer.colors.GREEN,
    Verdict.WARNING: typer.colors.YELLOW,
    Verdict.FAILED: typer.colors.RED,
    Verdict.SKIPPED: typer.colors.BRIGHT_BLACK,
}
_CHECK_WIDTH = 22


def show(findings: Iterable[Finding]) -> bool:
    """Print each as it is found; return whether none of them failed."""
    well = True
    for finding in findings:
        well = well and finding.verdict is not Verdict.FAILED
        verdict = typer.style(f"{finding.verdict.value:8}", fg=_COLOURS[finding.verdict])
        remedy = f"  -> {finding.remedy}" if finding.remedy else ""
        typer.echo(f"{verdict} {finding.check:{_CHECK_WIDTH}} {_one_line(finding.said)}{_one_line(remedy)}")
    return well


def show_json(findings: Iterable[Finding]) -> bool:
    """Print all of them as one object; return whether none of them failed."""
    found = list(findings)
    well = all(finding.verdict is not Verdict.FAILED for finding in found)
    typer.echo(
        json.dumps({"ok": well, "findings": [asdict(finding) for finding in found]}, ensure_ascii=False)
    )
    return well


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)

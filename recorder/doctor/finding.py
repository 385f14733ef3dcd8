"""What the doctor found: one thing tried, how it went, and what to do about it. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it went."""

    OK = "ok"
    WARNING = "warning"
    """Recording is possible, and something is probably not meant."""
    FAILED = "failed"
    """Something would not be recorded or not be stored."""
    SKIPPED = "skipped"
    """It could not be tried, for something before it failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        check: what was tried, in two words or so.
        said: what was found.
        remedy: what to do; empty where nothing is to be done.
    """

    check: str
    verdict: Verdict
    said: str
    remedy: str = ""


def ok(check: str, said: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Verdict.OK, said)


def warning(check: str, said: str, remedy: str) -> Finding:
    """It works, and should be looked at."""
    return Finding(check, Verdict.WARNING, said, remedy)


def failed(check: str, said: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, Verdict.FAILED, said, remedy)


def skipped(check: str, because: str) -> Finding:
    """It was not tried."""
    return Finding(check, Verdict.SKIPPED, f"not tried: {because}")


def explained(check: str, message: str, remedy: str) -> Finding:
    """A failure in words that end with their own remedy after a colon, else with the one given."""
    said, colon, hint = message.rpartition(": ")
    return failed(check, said, hint) if colon and " " in hint else failed(check, message, remedy)

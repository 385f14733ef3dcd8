"""The order in which things are tried; the configuration, the credential and the limits among them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import anyio

from recorder import limits
from recorder.clock import wall_clock
from recorder.config import ConfigurationError, Problem, Settings, load_settings
from recorder.credential import CredentialKind
from recorder.doctor.finding import Finding, Verdict, failed, ok, skipped, warning
from recorder.doctor.platform import ADDRESS, examine_address
from recorder.doctor.spool import examine_spool
from recorder.doctor.store import examine_store
from recorder.doctor.watches import API, WATCH, WATCHES, examine_watches
from recorder.redaction import Redaction
from recorder.store_secrets import store_secrets

CONFIGURATION, CREDENTIAL, LIMITS = "configuration", "credential", "limits"

_EXPIRES_SOON = 7 * 86400.0
"""Seconds."""


def examine(
    path: Path, environ: Mapping[str, str], utc: Callable[[], datetime] = wall_clock
) -> Iterator[Finding]:
    """Try everything, one after the other. What is yielded holds no secret."""
    redaction = Redaction(*store_secrets(environ))
    try:
        settings = load_settings(path, environ)
    except ConfigurationError as error:
        yield from (_redacted(_mistake(problem), redaction) for problem in error.problems)
        yield skipped("all else", "the configuration has mistakes")
        return
    redaction = Redaction(*settings.secrets, *store_secrets(environ))
    for finding in _examine(settings, utc):
        yield _redacted(finding, redaction)


def _examine(settings: Settings, utc: Callable[[], datetime]) -> Iterator[Finding]:
    yield ok(CONFIGURATION, f"{settings.path} and {settings.watchlist}: {len(settings.watches)} to record")
    for problem in settings.warnings:
        if problem.message != limits.too_few_files(len(settings.watches)):  # that has a line of its own
            yield warning(CONFIGURATION, str(problem), "see the README")
    yield _credential(settings, utc())
    reached = True
    for finding in examine_address(settings, utc):
        reached = reached and not (finding.check == ADDRESS and finding.verdict is Verdict.FAILED)
        yield finding
    if reached:
        yield from anyio.run(examine_watches, settings)
    else:
        yield from (skipped(check, "the platform cannot be reached") for check in (API, WATCHES, WATCH))
    yield from examine_spool(settings)
    yield from examine_store(settings)
    yield _limits(settings)


def _mistake(problem: Problem) -> Finding:
    """A credential that is missing or wrong is told as such: it is in no file of ours."""
    at_fault = problem.line is None and "voipbin" in f"{problem.file}{problem.key}".lower()
    check = CREDENTIAL if at_fault else CONFIGURATION
    said, parted, remedy = str(problem).rpartition("; ")
    return failed(check, said, remedy) if parted else failed(check, remedy, "correct it")


def _credential(settings: Settings, now: datetime) -> Finding:
    kind = settings.credential.kind
    if kind is CredentialKind.ACCESSKEY:
        if settings.credential.looks_right:
            return ok(CREDENTIAL, "an access key was found")
        said = 'what is given as an access key does not begin with "vb_", as all of them do'
        return warning(
            CREDENTIAL, said, "see whether it is a token, or was cut; one of an old server may be right"
        )
    ends = settings.credential.ends_at
    if ends is None:
        return ok(CREDENTIAL, "a token was found; it does not say when it ends")
    day = f"{ends:%Y-%m-%d %H:%M} UTC"
    remedy = "get a new token, or use an access key, which can last for years"
    if ends <= now:
        return failed(CREDENTIAL, f"the token has ended at {day}", remedy)
    if (ends - now).total_seconds() < _EXPIRES_SOON:
        return warning(CREDENTIAL, f"the token ends soon, at {day}", remedy)
    return ok(CREDENTIAL, f"a token was found; it ends at {day}")


def _limits(settings: Settings) -> Finding:
    count = len(settings.watches)
    if message := limits.too_few_files(count):
        said, _, remedy = message.partition("; ")
        return failed(LIMITS, said, remedy)
    return ok(LIMITS, f"enough open files for {count} watches")


def _redacted(finding: Finding, redaction: Redaction) -> Finding:
    said, remedy = redaction.text(finding.said), redaction.text(finding.remedy)
    return Finding(finding.check, finding.verdict, said, remedy)

"""What an answer other than 101 means: from its status, its headers and the platform's error envelope.

Pure, and suspicious: all of it comes from outside. Knows no library.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from recorder import diagnosis
from recorder.connection import ConnectionRefused, Setback
from recorder.credential import Credential
from recorder.redaction import Redaction

_SETBACKS: Final[Mapping[int, Setback]] = {
    401: Setback.REFUSED,
    403: Setback.REFUSED,
    404: Setback.NOT_LIVE,
    429: Setback.THROTTLED,
    503: Setback.THROTTLED,
}
_MAX_RETRY_AFTER: Final = 3600.0
"""Seconds. A server that asks for more is asked again all the same."""
_MAX_MESSAGE: Final = 500
_MAX_DETAIL: Final = 80
_NO_SUCH_ROUTE: Final = "ROUTE_NOT_FOUND"
"""A 404 of the platform that speaks of the address and not of a conference: waiting does not help."""
_MAX_BODY: Final = 1 << 16


class Answer(NamedTuple):
    """An HTTP answer, as far as it matters here: header values as they came, None where there is none."""

    status: int
    retry_after: str | None
    request_id: str | None
    body: bytes


def refusal(answer: Answer, credential: Credential, now: datetime) -> ConnectionRefused:
    """The setback that an answer stands for, in words of the platform where it has some, and what to do.

    A server may repeat what it was sent, so the words are redacted before they are cut.
    """
    envelope, redaction = _envelope(answer.body), Redaction(credential.secret)
    words = [
        f"HTTP {answer.status}",
        *(_printable(str(envelope[key])) for key in ("reason", "message") if envelope.get(key)),
    ]
    request = redaction.text(_printable(str(envelope.get("request_id") or answer.request_id or "")))
    if request:
        words.append(f"request {request}")
    reason = str(envelope.get("reason") or "")
    details = {key: redaction.text(text)[:_MAX_DETAIL] for key, text in _details(envelope)}
    return ConnectionRefused(
        Setback.REFUSED if reason == _NO_SUCH_ROUTE else _SETBACKS.get(answer.status, Setback.TRANSIENT),
        redaction.text(", ".join(words))[:_MAX_MESSAGE],
        retry_after=_seconds(answer.retry_after),
        remedy=diagnosis.of_refusal(answer.status, reason, details, credential, now),
        request_id=request[:_MAX_MESSAGE] or None,
    )


def _envelope(body: bytes) -> Mapping[str, object]:
    """The platform's error envelope, or nothing: servers before April 2026 send other bodies or none."""
    try:
        content = json.loads(body[:_MAX_BODY])
    except (ValueError, RecursionError):  # the latter from thousands of brackets
        return {}
    error = content.get("error") if isinstance(content, dict) else None
    return error if isinstance(error, dict) else {}


def _details(envelope: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What else it says: the texts of the first of its details."""
    details = envelope.get("details")
    first = details[0] if isinstance(details, list) and details else None
    for key, value in first.items() if isinstance(first, dict) else ():
        if isinstance(value, str):
            yield str(key), _printable(value)


def _printable(text: str) -> str:
    """Without what a terminal obeys, a log line ends with, or no encoding has."""
    return "".join(filter(str.isprintable, text))


def _seconds(retry_after: str | None) -> float | None:
    """Whole seconds, as the platform gives them; None for anything else."""
    text = (retry_after or "").strip()
    if not text.isascii() or not text.isdecimal():
        return None
    return min(float(text), _MAX_RETRY_AFTER)

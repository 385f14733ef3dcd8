"""What an answer other than 101 means: from its status, its headers and the platform's error envelope.

Pure, and suspicious: all of it comes from outside. Knows no library.
"""

import json
from collections.abc import Mapping
from typing import Final

from recorder.connection import ConnectionRefused, Setback
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
_MAX_BODY: Final = 1 << 16


def refusal(
    status: int, retry_after: str | None, request_id: str | None, body: bytes, redaction: Redaction
) -> ConnectionRefused:
    """The setback that an answer stands for, in words of the platform where it has some.

    A server may repeat what it was sent, so the words are redacted before they are cut.
    """
    envelope = _envelope(body)
    words = [f"HTTP {status}", *(str(envelope[key]) for key in ("reason", "message") if envelope.get(key))]
    request = redaction.text(str(envelope.get("request_id") or request_id or ""))
    if request:
        words.append(f"request {request}")
    return ConnectionRefused(
        _SETBACKS.get(status, Setback.TRANSIENT),
        redaction.text(", ".join(words))[:_MAX_MESSAGE],
        retry_after=_seconds(retry_after),
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


def _seconds(retry_after: str | None) -> float | None:
    """Whole seconds, as the platform gives them; None for anything else."""
    text = (retry_after or "").strip()
    if not text.isascii() or not text.isdecimal():
        return None
    return min(float(text), _MAX_RETRY_AFTER)

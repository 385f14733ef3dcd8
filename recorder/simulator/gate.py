"""The questions the platform asks before it lets anybody in, in its order, and how it says no.

Pure: a path and headers in, an `Admission` or a `Refusal` out. The order is that of the platform's gateway:
route, credential, customer limit, frozen account, missing query, id, look-up, permission.
"""

import json
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from re import fullmatch
from secrets import token_bytes
from urllib.parse import parse_qs, urlsplit

from recorder.core.media import Encapsulation
from recorder.simulator.platform import ErrorStyle, Grant, Platform
from recorder.simulator.programme import Airing
from recorder.simulator.resources import Resource
from recorder.simulator.script import Refuse
from storage.names import WatchId, WatchKind


@dataclass(frozen=True, slots=True)
class Admission:
    """A connection may be upgraded."""

    airing: Airing
    encapsulation: str
    resource: Resource


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error in VoIPBIN's words. `reason` is None for an error that a proxy made."""

    http: int
    reason: str | None
    details: Mapping[str, str] = field(default_factory=dict)
    retry_after: int | None = None
    watch: WatchId | None = None


_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_USUAL_REASON = {
    400: "INVALID_ID",
    401: "INVALID_CREDENTIALS",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_NOT_FOUND",
    429: "RATE_LIMIT_EXCEEDED",
    500: "INTERNAL",
    503: "SERVICE_UNAVAILABLE",
}
_GRANT_REASON = {
    Grant.WEAK: "PERMISSION_DENIED",
    Grant.OTHER_CUSTOMER: "PERMISSION_DENIED",
    Grant.DIRECT: "DIRECT_ACCESS_NOT_SUPPORTED",
}
_FROZEN = {
    "deletion_scheduled_at": "2026-09-01T00:00:00Z",
    "deletion_effective_at": "2026-10-01T00:00:00Z",
    "recovery_endpoint": "/auth/unregister",
}


def admit(
    platform: Platform, target: str, headers: Mapping[str, list[str]], now: float
) -> Admission | Refusal:
    """Decide on one request.

    `target` is the request line's path and query, `headers` all values of each by its lower-case name,
    `now` is by `time.monotonic()`.
    """
    url = urlsplit(target)
    query = parse_qs(url.query)
    route = fullmatch(r"/v1\.0/(conferences|calls)/([^/]*)/media_stream", url.path)
    if route is None:
        return Refusal(404, "ROUTE_NOT_FOUND")
    grant = enter(platform, query, headers, now)
    if isinstance(grant, Refusal):
        return grant
    kind = next(kind for kind in WatchKind if kind.folder == route[1])
    return _look_up(platform, kind, route[2], query.get("encapsulation", [""])[0], grant)


def enter(
    platform: Platform, query: Mapping[str, list[str]], headers: Mapping[str, list[str]], now: float
) -> Grant | Refusal:
    """Ask what is asked whatever somebody came for: the credential, the customer's limit, the account."""
    grant = _authenticate(platform, query, headers)
    if grant is None:
        return Refusal(401, "AUTHENTICATION_REQUIRED")
    if grant is Grant.EXPIRED:
        return Refusal(401, "INVALID_CREDENTIALS")
    wait = platform.limit.take(now) if platform.limit else None
    if wait is not None:
        return Refusal(429, "RATE_LIMIT_EXCEEDED", {"limited_by": "customer"}, retry_after=wait)
    if grant is Grant.FROZEN:
        return Refusal(403, "ACCOUNT_FROZEN", _FROZEN)
    return grant


def _look_up(
    platform: Platform, kind: WatchKind, identifier: str, encapsulation: str, grant: Grant
) -> Admission | Refusal:
    if not encapsulation and kind is WatchKind.CONFERENCE:
        return Refusal(400, "MISSING_REQUEST_PARAMETER")
    try:
        watch = WatchId(kind, identifier)
    except ValueError:
        return Refusal(400, "INVALID_ID")
    airing, resource = platform.airing(watch), platform.resource(watch)
    if airing is None or resource is None:
        return Refusal(404, f"{kind.name}_NOT_FOUND", watch=watch)
    if watch in platform.foreign:
        grant = Grant.OTHER_CUSTOMER
    if grant is not Grant.LISTEN:
        return Refusal(403, _GRANT_REASON[grant], watch=watch)
    return Admission(airing, encapsulation or Encapsulation.RTP, resource)


def _authenticate(
    platform: Platform, query: Mapping[str, list[str]], headers: Mapping[str, list[str]]
) -> Grant | None:
    """The grant of the first credential in the platform's order; None if there is no credential at all.

    Every token form is looked at before any access key, and one that is present decides, however wrong it
    is: a stale cookie beats a good header, and an access key in the place of a token is a bad token.
    """
    cookies = _cookies(headers)
    bearer = [value[7:] for value in headers.get("authorization", []) if value.startswith("Bearer ")]
    for token in (cookies.get("token"), *query.get("token", [])[:1], *bearer[:1]):
        if token:
            return platform.tokens.get(token, Grant.EXPIRED)
    for key in (cookies.get("accesskey"), *query.get("accesskey", [])[:1]):
        if key:
            return platform.accesskeys.get(key, Grant.EXPIRED)
    return None


def _cookies(headers: Mapping[str, list[str]]) -> dict[str, str]:
    try:
        jar = SimpleCookie("; ".join(headers.get("cookie", [])))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def scripted(step: Refuse, watch: WatchId | None = None) -> Refusal:
    """The refusal that a script asks for."""
    reason = step.reason or _USUAL_REASON.get(step.status)
    details: Mapping[str, str] = {}
    if reason == "RATE_LIMIT_EXCEEDED":
        details = {"limited_by": "customer"}
    elif reason == "ACCOUNT_FROZEN":
        details = _FROZEN
    return Refusal(step.status, reason, details, step.retry_after, watch)


def render(
    refusal: Refusal, style: ErrorStyle, wanted_id: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a refusal. `wanted_id` is the client's own `X-Request-Id`, if any."""
    if style is ErrorStyle.BARE:
        return _render_bare(refusal)
    if refusal.reason is None:
        phrase = _phrase(refusal.http)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        body = f"{refusal.http} {phrase}\n".encode()
    else:
        request_id = request_id_for(wanted_id)
        headers = {"Content-Type": "application/json; charset=utf-8", "X-Request-Id": request_id}
        body = envelope(refusal, request_id)
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    return refusal.http, headers, body


def _render_bare(refusal: Refusal) -> tuple[int, dict[str, str], bytes]:
    """Before April 2026: 401 for credentials, 400 for nearly all else, and no word on why."""
    if refusal.http == HTTPStatus.TOO_MANY_REQUESTS:
        body = json.dumps({"error": "rate_limit_exceeded", "message": "Too many requests."}).encode()
        return refusal.http, {"Content-Type": "application/json; charset=utf-8"}, body
    credential = refusal.http == HTTPStatus.UNAUTHORIZED
    return (HTTPStatus.UNAUTHORIZED if credential else HTTPStatus.BAD_REQUEST), {}, b""


def request_id_for(wanted: str | None) -> str:
    """The client's id of its request if it is safe to repeat, else `req_` and 26 characters of base 32."""
    if wanted is not None and fullmatch(r"[A-Za-z0-9_-]{1,64}", wanted):
        return wanted
    return "req_" + b32encode(token_bytes(17)).decode()[:26]


def envelope(refusal: Refusal, request_id: str) -> bytes:
    """The JSON body of a refusal."""
    error: dict[str, object] = {
        "status": _STATUS.get(refusal.http, "INTERNAL"),
        "reason": refusal.reason,
        "message": (refusal.reason or "").replace("_", " ").capitalize() + ".",
        "request_id": request_id,
    }
    if refusal.details:
        error["details"] = [dict(refusal.details)]
    return json.dumps({"error": error}).encode()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # 520 to 530 are Cloudflare's own
        return "Origin Error"

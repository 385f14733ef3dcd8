"""`Platform` over the platform's REST API, and the only importer of httpx.

All requests take their turns at the rate that the streams' handshakes have, for the platform counts them
together. The URL may hold a credential and appears in no message.
"""

import json
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import anyio
import httpx

from recorder import access
from recorder.clock import Clock
from recorder.config import VoipbinSettings
from recorder.connection import Setback
from recorder.core.snapshot import Snapshot, read_snapshot
from recorder.credential import Credential
from recorder.platform import Unanswered, Withheld, nothing
from recorder.rate import Precedence, Rate
from recorder.refusal import Answer, refusal
from recorder.tls import tls_context
from storage.names import WatchId, WatchKind

PAGE_SIZE: Final = 100
"""Conferences: the most that the platform gives at a time."""
MOST_PAGES: Final = 1000
"""A list that goes on beyond is none."""
MOST_BYTES: Final = 8 << 20
"""Of one answer. A page has some 100 KiB."""
ANSWER_WITHIN: Final = 10.0
"""Seconds, from the turn to the last byte. The platform's own limit for what is behind it is 3 s."""
_IDLE_CONNECTIONS: Final = 2


class RestPlatform:
    """Asks one platform with one credential.

    Args:
        rate: of requests, shared with whatever else asks the platform.
    """

    def __init__(
        self, settings: VoipbinSettings, credential: Credential, *, rate: Rate, clock: Clock
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._credential = credential
        self._silent_until = 0.0  # monotonic seconds: what the platform asked for
        tls = tls_context(settings)
        self._client = httpx.AsyncClient(
            base_url=urlsplit(settings.url)._replace(scheme="https" if tls else "http").geturl(),
            params=access.query(settings, credential),
            headers={
                "User-Agent": access.USER_AGENT,
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # what comes is then no larger than it is
                **access.headers(settings, credential),
            },
            verify=tls or False,
            timeout=ANSWER_WITHIN,
            limits=httpx.Limits(max_keepalive_connections=_IDLE_CONNECTIONS),
            follow_redirects=False,  # a credential goes to the configured host only
        )

    async def close(self) -> None:
        """Let go of the sockets."""
        await self._client.aclose()

    async def conferences(self, between: Callable[[], Awaitable[None]] = nothing) -> Sequence[Snapshot]:
        """Page after page; see `Platform.conferences`."""
        found: dict[WatchId, Snapshot] = {}
        token = ""
        for _ in range(MOST_PAGES):
            page = await self._page(token)
            rows, following = page.get("result"), page.get("next_page_token")
            if not rows:  # the token is there even on the last page that has any
                return list(found.values())
            if not isinstance(rows, list):
                raise _nonsense("a list without rows")
            for row in rows:
                snapshot = read_snapshot(WatchKind.CONFERENCE, row)
                if snapshot:
                    found.setdefault(snapshot.watch_id, snapshot)
            if not isinstance(following, str) or not following:
                return list(found.values())
            if following == token:
                raise _nonsense("a list that goes round")
            token = following
            await between()
        raise _nonsense("a list without an end")

    async def get(self, watch_id: WatchId) -> Snapshot | None:
        """One request; see `Platform.get`."""
        response, body = await self._ask(f"/{watch_id.kind.folder}/{watch_id.id}", {})
        if response.status_code == httpx.codes.NOT_FOUND and _names_what_is_missing(body):
            return None
        # Before April 2026 there was an empty 400 for what there is not, and for whatever else.
        of_this_one = response.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.FORBIDDEN)
        self._check(response, body, Withheld if of_this_one else Unanswered)
        snapshot = read_snapshot(watch_id.kind, _parse(body))
        if snapshot is None or snapshot.watch_id != watch_id:
            raise _nonsense("something else than was asked for")
        return snapshot

    async def _page(self, token: str) -> dict[str, object]:
        query = {"page_size": str(PAGE_SIZE)} | ({"page_token": token} if token else {})
        response, body = await self._ask("/conferences", query)
        self._check(response, body)
        page = _parse(body)
        if not isinstance(page, dict) or "result" not in page:
            raise _nonsense("something else than a list")
        return page

    async def _ask(self, path: str, query: dict[str, str]) -> tuple[httpx.Response, bytes]:
        """Make one request, in its turn."""
        wait = self._silent_until - self._clock.monotonic()
        if wait > 0:
            message = f"the platform asked to be left alone for {wait:.0f} s more"
            raise Unanswered(Setback.THROTTLED, message, retry_after=wait)
        await self._rate.take(Precedence.QUESTION)
        try:
            with anyio.fail_after(ANSWER_WITHIN):
                async with self._client.stream("GET", path, params=query) as response:
                    return response, await _body(response)
        # `from None`: the library's exceptions may quote the URL and its credential.
        except (TimeoutError, httpx.TimeoutException):
            raise Unanswered(Setback.TRANSIENT, f"no answer within {ANSWER_WITHIN:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise Unanswered(Setback.TRANSIENT, _words(error)) from None

    def _check(self, response: httpx.Response, body: bytes, otherwise: type[Unanswered] = Unanswered) -> None:
        """Raise what an answer other than 200 means."""
        if response.status_code == httpx.codes.OK:
            return
        headers = response.headers
        answer = Answer(response.status_code, headers.get("Retry-After"), headers.get("X-Request-Id"), body)
        refused = refusal(answer, self._credential, self._clock.utc())
        if refused.retry_after:
            self._silent_until = self._clock.monotonic() + refused.retry_after
        # Not found is no answer of the API here, but of something in its place.
        found = response.status_code != httpx.codes.NOT_FOUND
        setback = refused.setback if found else Setback.TRANSIENT
        raise otherwise(
            setback,
            str(refused),
            retry_after=refused.retry_after,
            remedy=refused.remedy,
            request_id=refused.request_id,
        )


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for some in response.aiter_bytes():
        body += some
        if len(body) > MOST_BYTES:
            raise _nonsense(f"an answer of more than {MOST_BYTES >> 20} MiB")
    return bytes(body)


def _parse(body: bytes) -> object:
    try:
        content: object = json.loads(body)
    except (ValueError, RecursionError):
        raise _nonsense("something else than JSON") from None
    return content


def _names_what_is_missing(body: bytes) -> bool:
    """Whether a 404 speaks of the conference or call. That of a wrong address, or of a proxy, does not."""
    try:
        reason = json.loads(body)["error"]["reason"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return False
    return reason in ("CONFERENCE_NOT_FOUND", "CALL_NOT_FOUND", "RESOURCE_NOT_FOUND")


def _nonsense(what: str) -> Unanswered:
    return Unanswered(Setback.TRANSIENT, f"the platform's API gave {what}")


def _words(error: Exception) -> str:
    """What went wrong on the way, without what the library says of the address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the platform's certificate is not trusted: {cause.verify_message}; see voipbin.ca_file"
        if isinstance(cause, OSError) and cause.strerror:
            return f"the platform's API cannot be reached: {cause.strerror}"
        cause = cause.__cause__ or cause.__context__
    return f"the platform's API cannot be reached ({type(error).__name__})"

"""The stand-in VoIPBIN on a socket: answers of the API, and connections upgraded to streams and to events."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from http import HTTPStatus
from ssl import SSLContext
from urllib.parse import parse_qs, urlencode, urlsplit

from anyio import CancelScope, move_on_after
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from recorder.simulator import gate, rest, script
from recorder.simulator.eventsocket import inform, subscribe
from recorder.simulator.line import Line
from recorder.simulator.platform import Platform
from recorder.simulator.record import Asked, Ended
from recorder.simulator.stream import attend
from storage.names import WatchId

API = "/v1.0"
"""What every path of the platform begins with."""

_JSON = "application/json; charset=utf-8"
_CLOSING_TIME = 1.0
"""Seconds that a client which does not read has to notice that the server is stopping, or has closed."""


class Simulator:
    """A running stand-in. Get one from `simulate`.

    Attributes:
        platform: what it serves, and the record of it.
        url: its base, as in a recorder's configuration: `ws://127.0.0.1:49152/v1.0`.
    """

    def __init__(self, platform: Platform, url: str, lines: set[Line]) -> None:
        self.platform = platform
        self.url = url
        self._lines = lines

    def stream_url(self, watch: WatchId, encapsulation: str | None = None, **query: str) -> str:
        """The URL of a media stream; `query` may hold a `token` or an `accesskey`."""
        if encapsulation is not None:
            query = {"encapsulation": encapsulation, **query}
        path = f"{self.url}/{watch.kind.folder}/{watch.id}/media_stream"
        return f"{path}?{urlencode(query)}" if query else path

    def listeners(self, watch: WatchId | None = None) -> int:
        """How many streams are open, of one watch or of all."""
        return sum(1 for _ in self._streams(watch))

    def drop_everybody(self, watch: WatchId | None = None) -> None:
        """Close the streams of one watch, or all, as a deployment of the platform does: bare, unannounced."""
        for line in self._streams(watch):
            line.hang_up(Ended.STOPPED)

    @property
    def informed(self) -> int:
        """How many event sockets are open."""
        return len(self.platform.subscribers)

    def drop_event_sockets(self) -> None:
        """Close all event sockets, bare; what is announced until they are back is missed."""
        for line in tuple(self._lines):
            if line.subscriber is not None:
                line.transport.abort()

    def _streams(self, watch: WatchId | None) -> Iterator[Line]:
        for line in tuple(self._lines):
            if (
                line.record is not None
                and line.open
                and watch in (None, line.admission.airing.programme.watch)
            ):
                yield line


@asynccontextmanager
async def simulate(
    platform: Platform, *, host: str = "127.0.0.1", port: int = 0, ssl: SSLContext | None = None
) -> AsyncIterator[Simulator]:
    """Serve a platform for as long as the context is open; streams end bare when it closes.

    With port 0 any free one is taken. The platform outlives the server: one that is opened again, on the
    same port perhaps, goes on where its conferences are by then.

    Raises:
        OSError: the address cannot be listened on.
    """
    lines: set[Line] = set()

    async def handle(connection: ServerConnection) -> None:
        if isinstance(connection, Line) and connection.subscriber:
            await inform(connection, connection.subscriber, platform.subscribers)
        elif isinstance(connection, Line):
            await attend(connection)

    async def before_upgrade(connection: ServerConnection, request: Request) -> Response | None:
        return await _answer(platform, connection, request) if isinstance(connection, Line) else None

    server = await serve(
        handle,
        host,
        port,
        ssl=ssl,
        compression=None,
        process_request=before_upgrade,
        process_response=_explain_bad_handshake,
        create_connection=_registered_in(lines),
        close_timeout=_CLOSING_TIME,
        ping_interval=None,  # the platform sends no pings, and waits for nobody
        max_size=None,
        server_header=None,
    )
    simulator = Simulator(
        platform, _url(host, server.sockets[0].getsockname()[1], secure=ssl is not None), lines
    )
    try:
        yield simulator
    finally:
        server.close(close_connections=False)
        with CancelScope(shield=True):  # takes two closing times at most
            await _hang_up(lines)
            await server.wait_closed()


def _registered_in(lines: set[Line]) -> type[Line]:
    """A connection that is in `lines` while it lives, from before its first byte."""

    class RegisteredLine(Line):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            lines.add(self)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            lines.discard(self)
            super().connection_lost(exc)

    return RegisteredLine


async def _hang_up(lines: set[Line]) -> None:
    for line in tuple(lines):
        line.hang_up(Ended.STOPPED)
    with move_on_after(_CLOSING_TIME):
        for line in tuple(lines):
            await line.wait_closed()
    for line in tuple(lines):
        line.transport.abort()


async def _answer(platform: Platform, line: Line, request: Request) -> Response | None:
    """None to upgrade, which leaves the decision on the line; else the answer."""
    now, target = time.monotonic(), request.path.partition("?")[0]
    headers = {name.lower(): request.headers.get_all(name) for name in request.headers}
    decision: gate.Refusal | Response | None
    if target.endswith("/media_stream"):
        decision = await _admit_listener(platform, line, request.path, headers, now)
    elif target == f"{API}/ws":
        decision = await _admit_subscriber(platform, line, request.path, headers, now)
    else:
        decision = await _answer_api(platform, line, request.path, headers, now)
    cut = decision is None and line.transport.is_closing()
    if isinstance(decision, gate.Refusal):
        wanted_id = next(iter(headers.get("x-request-id", [])), None)
        decision = _response(*gate.render(decision, platform.errors, wanted_id))
    status = decision.status_code if decision else HTTPStatus.SWITCHING_PROTOCOLS
    platform.asked.append(Asked(now, target, None if cut else int(status)))
    return decision


async def _admit_listener(
    platform: Platform, line: Line, path: str, headers: Mapping[str, list[str]], now: float
) -> gate.Refusal | None:
    decision = gate.admit(platform, path, headers, now)
    if isinstance(decision, gate.Admission):
        watch = decision.airing.programme.watch
        match decision.airing.script.knock():
            case script.Refuse() as step:
                decision = gate.scripted(step, watch)
            case script.AnswerLate(seconds=seconds):
                await _wait(line, seconds)
            case after_upgrade:
                line.welcome = after_upgrade
    if isinstance(decision, gate.Admission):
        line.admission = decision
        return None
    airing = platform.airing(decision.watch) if decision.watch else None
    if airing is not None:
        airing.record.refused.append(decision.http)
    return decision


async def _admit_subscriber(
    platform: Platform, line: Line, path: str, headers: Mapping[str, list[str]], now: float
) -> gate.Refusal | Response | None:
    grant = gate.enter(platform, parse_qs(urlsplit(path).query), headers, now)
    if isinstance(grant, gate.Refusal):
        return grant
    trouble = await _suffer(platform.events_trouble, line)
    if trouble is None and not line.transport.is_closing():
        subscribe(line)
    return trouble


async def _answer_api(
    platform: Platform, line: Line, path: str, headers: Mapping[str, list[str]], now: float
) -> gate.Refusal | Response | None:
    answer = rest.answer(platform, path, headers, now)
    trouble = await _suffer(platform.api_trouble, line)
    if trouble is not None or line.transport.is_closing():
        return trouble
    if isinstance(answer, gate.Refusal):
        return answer
    return _response(HTTPStatus.OK, {"Content-Type": _JSON}, answer)


async def _suffer(trouble: script.Trouble | None, line: Line) -> gate.Refusal | Response | None:
    """What a request meets in place of its answer; None where it is answered, or cut off."""
    match trouble:
        case script.Refuse() as refuse:
            return gate.scripted(refuse)
        case script.AnswerLate(seconds=seconds):
            await _wait(line, seconds)
        case script.CutOff():
            line.transport.abort()
        case script.Babble(body=body):
            return _response(HTTPStatus.OK, {"Content-Type": _JSON}, body)
    return None


async def _wait(line: Line, seconds: float) -> None:
    """Wait, or until the client gives up."""
    with move_on_after(seconds):
        await line.wait_closed()


def _explain_bad_handshake(
    _connection: ServerConnection, _request: Request, response: Response
) -> Response | None:
    """What the platform says to a request that is no proper handshake: two error bodies in one."""
    if response.status_code not in (HTTPStatus.BAD_REQUEST, HTTPStatus.UPGRADE_REQUIRED):
        return None
    if "X-Request-Id" in response.headers or not response.body:
        return None  # our own refusal, in either style
    request_id = gate.request_id_for(None)
    body = f"{response.reason_phrase}\n".encode() + gate.envelope(gate.Refusal(500, "INTERNAL"), request_id)
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Request-Id": request_id}
    return _response(response.status_code, headers, body)


def _response(status: int, headers: Mapping[str, str], body: bytes) -> Response:
    fields = Headers(headers)
    fields["Content-Length"] = str(len(body))
    fields["Connection"] = "close"
    fields["Date"] = formatdate(usegmt=True)
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:  # a proxy's own status
        phrase = ""
    return Response(int(status), phrase, fields, body)


def _url(host: str, port: int, *, secure: bool) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{'wss' if secure else 'ws'}://{shown}:{port}{API}"

"""The connector against real sockets: all audio that arrived, and a reason in words for all that did not."""

import itertools
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import trustme

from recorder.clock import Clock
from recorder.config import AuthForm, VoipbinSettings
from recorder.connection import Batch, ConnectionLost, ConnectionRefused, Setback
from recorder.core.media import CodecChoice, Encapsulation
from recorder.core.packets import DiscardReason
from recorder.credential import Credential, CredentialKind
from recorder.stream import PROMPT
from recorder.watchlist import Watch
from recorder.websocket import WebSocketConnection, WebSocketConnector
from storage.names import WatchId, WatchKind
from tests.wire.raw import Peer, frame, raw_server

SECRET = "eyJhbGciOi.J9.s3cr3t/+="
WATCH = Watch(
    WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a"),
    None,
    Encapsulation.RTP,
    CodecChoice.AUTO,
)
MESSAGES = [bytes([n]) * (320 + n) for n in range(200)]

pytestmark = pytest.mark.anyio


def connector(
    url: str,
    *,
    kind: CredentialKind = CredentialKind.TOKEN,
    auth: AuthForm = AuthForm.HEADER,
    ca_file: Path | None = None,
    clock: Clock | None = None,
) -> WebSocketConnector:
    settings = VoipbinSettings(url=url, allow_insecure=True, auth=auth).model_copy(
        update={"ca_file": ca_file}
    )
    return WebSocketConnector(settings, Credential(kind, SECRET), clock or Clock())


async def receive(connection: WebSocketConnection) -> Batch:
    batch = await connection.receive()
    assert batch is not None, "without a limit of time it waits"
    return batch


async def receive_all(connection: WebSocketConnection) -> list[Batch]:
    batches = []
    try:
        while True:
            batches.append(await receive(connection))
    except ConnectionLost:
        return batches


def messages(batches: list[Batch]) -> list[bytes]:
    return [row.cut(0, row.size) for batch in batches for each in batch.rows for row in each.each()]


def answer(status: str, body: str = "", **headers: str) -> Callable[[Peer], Awaitable[None]]:
    """A server that refuses the upgrade."""

    async def refuse(peer: Peer) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await peer.send(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    return refuse


async def refusal(status: str, body: str = "", **headers: str) -> ConnectionRefused:
    async with raw_server(answer(status, body, **headers)) as server:
        with pytest.raises(ConnectionRefused) as caught:
            await connector(server.url).connect(WATCH)
    return caught.value


@pytest.mark.parametrize("size", [1, 7, 333, 5000, 1 << 20])
async def test_every_message_comes_once_and_in_order_however_tcp_cuts_the_stream(size: int) -> None:
    async def play(peer: Peer) -> None:
        stream = b"".join(frame(message) for message in MESSAGES[:40])
        await peer.send(peer.accept)
        for start in range(0, len(stream), size):
            await peer.send(stream[start : start + size])

    async with raw_server(play) as server:
        batches = await receive_all(await connector(server.url).connect(WATCH))

    assert messages(batches) == MESSAGES[:40]
    assert [batch.at for batch in batches] == sorted(batch.at for batch in batches)


async def test_what_is_read_when_hanging_up_may_have_waited_since_the_pause_however_busy_we_are() -> None:
    async def play(peer: Peer) -> None:
        await peer.send(peer.accept + frame(MESSAGES[0]))
        await peer.reader.read(1)  # the beginning of a close frame
        await peer.send(frame(MESSAGES[1]))

    slow = itertools.count(step=0.3)  # so much passes between any two looks at the clock
    async with raw_server(play) as server:
        connection = await connector(server.url, clock=Clock(lambda: next(slow))).connect(WATCH)
        first = await receive(connection)
        await anyio.lowlevel.checkpoint()  # it pauses
        await connection.close()
        (second,) = await receive_all(connection)

    assert messages([first, second]) == MESSAGES[:2]
    assert second.waited > PROMPT, "else its being late would be taken for a stall"


async def test_the_first_audio_is_read_as_it_comes_however_long_after_the_handshake() -> None:
    listening = anyio.Event()

    async def play(peer: Peer) -> None:
        await peer.send(peer.accept)
        await listening.wait()
        await peer.send(frame(MESSAGES[0]))

    async with raw_server(play) as server:
        connection = await connector(server.url).connect(WATCH)
        await anyio.lowlevel.checkpoint()  # it would pause
        listening.set()
        first = await receive(connection)
        await receive_all(connection)

    assert messages([first]) == MESSAGES[:1]
    assert first.waited == 0, "else nobody knew for how long it had been missed"


async def test_audio_that_comes_with_the_handshake_is_not_lost() -> None:
    async def play(peer: Peer) -> None:
        first = frame(MESSAGES[0])
        await peer.send(peer.accept + first + frame(MESSAGES[1])[:100])
        await anyio.sleep(0.05)
        await peer.send(frame(MESSAGES[1])[100:])

    async with raw_server(play) as server:
        batches = await receive_all(await connector(server.url).connect(WATCH))

    assert messages(batches) == MESSAGES[:2]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_what_reached_the_socket_before_the_end_is_received(reset: bool) -> None:
    sent = anyio.Event()

    async def play(peer: Peer) -> None:
        await peer.send(peer.accept + b"".join(map(frame, MESSAGES)) + frame(b"torn")[:3])
        await sent.wait()
        if reset:
            peer.reset()

    async with raw_server(play) as server:
        connection = await connector(server.url).connect(WATCH)
        batches = [await receive(connection)]
        while len(messages(batches)) < len(MESSAGES):
            batches.append(await receive(connection))
        sent.set()
        batches += await receive_all(connection)

    assert messages(batches) == MESSAGES


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_what_came_while_reading_paused_is_received_though_the_peer_is_gone(
    reset: bool, secure: bool, tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path
) -> None:
    heard = anyio.Event()

    async def play(peer: Peer) -> None:
        await peer.send(peer.accept + frame(MESSAGES[0]))
        await heard.wait()  # from here on the client pauses
        await peer.send(b"".join(map(frame, MESSAGES[1:])))
        await anyio.sleep(0.05)  # so that it is in the client's socket, not in ours
        if reset:
            peer.reset()

    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with raw_server(play, tls=tls if secure else None) as server:
        connection = await connector(server.url, ca_file=tmp_path / "ca.pem").connect(WATCH)
        batches = [await receive(connection)]
        heard.set()
        batches += await receive_all(connection)

    assert messages(batches) == MESSAGES


async def test_what_is_no_audio_is_counted_and_ends_nothing() -> None:
    async def play(peer: Peer) -> None:
        await peer.send(peer.accept + frame(b"hello", opcode=0x81) + frame(MESSAGES[0]))
        await peer.send(frame(b"one ", opcode=0x01) + frame(b"two", opcode=0x80) + frame(MESSAGES[1]))
        await peer.send(frame(bytes(300_000)) + frame(MESSAGES[2]))

    async with raw_server(play) as server:
        batches = await receive_all(await connector(server.url).connect(WATCH))

    assert messages(batches) == MESSAGES[:3]
    assert sum(batch.discarded.get(DiscardReason.TEXT, 0) for batch in batches) == 2
    assert sum(batch.discarded.get(DiscardReason.OVERSIZED, 0) for batch in batches) == 1


async def test_fragments_are_put_together_around_a_ping() -> None:
    async def play(peer: Peer) -> None:
        await peer.send(peer.accept + frame(b"ab", opcode=0x02) + frame(b"ping", opcode=0x89))
        await peer.send(frame(b"cd", opcode=0x00) + frame(b"ef", opcode=0x80) + frame(b"gh"))

    async with raw_server(play) as server:
        batches = await receive_all(await connector(server.url).connect(WATCH))

    assert messages(batches) == [b"abcdef", b"gh"]


async def test_a_pure_recorder_says_nothing_but_close() -> None:
    heard = b""

    async def listen(peer: Peer) -> None:
        nonlocal heard
        await peer.send(peer.accept + frame(MESSAGES[0]))
        heard = await peer.reader.read(1000)
        await peer.send(frame(b"\x03\xe8", opcode=0x88))
        heard += await peer.reader.read(1000)

    async with raw_server(listen) as server:
        connection = await connector(server.url).connect(WATCH)
        await connection.receive()
        await connection.close()

    assert heard[0] == 0x88, "the first thing it says is a close frame"
    assert len(heard) == 8, "and nothing after it"


async def test_a_token_goes_into_the_header_and_not_into_the_url() -> None:
    async with raw_server(answer("404 Not Found")) as server:
        with pytest.raises(ConnectionRefused):
            await connector(server.url).connect(WATCH)

    (request,) = server.requests
    line, *headers = request.split("\r\n")
    assert line == f"GET /v1.0/conferences/{WATCH.watch_id.id}/media_stream?encapsulation=rtp HTTP/1.1"
    assert f"Authorization: Bearer {SECRET}" in headers
    assert not any(header.startswith("Sec-WebSocket-Extensions") for header in headers)


@pytest.mark.parametrize(
    ("kind", "auth", "parameter"),
    [
        (CredentialKind.TOKEN, AuthForm.QUERY, "token"),
        (CredentialKind.ACCESSKEY, AuthForm.HEADER, "accesskey"),
        (CredentialKind.ACCESSKEY, AuthForm.QUERY, "accesskey"),
    ],
)
async def test_what_goes_into_the_query_is_quoted(
    kind: CredentialKind, auth: AuthForm, parameter: str
) -> None:
    async with raw_server(answer("404 Not Found")) as server:
        with pytest.raises(ConnectionRefused):
            await connector(server.url, kind=kind, auth=auth).connect(WATCH)

    (request,) = server.requests
    assert f"?encapsulation=rtp&{parameter}=eyJhbGciOi.J9.s3cr3t%2F%2B%3D HTTP/1.1" in request
    assert "Authorization" not in request


@pytest.mark.parametrize(
    ("status", "setback"),
    [
        ("401 Unauthorized", Setback.REFUSED),
        ("403 Forbidden", Setback.REFUSED),
        ("404 Not Found", Setback.NOT_LIVE),
        ("429 Too Many Requests", Setback.THROTTLED),
        ("503 Service Unavailable", Setback.THROTTLED),
        ("400 Bad Request", Setback.TRANSIENT),
        ("500 Internal Server Error", Setback.TRANSIENT),
        ("200 OK", Setback.TRANSIENT),
    ],
)
async def test_an_answer_says_what_to_do_next(status: str, setback: Setback) -> None:
    refused = await refusal(status)

    assert refused.setback is setback
    assert f"HTTP {status[:3]}" in str(refused)


async def test_the_platforms_own_words_and_request_id_are_passed_on() -> None:
    envelope = {"error": {"reason": "RATE_LIMIT_EXCEEDED", "message": "slow down", "request_id": "req_abc"}}

    refused = await refusal("429 Too Many Requests", json.dumps(envelope), Retry_After="7")

    assert str(refused) == "HTTP 429, RATE_LIMIT_EXCEEDED, slow down, request req_abc"
    assert refused.request_id == "req_abc"
    assert refused.retry_after == 7.0


@pytest.mark.parametrize("value", ["-1", "soon", "1e9", "", "٣"])
async def test_a_strange_retry_after_is_no_retry_after(value: str) -> None:
    refused = await refusal("503 Service Unavailable", Retry_After=value.encode().decode("latin-1"))

    assert refused.retry_after is None


async def test_a_retry_after_of_years_is_not_waited_for() -> None:
    assert (await refusal("503 Service Unavailable", Retry_After="99999999")).retry_after == 3600.0


@pytest.mark.parametrize(
    "body", ["", "null", "[]", '{"error": 7}', '{"error": {"message": null}}', "\x00\xff"]
)
async def test_a_body_that_is_no_envelope_does_no_harm(body: str) -> None:
    assert str(await refusal("400 Bad Request", body)).startswith("HTTP 400")


async def test_a_redirect_is_not_followed() -> None:
    async with raw_server(answer("404 Not Found")) as elsewhere:
        refused = await refusal("302 Found", Location=elsewhere.url.replace("ws:", "http:"))

    assert refused.setback is Setback.TRANSIENT
    assert elsewhere.requests == []


async def test_a_port_where_nobody_listens_is_a_setback() -> None:
    async with raw_server(answer("404 Not Found")) as server:
        pass

    with pytest.raises(ConnectionRefused, match="cannot be reached") as caught:
        await connector(server.url).connect(WATCH)
    assert caught.value.setback is Setback.TRANSIENT


async def test_a_server_that_is_no_web_server_is_a_setback() -> None:
    async def grumble(peer: Peer) -> None:
        await peer.send(b"220 mail.example ESMTP\r\n\r\n")

    async with raw_server(grumble) as server:
        with pytest.raises(ConnectionRefused, match="not a WebSocket handshake"):
            await connector(server.url, kind=CredentialKind.ACCESSKEY).connect(WATCH)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_a_certificate_of_an_unknown_authority_is_refused(tls: ssl.SSLContext) -> None:
    async with raw_server(answer("404 Not Found"), tls=tls) as server:
        with pytest.raises(ConnectionRefused, match=r"certificate is not trusted.*voipbin\.ca_file"):
            await connector(server.url).connect(WATCH)

    assert server.requests == [], "and was told no credential"


async def test_a_private_authority_can_be_trusted(
    tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path
) -> None:
    async def play(peer: Peer) -> None:
        await peer.send(peer.accept + b"".join(map(frame, MESSAGES)))

    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with raw_server(play, tls=tls) as server:
        connection = await connector(server.url, ca_file=tmp_path / "ca.pem").connect(WATCH)
        batches = await receive_all(connection)

    assert messages(batches) == MESSAGES


@pytest.mark.parametrize("kind", CredentialKind)
async def test_no_failure_shows_the_credential(kind: CredentialKind) -> None:
    async def repeat(peer: Peer) -> None:
        await peer.send(f"HTTP/1.1 418 {peer.request.split()[1]}\r\nX: {SECRET}\r\n\r\n".encode())

    async with raw_server(repeat) as server:
        with pytest.raises(ConnectionRefused) as caught:
            await connector(server.url, kind=kind, auth=AuthForm.QUERY).connect(WATCH)

    assert "s3cr3t" not in "".join(map(str, (caught.value, repr(caught.value), caught.value.__cause__)))
    assert caught.value.__suppress_context__

"""Before the upgrade: who may listen, in which order the platform asks, and how it says no."""

import json
import math
from collections.abc import Mapping

import pytest
from anyio import connect_tcp
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from recorder.simulator import (
    ACCESSKEY,
    TOKEN,
    AnswerLate,
    ErrorStyle,
    Grant,
    Platform,
    Programme,
    RateLimit,
    Refuse,
    Simulator,
    Tape,
    simulate,
)
from tests.simulator.listening import BOARD, CALL, hear

pytestmark = pytest.mark.anyio

BEARER = {"Authorization": f"Bearer {TOKEN}"}
STRANGER = "/conferences/00000000-0000-0000-0000-00000000000f/media_stream?encapsulation=sln"


async def knock(server: Simulator, target: str, headers: Mapping[str, str] | None = None) -> Response | None:
    """The refusal of one attempt, or None if it was upgraded."""
    try:
        async with connect(server.url + target, additional_headers=headers, close_timeout=0.1):
            return None
    except InvalidStatus as refused:
        return refused.response


async def reason(server: Simulator, target: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    response = await knock(server, target, headers)
    if response is None:
        return 101, ""
    return response.status_code, json.loads(response.body)["error"]["reason"]


def path(query: str = "encapsulation=sln") -> str:
    return f"/conferences/{BOARD.id}/media_stream?{query}"


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("", {}, (401, "AUTHENTICATION_REQUIRED")),
        ("", BEARER, (101, "")),
        ("", {"Authorization": f"Bearer {ACCESSKEY}"}, (401, "INVALID_CREDENTIALS")),
        ("", {"Authorization": f"Basic {TOKEN}"}, (401, "AUTHENTICATION_REQUIRED")),
        ("", {"Cookie": f"token={TOKEN}"}, (101, "")),
        ("", {"Cookie": f"accesskey={ACCESSKEY}"}, (101, "")),
        (f"&token={TOKEN}", {}, (101, "")),
        (f"&token={ACCESSKEY}", {}, (401, "INVALID_CREDENTIALS")),
        (f"&accesskey={ACCESSKEY}", {}, (101, "")),
        (f"&accesskey={TOKEN}", {}, (401, "INVALID_CREDENTIALS")),
        # A stale cookie beats a good query and a good header.
        (f"&token={TOKEN}", {"Cookie": "token=stale"} | BEARER, (401, "INVALID_CREDENTIALS")),
        # A bad query token beats a good header.
        ("&token=stale", BEARER, (401, "INVALID_CREDENTIALS")),
        # No access key is looked at where there is any token.
        (f"&accesskey={ACCESSKEY}", {"Authorization": "Bearer bad"}, (401, "INVALID_CREDENTIALS")),
        ("&accesskey=stale", BEARER, (101, "")),
        # Of two access keys the cookie's counts.
        (f"&accesskey={ACCESSKEY}", {"Cookie": "accesskey=stale"}, (401, "INVALID_CREDENTIALS")),
    ],
)
async def test_credentials_are_tried_in_the_platforms_order(
    ramp: Tape, query: str, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    async with simulate(Platform(Programme(BOARD, ramp))) as server:
        assert await reason(server, path(f"encapsulation=sln{query}"), headers) == expected


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        (Grant.WEAK, (403, "PERMISSION_DENIED")),
        (Grant.OTHER_CUSTOMER, (403, "PERMISSION_DENIED")),
        (Grant.DIRECT, (403, "DIRECT_ACCESS_NOT_SUPPORTED")),
        (Grant.EXPIRED, (401, "INVALID_CREDENTIALS")),
        (Grant.FROZEN, (403, "ACCOUNT_FROZEN")),
    ],
)
async def test_a_credential_may_be_good_for_less(ramp: Tape, grant: Grant, expected: tuple[int, str]) -> None:
    platform = Platform(Programme(BOARD, ramp), tokens={"weak": grant})

    async with simulate(platform) as server:
        assert await reason(server, path(), {"Authorization": "Bearer weak"}) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (f"/conferences/{BOARD.id}/media_stream", (400, "MISSING_REQUEST_PARAMETER")),
        ("/conferences/board/media_stream?encapsulation=sln", (400, "INVALID_ID")),
        (
            "/conferences/00000000-0000-0000-0000-000000000000/media_stream?encapsulation=sln",
            (400, "INVALID_ID"),
        ),
        (STRANGER, (404, "CONFERENCE_NOT_FOUND")),
        (STRANGER.replace("conferences", "calls"), (404, "CALL_NOT_FOUND")),
        (f"/conferences/{BOARD.id}/stream", (404, "ROUTE_NOT_FOUND")),
        (path("encapsulation=slin"), (101, "")),
    ],
)
async def test_what_is_asked_for_is_checked_before_the_upgrade(
    ramp: Tape, target: str, expected: tuple[int, str]
) -> None:
    async with simulate(Platform(Programme(BOARD, ramp))) as server:
        assert await reason(server, target, BEARER) == expected


async def test_a_call_without_encapsulation_is_sent_as_rtp(ramp: Tape) -> None:
    async with (
        simulate(Platform(Programme(CALL, ramp))) as server,
        connect(server.stream_url(CALL), additional_headers=BEARER, close_timeout=0.1) as connection,
    ):
        message = await connection.recv()

    assert isinstance(message, bytes)
    assert message[:4].hex() == "80600001"


async def test_an_envelope_carries_the_request_id_twice(ramp: Tape) -> None:
    async with simulate(Platform(Programme(BOARD, ramp))) as server:
        response = await knock(server, path())

    assert response is not None
    error = json.loads(response.body)["error"]
    assert error["status"] == "UNAUTHENTICATED"
    assert error["request_id"] == response.headers["X-Request-Id"]
    assert error["request_id"].startswith("req_")
    assert len(error["request_id"]) == 30
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(("wanted", "kept"), [("rec-a_17", True), ("not safe", False), ("x" * 65, False)])
async def test_a_safe_request_id_of_the_clients_is_kept(ramp: Tape, wanted: str, kept: bool) -> None:
    async with simulate(Platform(Programme(BOARD, ramp))) as server:
        response = await knock(server, path(), {"X-Request-Id": wanted})

    assert response is not None
    assert (response.headers["X-Request-Id"] == wanted) is kept


async def test_older_servers_say_400_or_401_and_nothing_else(ramp: Tape) -> None:
    async with simulate(Platform(Programme(BOARD, ramp), errors=ErrorStyle.BARE)) as server:
        unknown = await knock(server, STRANGER, BEARER)
        nobody = await knock(server, path())

    assert unknown is not None
    assert nobody is not None
    assert (unknown.status_code, unknown.body) == (400, b"")
    assert (nobody.status_code, nobody.body) == (401, b"")


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Refuse(503), (503, "SERVICE_UNAVAILABLE")),
        (Refuse(403, "ACCOUNT_FROZEN"), (403, "ACCOUNT_FROZEN")),
        (Refuse(404, "CONFERENCE_NOT_FOUND"), (404, "CONFERENCE_NOT_FOUND")),
        (Refuse(500), (500, "INTERNAL")),
    ],
)
async def test_a_script_refuses_so_many_times_and_then_lets_in(
    ramp: Tape, step: Refuse, expected: tuple[int, str]
) -> None:
    twice = Refuse(step.status, step.reason, times=2)
    platform = Platform(Programme(BOARD, ramp, script=[twice]))

    async with simulate(platform) as server:
        outcomes = [await reason(server, path(), BEARER) for _ in range(3)]

    assert outcomes == [expected, expected, (101, "")]
    assert platform.record(BOARD).refused == [step.status] * 2
    assert platform.pending(BOARD) == ()


async def test_a_refusal_for_haste_says_how_long_and_for_whom(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, script=[Refuse(429, retry_after=7)]))

    async with simulate(platform) as server:
        response = await knock(server, path(), BEARER)

    assert response is not None
    assert response.headers["Retry-After"] == "7"
    assert json.loads(response.body)["error"]["details"] == [{"limited_by": "customer"}]


@pytest.mark.parametrize("status", [502, 530])
async def test_a_proxys_refusal_is_plain_text(ramp: Tape, status: int) -> None:
    async with simulate(Platform(Programme(BOARD, ramp, script=[Refuse(status)]))) as server:
        response = await knock(server, path(), BEARER)

    assert response is not None
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/plain")


async def test_a_customer_who_knocks_too_often_is_told_when_to_come_back(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp), limit=RateLimit(rate=0.1, burst=2))

    async with simulate(platform) as server:
        outcomes = [await knock(server, path(), BEARER) for _ in range(3)]

    assert outcomes[:2] == [None, None]
    assert outcomes[2] is not None
    assert outcomes[2].status_code == 429
    passed = platform.asked[-1].at - platform.asked[0].at
    assert outcomes[2].headers["Retry-After"] == str(math.ceil(10 - passed))


def test_a_rate_limit_fills_up_again() -> None:
    limit = RateLimit(rate=2, burst=1)

    assert [limit.take(now) for now in (100.0, 100.0, 100.4, 100.6, 101.0)] == [None, 1, 1, None, 1]


async def test_a_late_answer_is_a_full_answer(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp, script=[AnswerLate(0.05)]))

    async with simulate(platform) as server:
        with pytest.raises(TimeoutError):
            await connect(server.url + path(), additional_headers=BEARER, open_timeout=0.01)
        heard = await hear(server, most=1)

    assert len(heard.messages) == 1


async def test_a_request_that_is_no_handshake_gets_two_errors_in_one_body(ramp: Tape) -> None:
    async with simulate(Platform(Programme(BOARD, ramp))) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        async with await connect_tcp("127.0.0.1", port) as stream:
            request = (
                f"GET /v1.0{path()} HTTP/1.1\r\nHost: simulator\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
            )
            await stream.send(request.encode())
            answer = await stream.receive()

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 426 ")
    assert body.startswith(b"Upgrade Required\n{")
    assert json.loads(body.partition(b"\n")[2])["error"]["reason"] == "INTERNAL"

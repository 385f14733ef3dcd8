"""The API that is stood in for: pages, single resources, both ways of writing time, and how it says no."""

import asyncio
import json
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from recorder.simulator import (
    ACCESSKEY,
    CUSTOMER,
    TOKEN,
    AnswerLate,
    Babble,
    CallStatus,
    ConferenceType,
    CutOff,
    ErrorStyle,
    Grant,
    Platform,
    Programme,
    RateLimit,
    Refuse,
    Simulator,
    Tape,
    TimeStyle,
    simulate,
)
from recorder.simulator.arguments import fleet
from storage.names import WatchId, WatchKind
from tests.simulator.listening import BOARD, CALL, listen

pytestmark = pytest.mark.anyio

BEARER = {"Authorization": f"Bearer {TOKEN}"}
OTHER = WatchId(WatchKind.CONFERENCE, "2ed12456-eb4b-11ee-bba8-1bfb2838807b")


async def get(server: Simulator, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        url = server.url.replace("ws", "http", 1) + path
        return await client.get(url, headers=BEARER if headers is None else headers)


async def body(server: Simulator, path: str) -> Any:
    response = await get(server, path)
    assert response.status_code == HTTPStatus.OK
    return response.json()


async def test_a_conference_is_shown_with_its_participants_and_without_what_is_empty(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp))
    platform.create(Programme(OTHER, ramp))
    async with simulate(platform) as server:
        live = await body(server, f"/conferences/{BOARD.id}")
        empty = await body(server, f"/conferences/{OTHER.id}")

    assert live["customer_id"] == CUSTOMER
    assert live["status"] == empty["status"] == "progressing"
    assert len(live["conferencecall_ids"]) == 2
    assert "conferencecall_ids" not in empty
    assert "name" not in empty
    assert empty["recording_id"] == "00000000-0000-0000-0000-000000000000"
    assert empty["tm_delete"] is None
    assert empty["tm_create"].endswith("Z")


async def test_a_call_is_shown_by_its_status(ramp: Tape) -> None:
    platform = Platform(Programme(CALL, ramp))
    async with simulate(platform) as server:
        before = await body(server, f"/calls/{CALL.id}")
        platform.call(CALL).become(CallStatus.HANGUP)
        after = await body(server, f"/calls/{CALL.id}")

    assert before["status"] == "progressing"
    assert "tm_hangup" not in before
    assert after["status"] == "hangup"
    assert after["tm_hangup"]


async def test_older_servers_write_time_otherwise_and_never_as_a_date(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp), times=TimeStyle.SPACED)
    async with simulate(platform) as server:
        shown = await body(server, f"/conferences/{BOARD.id}")

    assert shown["tm_create"][10] == " "
    assert shown["tm_delete"] == "9999-01-01 00:00:00.000000"


async def test_pages_go_to_the_oldest_and_only_an_empty_one_has_no_token(ramp: Tape) -> None:
    watches = list(fleet(5))
    platform = Platform(*(Programme(watch, ramp) for watch in watches))
    sizes, seen, token = [], [], ""
    async with simulate(platform) as server:
        while True:
            page = await body(server, f"/conferences?page_size=2&page_token={quote(token)}")
            sizes.append(len(page["result"]))
            seen += [each["id"] for each in page["result"]]
            token = page["next_page_token"]
            if not page["result"]:
                break
            assert token

    assert sizes == [2, 2, 1, 0]
    assert token == ""
    assert seen == [watch.id for watch in reversed(watches)]


async def test_a_list_leaves_out_the_deleted_and_what_is_no_meeting(ramp: Tape) -> None:
    first, second, third = list(fleet(3))
    platform = Platform(Programme(first, ramp), Programme(second, ramp))
    platform.create(Programme(third, ramp), kind=ConferenceType.CONNECT)
    platform.conference(second).delete()
    async with simulate(platform) as server:
        listed = await body(server, "/conferences")
        deleted = await body(server, f"/conferences/{second.id}")

    assert [each["id"] for each in listed["result"]] == [first.id]
    assert deleted["tm_delete"]
    assert deleted["status"] == "terminated"


async def test_an_empty_conference_that_is_deleted_stays_terminating(ramp: Tape) -> None:
    platform = Platform()
    platform.create(Programme(BOARD, ramp)).delete()
    async with simulate(platform) as server:
        shown = await body(server, f"/conferences/{BOARD.id}")

    assert shown["status"] == "terminating"
    assert shown["tm_delete"]
    assert shown["tm_end"] is None


@pytest.mark.parametrize("size", ["", "0", "101", "-1", "many"])
async def test_a_page_has_a_hundred_unless_less_is_asked_for(ramp: Tape, size: str) -> None:
    platform = Platform(*(Programme(watch, ramp) for watch in fleet(101)))
    async with simulate(platform) as server:
        page = await body(server, f"/conferences?page_size={size}")

    assert len(page["result"]) == 100


@pytest.mark.parametrize(
    ("path", "headers", "status", "reason"),
    [
        ("/conferences", {}, 401, "AUTHENTICATION_REQUIRED"),
        (f"/conferences?token={ACCESSKEY}", {}, 401, "INVALID_CREDENTIALS"),
        ("/conferences/board", BEARER, 400, "INVALID_ID"),
        (f"/conferences/{OTHER.id}", BEARER, 404, "CONFERENCE_NOT_FOUND"),
        (f"/calls/{BOARD.id}", BEARER, 404, "CALL_NOT_FOUND"),
        ("/meetings", BEARER, 404, "ROUTE_NOT_FOUND"),
        (f"/conferences/{BOARD.id}", {"Authorization": "Bearer other"}, 403, "PERMISSION_DENIED"),
        ("/conferences", {"Authorization": "Bearer weak"}, 403, "PERMISSION_DENIED"),
        ("/conferences", {"Authorization": "Bearer frozen"}, 403, "ACCOUNT_FROZEN"),
        ("/conferences", {"Authorization": "Bearer direct"}, 403, "DIRECT_ACCESS_NOT_SUPPORTED"),
    ],
)
async def test_it_says_no_as_the_door_of_the_streams_does(
    ramp: Tape, path: str, headers: dict[str, str], status: int, reason: str
) -> None:
    grants = {"other": Grant.OTHER_CUSTOMER, "weak": Grant.WEAK, "frozen": Grant.FROZEN}
    tokens = {TOKEN: Grant.LISTEN, "direct": Grant.DIRECT, **grants}
    async with simulate(Platform(Programme(BOARD, ramp), tokens=tokens)) as server:
        response = await get(server, path, headers)

    assert response.status_code == status
    assert response.json()["error"]["reason"] == reason


async def test_another_customer_has_conferences_of_its_own(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp), accesskeys={"vb_other": Grant.OTHER_CUSTOMER})
    async with simulate(platform) as server:
        response = await get(server, "/conferences?accesskey=vb_other", {})

    assert response.json() == {"result": [], "next_page_token": ""}


async def test_older_servers_say_no_without_a_word(ramp: Tape) -> None:
    async with simulate(Platform(Programme(BOARD, ramp), errors=ErrorStyle.BARE)) as server:
        response = await get(server, f"/conferences/{OTHER.id}")

    assert (response.status_code, response.content) == (400, b"")


async def test_requests_of_any_kind_share_one_limit(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp), limit=RateLimit(rate=0.1, burst=2))
    async with simulate(platform) as server:
        async with listen(server):
            pass
        statuses = [(await get(server, "/conferences")).status_code for _ in range(2)]
        refused = await get(server, "/conferences")

    assert statuses == [200, 429]
    passed = platform.asked[-1].at - platform.asked[0].at
    assert refused.headers["Retry-After"] == str(math.ceil(10 - passed))
    assert [asked.status for asked in platform.asked] == [101, 200, 429, 429]


async def test_every_request_is_counted_without_its_secrets(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp))
    async with simulate(platform) as server:
        await get(server, f"/conferences?accesskey={ACCESSKEY}", {})

    assert [asked.target for asked in platform.asked] == ["/v1.0/conferences"]


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (Refuse(503), lambda response: response.status_code == 503),
        (Babble(b"<html>"), lambda response: response.content == b"<html>"),
        (AnswerLate(0.05), lambda response: response.json()["result"]),
    ],
)
async def test_the_api_can_be_in_trouble_while_streams_go_on(
    ramp: Tape, trouble: Refuse | Babble | AnswerLate, expected: Callable[[httpx.Response], bool]
) -> None:
    platform = Platform(Programme(BOARD, ramp))
    platform.api_trouble = trouble
    async with simulate(platform) as server:
        response = await get(server, "/conferences")
        async with listen(server) as stream:
            assert await stream.recv()
        platform.api_trouble = None
        after = await get(server, "/conferences")

    assert expected(response)
    assert json.loads(after.content)["result"]


async def test_the_api_can_hang_up_in_place_of_an_answer(ramp: Tape) -> None:
    platform = Platform(Programme(BOARD, ramp))
    platform.api_trouble = CutOff()
    async with simulate(platform) as server:
        with pytest.raises(httpx.TransportError):
            await get(server, "/conferences")
        await asyncio.sleep(0)

    assert [asked.status for asked in platform.asked] == [None]

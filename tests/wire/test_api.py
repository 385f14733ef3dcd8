"""The API's adapter against real sockets: within the budget, silent when told to, no secret in any word."""

import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import anyio
import numpy as np
import pytest
import trustme

from recorder.api import MOST_BYTES, RestPlatform
from recorder.clock import Clock
from recorder.config import AuthForm, VoipbinSettings
from recorder.connection import Setback
from recorder.credential import Credential, CredentialKind
from recorder.platform import Unanswered, Withheld
from recorder.rate import Rate
from recorder.simulator import (
    ACCESSKEY,
    TOKEN,
    Babble,
    CutOff,
    ErrorStyle,
    Grant,
    Platform,
    Programme,
    RateLimit,
    Refuse,
    Tape,
    simulate,
)
from recorder.simulator.arguments import fleet
from storage.names import WatchId, WatchKind
from tests.wire.raw import Peer, raw_server

pytestmark = pytest.mark.anyio

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
TAPE = Tape(np.ones(8000, np.int16))


@asynccontextmanager
async def asking(
    url: str,
    *,
    credential: Credential | None = None,
    auth: AuthForm = AuthForm.HEADER,
    rate: float = 1000.0,
    ca_file: Path | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[RestPlatform]:
    settings = VoipbinSettings(url=url, allow_insecure=True, auth=auth).model_copy(
        update={"ca_file": ca_file}
    )
    credential = credential or Credential(CredentialKind.TOKEN, TOKEN)
    platform = RestPlatform(settings, credential, rate=Rate(rate), clock=clock or Clock())
    try:
        yield platform
    finally:
        await platform.close()


async def refusal(question: Callable[[], Awaitable[object]]) -> Unanswered:
    with pytest.raises(Unanswered) as caught:
        await question()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def answered(status: str, body: bytes, *headers: str) -> Callable[[Peer], Awaitable[None]]:
    async def answer(peer: Peer) -> None:
        head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
        await peer.send(head.encode() + b"\r\n\r\n" + body)

    return answer


def most_within_a_second(moments: Iterable[float]) -> int:
    at = list(moments)
    return max(sum(1 for later in at if first <= later < first + 1) for first in at)


@pytest.mark.parametrize(
    ("kind", "secret", "auth"),
    [
        (CredentialKind.TOKEN, TOKEN, AuthForm.HEADER),
        (CredentialKind.TOKEN, TOKEN, AuthForm.QUERY),
        (CredentialKind.ACCESSKEY, ACCESSKEY, AuthForm.HEADER),
    ],
)
async def test_it_gets_in_with_either_credential(kind: CredentialKind, secret: str, auth: AuthForm) -> None:
    async with (
        simulate(Platform(Programme(BOARD, TAPE))) as server,
        asking(server.url, credential=Credential(kind, secret), auth=auth) as platform,
    ):
        (conference,) = await platform.conferences()

    assert conference.watch_id == BOARD


async def test_a_list_of_thousands_costs_pages_within_the_budget() -> None:
    simulated = Platform(*(Programme(watch, TAPE) for watch in fleet(2000)), limit=RateLimit())
    async with simulate(simulated) as server, asking(server.url, rate=15) as platform:
        began = time.monotonic()
        listed = await platform.conferences()
        seconds = time.monotonic() - began

    assert len(listed) == 2000
    assert [asked.status for asked in simulated.asked] == [200] * 21
    assert most_within_a_second(asked.at for asked in simulated.asked) <= 17
    assert seconds < 5


async def test_the_budget_is_one_for_all_who_ask_at_once() -> None:
    simulated = Platform(Programme(BOARD, TAPE), limit=RateLimit(rate=60, burst=15))
    async with (
        simulate(simulated) as server,
        asking(server.url, rate=50) as platform,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(50):
            tasks.start_soon(platform.get, BOARD)

    assert [asked.status for asked in simulated.asked] == [200] * 50
    assert all(later.at - earlier.at > 0 for earlier, later in pairwise(simulated.asked))


async def test_it_asks_nothing_while_it_was_told_to_wait() -> None:
    now = [1000.0]
    simulated = Platform(Programme(BOARD, TAPE))
    simulated.api_trouble = Refuse(429, retry_after=30)
    async with simulate(simulated) as server, asking(server.url, clock=Clock(lambda: now[0])) as platform:
        first = await refusal(platform.conferences)
        simulated.api_trouble = None
        now[0] += 29
        second = await refusal(platform.conferences)
        asked = len(simulated.asked)
        now[0] += 1
        assert await platform.conferences()

    assert (first.setback, first.retry_after) == (Setback.THROTTLED, 30)
    assert second.retry_after == pytest.approx(1)
    assert "left alone for 1 s more" in str(second)
    assert asked == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "something else than JSON"),
        (b"[" * 100_000, "something else than JSON"),
        (b"[]", "something else than a list"),
        (b'{"items": []}', "something else than a list"),
        (b'{"result": {"id": 1}}', "a list without rows"),
        (json.dumps({"result": [{"id": BOARD.id}], "next_page_token": "x"}).encode(), "goes round"),
        (b" " * (MOST_BYTES + 1), "more than 8 MiB"),
    ],
)
async def test_nonsense_is_no_answer(body: bytes, words: str) -> None:
    simulated = Platform()
    simulated.api_trouble = Babble(body)
    async with simulate(simulated) as server, asking(server.url) as platform:
        error = await refusal(platform.conferences)

    assert error.setback is Setback.TRANSIENT
    assert words in str(error)


@pytest.mark.parametrize("body", [b'{"result": []}', b'{"result": null, "next_page_token": ""}'])
async def test_a_list_may_be_empty_in_other_words(body: bytes) -> None:
    simulated = Platform()
    simulated.api_trouble = Babble(body)
    async with simulate(simulated) as server, asking(server.url) as platform:
        assert list(await platform.conferences()) == []


async def test_rows_that_name_nothing_are_passed_over_and_a_list_may_have_no_token() -> None:
    simulated = Platform()
    simulated.api_trouble = Babble(json.dumps({"result": [None, {"id": "x"}, {"id": BOARD.id}]}).encode())
    async with simulate(simulated) as server, asking(server.url) as platform:
        assert [each.watch_id for each in await platform.conferences()] == [BOARD]


async def test_another_conference_than_was_asked_for_is_nonsense() -> None:
    simulated = Platform()
    simulated.api_trouble = Babble(json.dumps({"id": next(iter(fleet(1))).id}).encode())
    async with simulate(simulated) as server, asking(server.url) as platform:
        assert "something else than was asked for" in str(await refusal(lambda: platform.get(BOARD)))


@pytest.mark.parametrize("reason", ["ROUTE_NOT_FOUND", None])
async def test_a_wrong_address_does_not_end_a_conference(reason: str | None) -> None:
    body = json.dumps({"error": {"reason": reason}}).encode() if reason else b"404 page not found\n"
    async with raw_server(answered("404 Not Found", body)) as server, asking(server.url) as platform:
        error = await refusal(lambda: platform.get(BOARD))

    assert error.setback is Setback.TRANSIENT
    assert "correct voipbin.url" in error.remedy or "see that voipbin.url" in error.remedy


async def test_an_old_servers_word_for_everything_is_no_answer() -> None:
    async with (
        simulate(Platform(errors=ErrorStyle.BARE)) as server,
        asking(server.url) as platform,
    ):
        said = await refusal(lambda: platform.get(BOARD))

    assert str(said) == "HTTP 400"
    assert isinstance(said, Withheld), "of others it may say something"


async def test_what_another_customer_has_is_not_told_and_takes_nothing_from_what_is_ours() -> None:
    simulated = Platform(Programme(BOARD, TAPE), tokens={TOKEN: Grant.OTHER_CUSTOMER})
    async with simulate(simulated) as server, asking(server.url) as platform:
        assert isinstance(await refusal(lambda: platform.get(BOARD)), Withheld)
        assert await platform.conferences() == []


async def test_who_is_not_let_in_is_told_nothing_of_anything() -> None:
    simulated = Platform(Programme(BOARD, TAPE), tokens={TOKEN: Grant.EXPIRED})
    async with simulate(simulated) as server, asking(server.url) as platform:
        assert not isinstance(await refusal(lambda: platform.get(BOARD)), Withheld)


async def test_it_is_said_what_a_person_must_do() -> None:
    simulated = Platform(Programme(BOARD, TAPE), tokens={TOKEN: Grant.FROZEN})
    async with simulate(simulated) as server, asking(server.url) as platform:
        error = await refusal(platform.conferences)

    assert error.setback is Setback.REFUSED
    assert "ACCOUNT_FROZEN" in str(error)
    assert "request req_" in str(error)


async def test_a_redirect_is_not_followed_with_the_credential() -> None:
    async with raw_server(answered("200 OK", b"{}")) as other:
        location = f"Location: {other.url.replace('ws', 'http', 1)}/conferences"
        redirect = answered("302 Found", b"", location)
        async with raw_server(redirect) as server, asking(server.url) as platform:
            assert "HTTP 302" in str(await refusal(platform.conferences))

    assert other.requests == []


async def test_a_connection_that_is_cut_or_cannot_be_made_is_no_answer() -> None:
    simulated = Platform()
    simulated.api_trouble = CutOff()
    async with simulate(simulated) as server:
        async with asking(server.url) as platform:
            cut = await refusal(platform.conferences)
        url = server.url
    async with asking(url) as platform:
        away = await refusal(platform.conferences)

    assert cut.setback is away.setback is Setback.TRANSIENT
    assert "cannot be reached" in str(cut)
    assert "cannot be reached" in str(away)


@pytest.mark.parametrize("trusted", [True, False])
async def test_certificates_are_checked_as_the_streams_are(tmp_path: Path, trusted: bool) -> None:
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    ca_file = tmp_path / "ca.pem"
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(str(ca_file))

    async with (
        simulate(Platform(Programme(BOARD, TAPE)), ssl=served) as server,
        asking(server.url, ca_file=ca_file) as platform,
    ):
        if trusted:
            assert len(await platform.conferences()) == 1
        else:
            assert "certificate is not trusted" in str(await refusal(platform.conferences))


async def test_no_word_and_no_line_holds_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "vb_0123456789abcdef0123456789abcdef"

    async def echo(peer: Peer) -> None:
        body = json.dumps({"error": {"message": f"bad accesskey={secret}", "reason": secret}}).encode()
        await answered("403 Forbidden", body)(peer)

    key = Credential(CredentialKind.ACCESSKEY, secret)
    words = []
    async with raw_server(echo) as server, asking(server.url, credential=key) as platform:
        words.append(str(await refusal(platform.conferences)))
    async with asking(server.url, credential=key) as platform:
        words.append(str(await refusal(platform.conferences)))
    async with asking("ws://no%20host/v1.0", credential=key) as platform:
        words.append(str(await refusal(platform.conferences)))

    ours = [record.getMessage() for record in caplog.records if record.name.startswith("recorder")]
    assert not any(secret in text for text in [*words, *ours, repr(key)])

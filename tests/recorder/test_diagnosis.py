"""What the platform's answers and its silence are taken for, and what a person is told to do."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.connection import ConnectionRefused, Setback
from recorder.core.media import Encapsulation
from recorder.credential import Credential, CredentialKind
from recorder.diagnosis import MANY_CUT, Listened, of_platform, of_silence
from recorder.refusal import Answer, refusal
from recorder.simulator import ErrorStyle, Grant, Platform, Programme, RateLimit, Tape
from recorder.simulator.gate import Refusal, admit, render
from storage.names import WatchId, WatchKind
from tests.recorder.configurations import ACCESSKEY

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
UNKNOWN = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-000000000000")
NOW = datetime(2026, 11, 22, 15, 5, tzinfo=UTC)


def jwt(**claims: object) -> str:
    parts = ({"alg": "HS256"}, claims)
    written = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join([*written, "c2ln"])


TOKEN = jwt(expire="2026-11-29T10:00:00.123456Z")
ENDED = jwt(expire="2026-11-20T10:00:00.123456Z")


def token(secret: str) -> Credential:
    return Credential(CredentialKind.TOKEN, secret)


def key(secret: str) -> Credential:
    return Credential(CredentialKind.ACCESSKEY, secret)


def refused(
    credential: Credential,
    grant: Grant | None = None,
    *,
    path: str = "/v1.0",
    watch: WatchId = BOARD,
    errors: ErrorStyle = ErrorStyle.ENVELOPE,
    limit: RateLimit | None = None,
) -> ConnectionRefused:
    """What the simulated platform says to a credential that it knows as good for `grant`, or not at all."""
    known = {} if grant is None else {credential.secret: grant}
    platform = Platform(
        Programme(BOARD, Tape.speech("standup")), tokens=known, accesskeys=known, errors=errors, limit=limit
    )
    target = (
        f"{path}/conferences/{watch.id}/media_stream?encapsulation=rtp&{credential.kind}={credential.secret}"
    )
    answer = admit(platform, target, {}, 0.0)
    assert isinstance(answer, Refusal)
    status, headers, body = render(answer, errors)
    return refusal(Answer(status, headers.get("Retry-After"), None, body), credential, NOW)


@pytest.mark.parametrize(
    ("found", "setback", "words"),
    [
        (
            refused(token(TOKEN)),
            Setback.REFUSED,
            "does not know the token, and is not past its end (2026-11-29)",
        ),
        (
            refused(token(ENDED)),
            Setback.REFUSED,
            "the token has ended at 2026-11-20 10:00 UTC: get a new one",
        ),
        (refused(token("opaque")), Setback.REFUSED, "this is no JWT"),
        (refused(key(ACCESSKEY)), Setback.REFUSED, "the access key has expired, was deleted, or"),
        (refused(key("wrong")), Setback.REFUSED, 'does not begin with "vb_"'),
        (refused(token(TOKEN), Grant.WEAK), Setback.REFUSED, "its role is too weak"),
        (refused(token(TOKEN), Grant.OTHER_CUSTOMER), Setback.REFUSED, "the id is another customer's"),
        (refused(token(TOKEN), Grant.DIRECT), Setback.REFUSED, "this is a direct token"),
        (refused(token(TOKEN), Grant.FROZEN), Setback.REFUSED, "frozen since 2026-09-01T00:00:00Z and will"),
        (refused(token(TOKEN), Grant.FROZEN), Setback.REFUSED, "recover it at /auth/unregister until then"),
        (refused(token(TOKEN), Grant.LISTEN, watch=UNKNOWN), Setback.NOT_LIVE, "correct its id in the watch"),
        (refused(token(TOKEN), Grant.LISTEN, path="/v2"), Setback.REFUSED, "correct voipbin.url"),
        (
            refused(token(TOKEN), Grant.LISTEN, limit=RateLimit(burst=0)),
            Setback.THROTTLED,
            "lower voipbin.connect_rate",
        ),
        (refused(token(ENDED), errors=ErrorStyle.BARE), Setback.REFUSED, "the token has ended at"),
        (
            refused(token(TOKEN), Grant.WEAK, errors=ErrorStyle.BARE),
            Setback.TRANSIENT,
            "an old server gives no reason",
        ),
    ],
)
def test_a_refusal_says_what_to_do(found: ConnectionRefused, setback: Setback, words: str) -> None:
    assert words in found.remedy
    assert found.setback is setback


def test_what_a_server_repeats_of_a_credential_is_in_no_remedy() -> None:
    details = [{"recovery_endpoint": f"/auth?token={TOKEN}\n", "deletion_scheduled_at": TOKEN}]
    body = json.dumps({"error": {"reason": "ACCOUNT_FROZEN", "details": details}}).encode()

    found = refusal(Answer(403, None, None, body), token(TOKEN), NOW)

    assert TOKEN not in found.remedy
    assert found.remedy.isprintable()


def test_what_a_server_says_is_obeyed_by_no_terminal_and_fits_any_encoding() -> None:
    words = "no\ud800 such\n\x1b[2Jroom"
    body = json.dumps({"error": {"reason": words, "message": words, "request_id": words}}).encode()

    found = refusal(Answer(403, None, None, body), token(TOKEN), NOW)

    assert f"{found}{found.request_id}".isprintable()
    assert "such[2Jroom" in str(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=8), some, max_size=3),
    max_leaves=6,
)
REASONS = st.sampled_from(["ACCOUNT_FROZEN", "RATE_LIMIT_EXCEEDED", "INVALID_CREDENTIALS", "", "NEW_WORD"])


@given(st.integers(100, 599), REASONS | JSON, JSON, st.text(max_size=40))
def test_whatever_a_server_says_is_read_as_far_as_it_can_be(
    status: int, reason: object, details: object, secret: str
) -> None:
    body = json.dumps({"error": {"reason": reason, "details": details}}).encode()

    for credential in (token(secret), token(f"a.{secret}.b"), key(secret)):
        assert refusal(Answer(status, None, None, body), credential, NOW).remedy is not None


@pytest.mark.parametrize(
    ("claims", "ends_at"),
    [
        ({"expire": "2026-11-29T10:00:00.123456Z"}, datetime(2026, 11, 29, 10, 0, 0, 123456, UTC)),
        ({"expire": "2026-11-29 10:00:00"}, datetime(2026, 11, 29, 10, tzinfo=UTC)),
        ({"exp": 1796032800}, datetime(2026, 11, 30, 10, tzinfo=UTC)),
        ({"exp": 1e300}, None),
        ({"exp": float("nan")}, None),
        ({"expire": 7}, None),
        ({}, None),
    ],
)
def test_a_token_says_itself_when_it_ends(claims: dict[str, object], ends_at: datetime | None) -> None:
    assert token(jwt(**claims)).ends_at == ends_at


@pytest.mark.parametrize(
    ("people", "streams", "heard", "words"),
    [
        (1, 1, False, "one is in it, and a stream has brought nothing: whoever it is may be muted"),
        (3, 1, True, "3 are in it, and a stream has brought nothing: the platform may have lost its bridge"),
        (3, 4, True, "4 streams in a row have brought nothing"),
        (3, 4, False, 'this server may not know encapsulation = "rtp"'),
        (1, 2, False, "the platform may have lost its bridge"),
    ],
)
def test_people_who_are_not_heard_are_explained(people: int, streams: int, heard: bool, words: str) -> None:
    assert words in of_silence(people, streams, Encapsulation.RTP, heard=heard)


@pytest.mark.parametrize(
    ("watches", "is_trouble"),
    [
        ([], False),
        ([Listened(0, hears=False)] * 100, False),
        ([Listened(MANY_CUT - 1, hears=False)], False),
        ([Listened(1, hears=False)] * MANY_CUT, True),
        ([Listened(MANY_CUT, hears=False), Listened(0, hears=False)], True),
        ([Listened(MANY_CUT, hears=False), Listened(0, hears=True)], False),
    ],
)
def test_a_platform_that_ends_every_stream_is_told_once_for_all(
    watches: list[Listened], is_trouble: bool
) -> None:
    trouble = of_platform(watches)

    assert bool(trouble) is is_trouble
    assert not is_trouble or "POD_IP" in trouble

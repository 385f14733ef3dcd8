"""What is probably wrong with the platform or its configuration, and what to do about it, in words. Pure.

Facts are gathered elsewhere, and none of the words can hold a secret. Each says what it takes for likely, and
no more: VoIPBIN does not tell a listener why there is no audio.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from recorder.core.media import Encapsulation
from recorder.credential import Credential, CredentialKind

BRIDGE: Final = "the platform finds no bridge for it, or cannot be reached by its own Asterisk"
MANY_CUT: Final = 5
"""Streams that were cut short, of all watches, from which on no conference is to blame, but the platform."""
HOPELESS: Final = 2
"""Streams that brought nothing after which another one will not either."""

POD_IP: Final = (
    "on a platform of your own, set POD_IP of api-manager to an address that Asterisk can reach, and start it"
    " again"
)
TOO_WEAK: Final = "its role is too weak: it takes CustomerAdmin or CustomerManager"

_UNAUTHORIZED: Final = 401
_WORDS: Final[Mapping[str, str]] = {
    "AUTHENTICATION_REQUIRED": "no credential has arrived: see whether a proxy on the way takes it out",
    "DIRECT_ACCESS_NOT_SUPPORTED": (
        "this is a direct token, which no stream is open to: use a login's, or an access key"
    ),
    "PERMISSION_DENIED": f"{TOO_WEAK}, or the id is another customer's: conference-recorder doctor says it",
    "ROUTE_NOT_FOUND": "correct voipbin.url: it is that of the API, and ends in /v1.0",
    "CONFERENCE_NOT_FOUND": "correct its id in the watch list, unless it is yet to come",
    "CALL_NOT_FOUND": "correct its id in the watch list, unless it is yet to come",
}
_WITHOUT_WORDS: Final[Mapping[int, str]] = {
    400: (
        "an old server gives no reason: the id may be wrong or another customer's, the role too weak, or"
        " nobody has joined"
    ),
    404: "that is no word of VoIPBIN's: see that voipbin.url is that of the API, and ends in /v1.0",
}


# Refusals


def of_refusal(
    status: int, reason: str, details: Mapping[str, str], credential: Credential, now: datetime
) -> str:
    """What to do about an answer of the platform's; "" where nothing special is known.

    Args:
        status: of HTTP.
        reason: its word, such as `INVALID_CREDENTIALS`; "" of servers before April 2026, and of proxies.
        details: what it adds.
        credential: that it was asked with.
        now: UTC.
    """
    match reason:
        case "INVALID_CREDENTIALS":
            return _of_credential(credential, now)
        case "ACCOUNT_FROZEN":
            return _of_frozen(details)
        case "RATE_LIMIT_EXCEEDED":
            return _of_limit(details)
        case "":
            return (
                _of_credential(credential, now) if status == _UNAUTHORIZED else _WITHOUT_WORDS.get(status, "")
            )
    return _WORDS.get(reason, "")


def _of_credential(credential: Credential, now: datetime) -> str:
    if credential.kind is CredentialKind.ACCESSKEY:
        looks = "" if credential.looks_right else '; this one does not begin with "vb_", as all of them do'
        return f"the access key has expired, was deleted, or is of another platform than voipbin.url{looks}"
    if credential.ends_at is not None and credential.ends_at <= now:
        ended = f"{credential.ends_at:%Y-%m-%d %H:%M} UTC"
        return (
            f"the token has ended at {ended}: get a new one, or use an access key, which can last for years"
        )
    if not credential.looks_right:
        return "this is no JWT, and the platform takes nothing else as a token"
    lasts = "" if credential.ends_at is None else f", and is not past its end ({credential.ends_at:%Y-%m-%d})"
    return f"the platform does not know the token{lasts}: it may be of another platform than voipbin.url"


def _of_frozen(details: Mapping[str, str]) -> str:
    asked, due = details.get("deletion_scheduled_at"), details.get("deletion_effective_at")
    since = f" since {asked}" if asked else ""
    until = f" and will be deleted at {due}" if due else ""
    place = details.get("recovery_endpoint")
    how = f" at {place}" if place else ""
    return f"the account is frozen{since}{until}: its owner can recover it{how} until then"


def _of_limit(details: Mapping[str, str]) -> str:
    if details.get("limited_by") == "ip":
        return "everything at this address shares one limit: see what else asks the platform from here"
    return "all that uses this customer's credentials shares one limit: lower voipbin.connect_rate"


# Streams without audio


def of_silence(people: int, streams: int, encapsulation: Encapsulation, *, heard: bool) -> str:
    """Why people may be there, as the platform says, and streams that stand bring nothing.

    Args:
        people: how many.
        streams: how many in a row brought nothing.
        encapsulation: that was asked for.
        heard: whether any stream of this watch ever brought audio.
    """
    who = "one is in it" if people == 1 else f"{people} are in it"
    what = (
        f"{who}, and {'a stream has' if streams == 1 else f'{streams} streams in a row have'} brought nothing"
    )
    if people == 1 and streams < HOPELESS:
        return f"{what}: whoever it is may be muted"
    lost = "the platform may have lost its bridge (Asterisk restarted): who joins again gets a new one"
    if heard:
        return f"{what}: {lost}"
    return (
        f'{what}, nor any before: this server may not know encapsulation = "{encapsulation}", and takes'
        f" any word; or {lost}"
    )


class Listened(NamedTuple):
    """How streams of one watch fared.

    Attributes:
        cut_short: in a row, accepted and ended at once without audio, though people were there.
        hears: whether the one that stands has brought audio.
    """

    cut_short: int
    hears: bool


def of_platform(watches: Iterable[Listened]) -> str:
    """What is wrong with the platform as a whole; "" where nothing is known to be."""
    found = tuple(watches)
    cut = [each.cut_short for each in found if each.cut_short]
    if sum(cut) < MANY_CUT or any(each.hears for each in found):
        return ""
    return (
        f"the platform accepts streams and ends all of them at once ({sum(cut)} of {len(cut)} watches in"
        f" which people are), and none brings audio: {POD_IP}"
    )

"""Whether the platform can be reached, is who it should be, and has our time. Blocking."""

import http.client
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from recorder.config import Settings
from recorder.doctor.finding import Finding, failed, ok, skipped, warning

ADDRESS, TLS, CLOCK = "platform address", "platform TLS", "clock"

TIMEOUT = 10.0
"""Seconds for each step."""
CLOCK_TOLERANCE = 5.0
"""Seconds that our clock may differ from the platform's: segments bear our time."""


@dataclass(frozen=True, slots=True)
class _Place:
    host: str
    port: int
    path: str
    secure: bool


def examine_address(settings: Settings, utc: Callable[[], datetime]) -> Iterator[Finding]:
    """Look up the name, connect, see the certificate, and compare the clocks."""
    try:
        parts = urlsplit(settings.voipbin.url)
        secure = parts.scheme == "wss"
        place = _Place(parts.hostname or "", parts.port or (443 if secure else 80), parts.path or "/", secure)
    except ValueError as error:
        yield failed(ADDRESS, str(error), "correct voipbin.url")
        return
    proxy = urllib.request.getproxies().get("https" if secure else "http")
    if proxy and not urllib.request.proxy_bypass(place.host):
        yield from (skipped(check, "a proxy leads there") for check in (ADDRESS, TLS, CLOCK))
        return
    found = _look_up(place)
    yield found
    if found.remedy:
        yield from (skipped(check, "the platform cannot be reached") for check in (TLS, CLOCK))
        return
    context = None
    if secure:
        context = ssl.create_default_context()
        if settings.voipbin.ca_file:
            context.load_verify_locations(settings.voipbin.ca_file)
        found = _shake_hands(place, context)
        yield found
        if found.remedy:
            yield skipped(CLOCK, "there is no TLS to ask over")
            return
    else:
        yield warning(
            TLS, "none: the credential and the audio go unencrypted", "use wss:// but for a rehearsal"
        )
    yield _compare_clocks(place, context, utc)


def _look_up(place: _Place) -> Finding:
    try:
        with socket.create_connection((place.host, place.port), TIMEOUT) as connected:
            address = connected.getpeername()[0]
    except (socket.gaierror, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no host name"
        return failed(
            ADDRESS, f"{place.host} has no address: {why}", "correct voipbin.url, or this machine's DNS"
        )
    except TimeoutError:
        return failed(
            ADDRESS,
            f"{place.host} port {place.port} does not answer within {TIMEOUT:g} s",
            f"let connections to TCP port {place.port} out of the firewall",
        )
    except OSError as error:
        return failed(
            ADDRESS,
            f"{place.host} port {place.port} cannot be reached: {error.strerror}",
            "correct voipbin.url; see whether the platform is up and the network lets us there",
        )
    return ok(ADDRESS, f"{place.host} is {address}, and answers on port {place.port}")


def _shake_hands(place: _Place, context: ssl.SSLContext) -> Finding:
    try:
        with (
            socket.create_connection((place.host, place.port), TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=place.host) as secured,
        ):
            version, certificate = secured.version(), secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return failed(
            TLS,
            f"the certificate is not trusted: {error.verify_message}",
            "set voipbin.ca_file to the certificate of a private CA; else renew the platform's certificate,"
            " set this machine's clock, or correct the host in voipbin.url",
        )
    except OSError as error:
        why = getattr(error, "reason", None) or error.strerror or "no answer"
        return failed(TLS, f"no TLS on port {place.port}: {why}", "correct the port in voipbin.url")
    return ok(TLS, f"{version}, certificate valid until {certificate.get('notAfter', 'an unknown day')}")


def _compare_clocks(place: _Place, context: ssl.SSLContext | None, utc: Callable[[], datetime]) -> Finding:
    """By the Date that any answer has, whatever else it says."""
    connection = (
        http.client.HTTPSConnection(place.host, place.port, timeout=TIMEOUT, context=context)
        if context
        else http.client.HTTPConnection(place.host, place.port, timeout=TIMEOUT)
    )
    try:
        asked = utc()
        connection.request("GET", place.path)
        date = connection.getresponse().headers.get("Date")
        answered = utc()
        theirs = parsedate_to_datetime(date or "").astimezone(UTC)
    except (OSError, ValueError, http.client.HTTPException):
        return warning(
            CLOCK, "the platform does not tell the time", "see that this machine's clock is kept: timedatectl"
        )
    finally:
        connection.close()
    # They cut off what is beyond the second: the truth is half of one later, give or take.
    off = (asked + (answered - asked) / 2 - theirs).total_seconds() - 0.5
    if abs(off) > CLOCK_TOLERANCE + (answered - asked).total_seconds() / 2:
        way = "ahead of" if off > 0 else "behind"
        return failed(
            CLOCK,
            f"ours is {abs(off):.0f} s {way} the platform's, and segments bear our time",
            "have it set by NTP: timedatectl set-ntp true",
        )
    return ok(CLOCK, "within a second or so of the platform's")

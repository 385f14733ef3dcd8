"""The opening handshake of the websockets library, and what its failures mean. Knows no watch, no topic."""

import ssl

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from recorder.clock import wall_clock
from recorder.connection import ConnectionRefused, Setback
from recorder.credential import Credential
from recorder.refusal import Answer, refusal

OPEN_TIMEOUT = 10.0
"""Seconds for TCP, TLS and the upgrade. The platform answers within 3 s or says 503."""
PING_INTERVAL = 20.0
"""Seconds. Streams get no pings from the platform, and proxies in front of it cut what is idle for 100 s."""
PING_TIMEOUT = 20.0
"""Seconds. Pongs are late by up to 3 s while the platform sets a stream up."""
CLOSE_TIMEOUT = 2.0
"""Seconds for the closing handshake; nothing of value comes after it."""

FAILURES = (WebSocketException, OSError, UnicodeError)
"""All that a handshake raises. Raise what it means `from None`: it may quote the URL and its credential."""


class Connect(connect):
    """The library's opening handshake without redirects: a credential goes to the configured host only."""

    def process_redirect(self, exc: Exception) -> Exception:
        """Follow none."""
        return exc


def refused(error: Exception, credential: Credential) -> ConnectionRefused:
    """What one of the `FAILURES` means."""
    match error:
        case InvalidStatus(response=response):
            answer = Answer(
                response.status_code,
                next(iter(response.headers.get_all("Retry-After")), None),
                next(iter(response.headers.get_all("X-Request-Id")), None),
                bytes(response.body or b""),
            )
            return refusal(answer, credential, wall_clock())
        case WebSocketException():
            message = f"the answer is not a WebSocket handshake ({type(error).__name__})"
        case ssl.SSLCertVerificationError():
            message = (
                f"the platform's certificate is not trusted: {error.verify_message}; see voipbin.ca_file"
            )
        case TimeoutError():
            message = f"no answer within {OPEN_TIMEOUT:g} s"
        case OSError():
            message = f"the platform cannot be reached: {error.strerror or type(error).__name__}"
        case _:
            message = "the platform's host name is no host name"
    return ConnectionRefused(Setback.TRANSIENT, message)

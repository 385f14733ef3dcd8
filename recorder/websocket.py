"""`Connector` over the websockets library: a stream is opened as the platform wants it.

The URL may hold a credential and appears in no message. What a stream brings is the business of `stream`.
"""

import ssl
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

from recorder import __version__
from recorder.clock import Clock
from recorder.config import AuthForm, VoipbinSettings
from recorder.connection import Batch, ConnectionLost, ConnectionRefused, Setback
from recorder.credential import Credential, CredentialKind
from recorder.frames import MAX_MESSAGE
from recorder.pacing import ReadClock
from recorder.redaction import Redaction
from recorder.refusal import refusal
from recorder.stream import CLOSE_TIMEOUT, Stream
from recorder.tls import tls_context
from recorder.watchlist import Watch

OPEN_TIMEOUT = 10.0
"""Seconds for TCP, TLS and the upgrade. The platform answers within 3 s or says 503."""
PING_INTERVAL = 20.0
"""Seconds. The platform sends no pings, and proxies in front of it cut streams idle for about 100 s."""
PING_TIMEOUT = 20.0
"""Seconds. Pongs are late by up to 3 s while the platform sets a stream up."""
MAX_FRAGMENT = MAX_MESSAGE
"""Bytes of a fragment at which the connection is given up: the library gathers it whole."""


class WebSocketConnection:
    """One open stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def unread_since(self) -> float | None:
        """See `Connection.unread_since`."""
        return self._stream.unread_since

    async def receive(self, within: float | None = None) -> Batch | None:
        """The next batch; see `Connection.receive`."""
        inbox = self._stream.inbox
        batch = await inbox.take(within)
        if batch is None and inbox.ended:
            raise ConnectionLost(self._stream.farewell)
        return batch

    async def close(self) -> None:
        """Send Close and wait for the answer, briefly; see `Connection.close`."""
        await self._stream.hang_up()


class _Connect(connect):
    """The library's opening handshake without redirects: a credential goes to the configured host only."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class WebSocketConnector:
    """Opens streams of one platform with one credential."""

    def __init__(self, settings: VoipbinSettings, credential: Credential, clock: Clock) -> None:
        self._url = settings.url.rstrip("/")
        self._auth = settings.auth
        self._credential = credential
        self._redaction = Redaction(credential.secret)
        # The library calls what it is given with a protocol and options of its own.
        self._arguments: dict[str, Any] = {
            "create_connection": partial(Stream, clock=clock, reads=ReadClock(settings.read_interval)),
            "ssl": tls_context(settings),
        }

    async def connect(self, watch: Watch) -> WebSocketConnection:
        """Open the stream of a watch; see `Connector.connect`."""
        try:
            stream = await _Connect(
                self._stream_url(watch),
                additional_headers=self._headers(),
                user_agent_header=f"conference-recorder/{__version__}",
                compression=None,
                open_timeout=OPEN_TIMEOUT,
                ping_interval=PING_INTERVAL,
                ping_timeout=PING_TIMEOUT,
                close_timeout=CLOSE_TIMEOUT,
                max_size=(None, MAX_FRAGMENT),
                **self._arguments,
            )
        # `from None`: the library's exceptions may quote the URL and its credential.
        except InvalidStatus as error:
            response = error.response
            raise refusal(
                response.status_code,
                next(iter(response.headers.get_all("Retry-After")), None),
                next(iter(response.headers.get_all("X-Request-Id")), None),
                bytes(response.body or b""),
                self._redaction,
            ) from None
        except (InvalidHandshake, WebSocketException) as error:
            message = f"the answer is not a WebSocket handshake ({type(error).__name__})"
            raise ConnectionRefused(Setback.TRANSIENT, message) from None
        except ssl.SSLCertVerificationError as error:
            message = (
                f"the platform's certificate is not trusted: {error.verify_message}; see voipbin.ca_file"
            )
            raise ConnectionRefused(Setback.TRANSIENT, message) from None
        except TimeoutError:
            raise ConnectionRefused(Setback.TRANSIENT, f"no answer within {OPEN_TIMEOUT:g} s") from None
        except UnicodeError:
            raise ConnectionRefused(Setback.TRANSIENT, "the platform's host name is no host name") from None
        except OSError as error:
            message = f"the platform cannot be reached: {error.strerror or type(error).__name__}"
            raise ConnectionRefused(Setback.TRANSIENT, message) from None
        assert isinstance(stream, Stream)  # noqa: S101  `create_connection` made it
        return WebSocketConnection(stream)

    def _stream_url(self, watch: Watch) -> str:
        query = {"encapsulation": watch.encapsulation.value}
        if self._credential.kind is CredentialKind.ACCESSKEY:
            query["accesskey"] = self._credential.secret
        elif self._auth is AuthForm.QUERY:
            query["token"] = self._credential.secret
        path = f"{watch.watch_id.kind.folder}/{watch.watch_id.id}/media_stream"
        return f"{self._url}/{path}?{urlencode(query, quote_via=quote)}"

    def _headers(self) -> dict[str, str]:
        """The header keeps a token out of access logs; the platform knows none for an access key."""
        if self._credential.kind is CredentialKind.TOKEN and self._auth is AuthForm.HEADER:
            return {"Authorization": f"Bearer {self._credential.secret}"}
        return {}

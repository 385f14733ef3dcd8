"""`Connector` over the websockets library: a stream is opened as the platform wants it.

The URL may hold a credential and appears in no message. What a stream brings is the business of `stream`.
"""

from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from recorder import access, handshake
from recorder.clock import Clock
from recorder.config import VoipbinSettings
from recorder.connection import Batch, ConnectionLost
from recorder.credential import Credential
from recorder.frames import MAX_MESSAGE
from recorder.pacing import ReadClock
from recorder.stream import Stream
from recorder.tls import tls_context
from recorder.watchlist import Watch

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


class WebSocketConnector:
    """Opens streams of one platform with one credential."""

    def __init__(self, settings: VoipbinSettings, credential: Credential, clock: Clock) -> None:
        self._url = settings.url.rstrip("/")
        self._settings = settings
        self._credential = credential
        # The library calls what it is given with a protocol and options of its own.
        self._arguments: dict[str, Any] = {
            "create_connection": partial(Stream, clock=clock, reads=ReadClock(settings.read_interval)),
            "ssl": tls_context(settings),
        }

    async def connect(self, watch: Watch) -> WebSocketConnection:
        """Open the stream of a watch; see `Connector.connect`."""
        try:
            stream = await handshake.Connect(
                self._stream_url(watch),
                additional_headers=access.headers(self._settings, self._credential),
                user_agent_header=access.USER_AGENT,
                compression=None,
                open_timeout=handshake.OPEN_TIMEOUT,
                ping_interval=handshake.PING_INTERVAL,
                ping_timeout=handshake.PING_TIMEOUT,
                close_timeout=handshake.CLOSE_TIMEOUT,
                max_size=(None, MAX_FRAGMENT),
                **self._arguments,
            )
        except handshake.FAILURES as error:
            raise handshake.refused(error, self._credential) from None
        assert isinstance(stream, Stream)  # noqa: S101  `create_connection` made it
        return WebSocketConnection(stream)

    def _stream_url(self, watch: Watch) -> str:
        query = {"encapsulation": watch.encapsulation.value, **access.query(self._settings, self._credential)}
        path = f"{watch.watch_id.kind.folder}/{watch.watch_id.id}/media_stream"
        return f"{self._url}/{path}?{urlencode(query, quote_via=quote)}"

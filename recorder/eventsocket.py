"""`Announcer` over the platform's event socket, by the websockets library.

The URL may hold a credential and appears in no message.
"""

import json
from collections.abc import Collection
from typing import Final
from urllib.parse import quote, urlencode

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from recorder import access, handshake
from recorder.announcement import read_event
from recorder.config import VoipbinSettings
from recorder.connection import ConnectionLost
from recorder.credential import Credential
from recorder.rate import Precedence, Rate
from recorder.tls import tls_context
from storage.names import WatchId

MOST_BYTES: Final = 1 << 20
"""Of one event; beyond, the socket is given up."""


class EventSocket:
    """One open event socket; see `Announcements`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def subscribe(self, topics: Collection[str]) -> None:
        """Ask for more topics; see `Announcements.subscribe`."""
        try:
            await self._connection.send(json.dumps({"type": "subscribe", "topics": list(topics)}))
        except ConnectionClosed as error:
            raise ConnectionLost(_farewell(error)) from None

    async def receive(self) -> WatchId:
        """What the next event is about."""
        try:
            while True:
                about = read_event(await self._connection.recv())
                if about is not None:
                    return about
        except ConnectionClosed as error:
            raise ConnectionLost(_farewell(error)) from None

    async def close(self) -> None:
        """Send Close and wait for the answer, briefly."""
        await self._connection.close()


class EventSockets:
    """Opens event sockets of one platform with one credential.

    Args:
        rate: of requests, shared with whatever else asks the platform.
    """

    def __init__(self, settings: VoipbinSettings, credential: Credential, *, rate: Rate) -> None:
        self._rate = rate
        self._credential = credential
        query = access.query(settings, credential)
        self._url = f"{settings.url}/ws" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        self._headers = access.headers(settings, credential)
        self._tls = tls_context(settings)

    async def open(self) -> EventSocket:
        """Open one; see `Announcer.open`."""
        await self._rate.take(Precedence.OTHERS)
        try:
            connection = await handshake.Connect(
                self._url,
                additional_headers=self._headers,
                user_agent_header=access.USER_AGENT,
                compression=None,
                open_timeout=handshake.OPEN_TIMEOUT,
                ping_interval=handshake.PING_INTERVAL,
                ping_timeout=handshake.PING_TIMEOUT,
                close_timeout=handshake.CLOSE_TIMEOUT,
                max_size=MOST_BYTES,
                ssl=self._tls,
            )
        except handshake.FAILURES as error:
            raise handshake.refused(error, self._credential) from None
        return EventSocket(connection)


def _farewell(closed: ConnectionClosed) -> str:
    """How the connection ended. The platform ends all of them without a close frame, proxies may send one."""
    return f"closed by the platform with code {closed.rcvd.code}" if closed.rcvd else "ended without a word"

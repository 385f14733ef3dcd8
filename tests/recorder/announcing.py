"""An `Announcer` that announces what it is told to, on whatever clock the test runs."""

import asyncio
from collections.abc import Collection

from recorder.connection import ConnectionLost, ConnectionRefused
from storage.names import WatchId


class ScriptedSocket:
    """One open event socket.

    Attributes:
        topics: what was subscribed to.
    """

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self.closed = False
        self._hints: asyncio.Queue[WatchId | None] = asyncio.Queue()

    async def subscribe(self, topics: Collection[str]) -> None:
        await asyncio.sleep(0)
        self._check()
        self.topics.update(topics)

    async def receive(self) -> WatchId:
        self._check()
        hint = await self._hints.get()
        if hint is None:
            self.closed = True
            raise ConnectionLost("ended without a word")
        return hint

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed = True

    def announce(self, watch: WatchId | None) -> None:
        """An event about a watch; None is the end of the socket."""
        self._hints.put_nowait(watch)

    def _check(self) -> None:
        if self.closed:
            raise ConnectionLost("ended without a word")


class ScriptedAnnouncer:
    """Opens scripted sockets.

    Attributes:
        sockets: all that were opened, in order.
        attempts: when opening was tried, by the loop's clock.
        refusal: raised by every attempt while it is set.
    """

    def __init__(self) -> None:
        self.sockets: list[ScriptedSocket] = []
        self.attempts: list[float] = []
        self.refusal: ConnectionRefused | None = None

    async def open(self) -> ScriptedSocket:
        await asyncio.sleep(0)
        self.attempts.append(asyncio.get_running_loop().time())
        if self.refusal:
            raise self.refusal
        self.sockets.append(ScriptedSocket())
        return self.sockets[-1]

    def announce(self, watch: WatchId) -> None:
        """An event, to who listens now."""
        for socket in self.sockets:
            if not socket.closed:
                socket.announce(watch)

    def drop(self) -> None:
        """End what is open."""
        for socket in self.sockets:
            if not socket.closed:
                socket.announce(None)

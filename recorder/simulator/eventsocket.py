"""One client of the event socket, from the upgrade to the end. Knows no resource."""

import asyncio
from contextlib import suppress
from typing import Final

from anyio import create_task_group
from websockets.exceptions import ConnectionClosed

from recorder.simulator import wire
from recorder.simulator.announcing import Subscriber
from recorder.simulator.line import Line
from recorder.simulator.record import Ended

_PING_INTERVAL: Final = 10.0
"""Seconds, since April 2026."""


def subscribe(line: Line) -> Subscriber:
    """Give a connection that is about to be upgraded its subscriptions."""
    loop = asyncio.get_running_loop()

    def send(payload: str) -> None:
        if line.open:
            line.transport.write(wire.frame(payload.encode(), wire.TEXT))

    def deliver(payload: str, delay: float) -> None:
        loop.call_later(delay, send, payload)

    line.subscriber = Subscriber(deliver)
    return line.subscriber


async def inform(line: Line, subscriber: Subscriber, subscribers: list[Subscriber]) -> None:
    """Serve one upgraded connection until either side ends it. Its subscriptions die with it."""
    subscribers.append(subscriber)
    try:
        async with create_task_group() as tasks:
            tasks.start_soon(_ping, line)
            with suppress(ConnectionClosed):
                async for message in line:
                    if not isinstance(message, str) or not subscriber.command(message):
                        line.hang_up(Ended.TEXT)
            tasks.cancel_scope.cancel()
    finally:
        subscribers.remove(subscriber)


async def _ping(line: Line) -> None:
    with suppress(ConnectionClosed):
        while True:
            await asyncio.sleep(_PING_INTERVAL)
            await line.ping()

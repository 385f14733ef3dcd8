"""The usual ways to take a stream in Python, as the platform's tutorial and a library's first page do it.

Each appends the payload of every message to a file and does nothing else of what a recorder does. It ends
when all its streams have. Run as a process of its own:

    python -m tests.bench.clients websockets|websocket-client URL STREAMS FOLDER [CA]
"""

import asyncio
import ssl
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import uvloop
import websocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

RTP_HEADER = 12
BETWEEN = 0.002
"""Seconds from one connection to the next."""


def path(number: int) -> str:
    return f"/conferences/1ed12456-eb4b-11ee-bba8-{number:012x}/media_stream?encapsulation=rtp"


async def with_websockets(url: str, streams: int, folder: Path, ca: str | None) -> None:
    tls = ssl.create_default_context(cafile=ca) if ca else None

    async def record(number: int) -> None:
        with (folder / str(number)).open("wb") as file, suppress(ConnectionClosed):
            async with connect(url + path(number), compression=None, ssl=tls) as stream:
                async for message in stream:
                    assert isinstance(message, bytes)
                    file.write(message[RTP_HEADER:])

    async with asyncio.TaskGroup() as tasks:
        for number in range(1, streams + 1):
            tasks.create_task(record(number))
            await asyncio.sleep(BETWEEN)


def with_threads(url: str, streams: int, folder: Path, ca: str | None) -> None:
    def record(number: int) -> None:
        stream = websocket.create_connection(url + path(number), sslopt={"ca_certs": ca} if ca else {})
        with (
            (folder / str(number)).open("wb") as file,
            suppress(websocket.WebSocketConnectionClosedException),
        ):
            while message := stream.recv():
                assert isinstance(message, bytes)
                file.write(message[RTP_HEADER:])

    threads = [threading.Thread(target=record, args=(number,)) for number in range(1, streams + 1)]
    for thread in threads:
        thread.start()
        time.sleep(BETWEEN)
    for thread in threads:
        thread.join()


def main(way: str, url: str, streams: str, folder: str, ca: str | None = None) -> None:
    if way == "websockets":
        uvloop.run(with_websockets(url, int(streams), Path(folder), ca))
    else:
        with_threads(url, int(streams), Path(folder), ca)


if __name__ == "__main__":
    main(*sys.argv[1:])

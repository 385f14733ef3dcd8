"""The usual ways to take a stream in Python, as the platform's tutorial and a library's first page show them.

Each appends the payload of every message to a file and does nothing else of what a recorder does. Run as a
process of its own: `python -m tests.bench.clients websockets|websocket-client PORT STREAMS FOLDER`.
"""

import asyncio
import sys
import threading
from pathlib import Path

import uvloop
import websocket
from websockets.asyncio.client import connect

RTP_HEADER = 12


def url(port: int, number: int) -> str:
    path = f"conferences/1ed12456-eb4b-11ee-bba8-{number:012x}/media_stream?encapsulation=rtp"
    return f"ws://127.0.0.1:{port}/v1.0/{path}"


async def with_websockets(port: int, streams: int, folder: Path) -> None:
    async def record(number: int) -> None:
        with (folder / str(number)).open("wb") as file:
            async with connect(url(port, number), compression=None) as stream:
                async for message in stream:
                    assert isinstance(message, bytes)
                    file.write(message[RTP_HEADER:])

    async with asyncio.TaskGroup() as tasks:
        for number in range(1, streams + 1):
            tasks.create_task(record(number))
            await asyncio.sleep(0.002)


def with_threads(port: int, streams: int, folder: Path) -> None:
    def record(number: int) -> None:
        stream = websocket.create_connection(url(port, number))
        with (folder / str(number)).open("wb") as file:
            while message := stream.recv():
                assert isinstance(message, bytes)
                file.write(message[RTP_HEADER:])

    for number in range(1, streams + 1):
        threading.Thread(target=record, args=(number,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    way, port, streams, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    if way == "websockets":
        uvloop.run(with_websockets(port, streams, folder))
    else:
        with_threads(port, streams, folder)

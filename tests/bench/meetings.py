"""A platform with many conferences, some of them live, whose people move on. Run as a process of its own:

    python -m tests.bench.meetings --conferences 2000 --live 200 [--setup 1] [--frame 160] [--seed 0]

It prints its port, then follows commands on standard input, one a line, and answers each with a line of JSON:

report   how many conferences are live and how many of those are heard, what was asked for, CPU
move N   from now on N conferences a second are over, and as many others begin
rest     nobody moves any more
sent     the samples that each conference was heard with, by its id
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter
from contextlib import suppress
from itertools import cycle
from typing import Any
from uuid import UUID

import uvloop

from recorder.simulator import (
    Conference,
    Delivery,
    Platform,
    Programme,
    RateLimit,
    Tape,
    WatchRecord,
    simulate,
    speeches,
)
from storage.names import WatchId, WatchKind

_MEMBERS = 2
_YOUNG = 20
"""Conferences, of those that are live, that began last: they last a while."""
_LATE = 0.2
"""Seconds that an event is late, at most."""


class Meetings:
    """So many conferences, of which so many are live at a time.

    Attributes:
        platform: that has them.
        began: when the first came to each that was live, with what was sent of it since, in order.
    """

    def __init__(self, conferences: int, live: int, *, setup: float, frame: int, seed: int) -> None:
        self._chance = random.Random(seed)
        self._setup, self._frame = setup, frame
        self._tapes = cycle([Tape.speech(name) for name in speeches()])
        self.platform = Platform(limit=RateLimit(), delivery=Delivery(delay=_LATE, seed=seed))
        self._empty = [self._create() for _ in range(conferences)]
        self._live: list[Conference] = []
        self.began: list[tuple[float, Conference, int]] = []
        for _ in range(live):
            self._begin(self._empty.pop(self._chance.randrange(len(self._empty))))
        self._at_first = len(self.began)

    def _create(self) -> Conference:
        watch = WatchId(WatchKind.CONFERENCE, str(UUID(int=self._chance.getrandbits(128), version=4)))
        programme = Programme(watch, next(self._tapes), frame=self._frame, setup=self._setup)
        return self.platform.create(programme, f"board {watch.id[:8]}")

    def _begin(self, conference: Conference) -> None:
        runs = sum(len(each.runs) for each in self._record(conference).connections)
        self.began.append((time.monotonic(), conference, runs))
        self._live.append(conference)
        for _ in range(_MEMBERS):
            conference.join()

    def _record(self, conference: Conference) -> WatchRecord:
        return self.platform.record(conference.watch)

    async def move(self, a_second: float) -> None:
        """One after the other is over, by deletion or because all leave, and another begins."""
        for deleted in cycle((False, True)):
            await asyncio.sleep(1 / a_second)
            over = self._live.pop(self._chance.randrange(max(1, len(self._live) - _YOUNG)))
            if deleted:
                over.delete()
                self._begin(self._create())
                continue
            while over.participants:
                over.leave()
            self._begin(self._empty.pop(self._chance.randrange(len(self._empty))))
            self._empty.append(over)

    def report(self) -> dict[str, Any]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        asked = self.platform.asked
        moments = [each.at for each in asked]
        return {
            "live": len(self._live),
            "heard": sum(self._first_heard(*each) is not None for each in self.began[: self._at_first]),
            "requests": Counter(_kind(each.target) for each in asked),
            "busiest": max((_within_a_second(moments, n) for n in range(len(moments))), default=0),
            "throttled": sum(each.status == 429 for each in asked),
            "late": [self._late(*each) for each in self.began[self._at_first :]],
            "cpu": usage.ru_utime + usage.ru_stime,
        }

    def _late(self, since: float, conference: Conference, runs: int) -> float | None:
        heard = self._first_heard(since, conference, runs)
        return None if heard is None else heard - since

    def _first_heard(self, _since: float, conference: Conference, before: int) -> float | None:
        runs = [run for each in self._record(conference).connections for run in each.runs]
        return runs[before].sent_at if len(runs) > before else None

    def sent(self) -> dict[str, int]:
        records = {watch.id: self.platform.record(watch) for watch in self.platform.watches}
        counts = {
            id_: sum(run.count for each in record.connections for run in each.runs)
            for id_, record in records.items()
        }
        return {id_: count for id_, count in counts.items() if count}


def _kind(target: str) -> str:
    if target.endswith("/media_stream"):
        return "streams"
    if target.endswith("/ws"):
        return "event sockets"
    return "pages" if target.endswith("/conferences") else "gets"


def _within_a_second(moments: list[float], first: int) -> int:
    return sum(1 for at in moments[first : first + 100] if at < moments[first] + 1)


async def main(arguments: argparse.Namespace) -> None:
    meetings = Meetings(
        arguments.conferences,
        arguments.live,
        setup=arguments.setup,
        frame=arguments.frame,
        seed=arguments.seed,
    )
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    moving: asyncio.Task[None] | None = None
    async with simulate(meetings.platform) as server:
        print(server.url, flush=True)  # noqa: T201  the answer to whoever started it
        while line := (await reader.readline()).decode().strip():
            command, _, argument = line.partition(" ")
            if command == "move":
                moving = asyncio.create_task(meetings.move(float(argument)))
            elif command == "rest" and moving:
                moving.cancel()
                with suppress(asyncio.CancelledError):
                    await moving
            answer = meetings.sent() if command == "sent" else meetings.report()
            print(json.dumps(answer), flush=True)  # noqa: T201  as above


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--conferences", type=int, default=2000)
    parser.add_argument("--live", type=int, default=200)
    parser.add_argument("--setup", type=float, default=1.0)
    parser.add_argument("--frame", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    uvloop.run(main(parser.parse_args()))

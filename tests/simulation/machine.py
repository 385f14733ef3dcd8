"""The machine of a simulated world: its disk, its network and the death of a process in the midst of a call.

A life that has ended does nothing any more: no call of it is begun, none that was begun is answered, and the
operation on the file system before which it died has not happened.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Final

import anyio

from recorder.offload import Arguments, Result
from recorder.uploader import PARALLEL
from tests.recorder.disk import disk_of
from tests.simulation.bucket import Bucket, Hangs
from tests.simulation.plan import Spell

_STEPS: Final = frozenset(
    {"open", "os.link", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.scandir", "os.truncate"}
)
"""Operations as Python's audit hooks name them. A sync is preceded by an `open`, so it is among them."""


class Killed(BaseException):
    """The process is dead. Nothing in it may catch this."""


class Life:
    """One process, from its start to its end.

    Attributes:
        over: set when it has died.
        operations: on the file system, until now.
    """

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.operations = 0
        self._left: int | None = None

    def die_after(self, operations: int) -> None:
        """Die before the operation on the file system that comes after so many others."""
        self._left = operations

    def die(self) -> None:
        self.over.set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """What is done in here on the file system is done by this process."""
        _install()
        global _working  # noqa: PLW0603  an audit hook is told nothing else
        before, _working = _working, self
        try:
            yield
        finally:
            _working = before

    def step(self) -> None:
        """An operation on the file system is about to happen.

        Raises:
            Killed: it does not, and nor does any other.
        """
        self.operations += 1
        if self._left is not None:
            if self._left == 0:
                self.die()
            self._left -= 1
        if self.over.is_set():
            raise Killed


_working: Life | None = None
_installed = False


def _install() -> None:
    """Hooks cannot be taken back; this one does nothing while no life works."""
    global _installed  # noqa: PLW0603  once a process
    if not _installed:
        _installed = True
        # At its first call it opens the files of a module: operations of the life into which it would fall.
        datetime.strptime("2026+0000", "%Y%z")
        sys.addaudithook(_audit)


def _audit(event: str, _arguments: tuple[object, ...]) -> None:
    if _working is not None and event in _STEPS:
        _working.step()


class SimulatedDisk:
    """A `Disk` on the loop's own clock: some calls take their time, and a full disk lets no file grow."""

    def __init__(
        self, life: Life, slow: tuple[Spell, ...], full: tuple[Spell, ...], chance: random.Random
    ) -> None:
        self._life = life
        self._slow = slow
        self._full = full
        self._chance = chance

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        # As a thread would: a call that was begun is finished, whatever becomes of its caller.
        return await asyncio.shield(self.begin(call, *arguments))

    def begin(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> asyncio.Future[Result]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        is_slow = any(spell.covers(loop.time()) for spell in self._slow)
        delay = self._chance.uniform(0.1, 5) if is_slow else self._chance.choice((0.0, 0.002))
        loop.call_later(delay, self._perform, answer, lambda: call(*arguments))
        return answer

    def close(self) -> None:
        pass

    def _perform(self, answer: asyncio.Future[Result], call: Callable[[], Result]) -> None:
        is_full = any(spell.covers(asyncio.get_running_loop().time()) for spell in self._full)
        with disk_of(0) if is_full else nullcontext():
            _answer(self._life, answer, call)


class SimulatedNetwork:
    """An `Offload` to the bucket, for a few calls at a time. What was abandoned may be done all the same."""

    def __init__(self, life: Life, bucket: Bucket, chance: random.Random) -> None:
        self._life = life
        self._bucket = bucket
        self._chance = chance
        self._limiter = anyio.CapacityLimiter(PARALLEL + 1)

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        async with self._limiter:
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[Result] = loop.create_future()
            loop.call_later(
                self._bucket.latency(self._chance), self._perform, answer, lambda: call(*arguments)
            )
            return await answer

    def _perform(self, answer: asyncio.Future[Result], call: Callable[[], Result]) -> None:
        try:
            _answer(self._life, answer, call)
        except Hangs:
            if self._chance.random() < 0.5:
                # The request was on its way, and is done when nobody waits for it any more.
                later = self._chance.uniform(1, 4000)
                asyncio.get_running_loop().call_later(later, self._perform, answer, call)


def _answer(life: Life, answer: asyncio.Future[Result], call: Callable[[], Result]) -> None:
    """Make a call where it stands, and answer it unless the life ends in it or has ended."""
    if life.over.is_set():
        return
    try:
        with life.working():
            result = call()
    except Killed:
        return
    except Hangs:
        raise
    except Exception as error:  # noqa: BLE001  it is raised where the call was asked for
        if not answer.done():
            answer.set_exception(error)
    else:
        if not answer.done():
            answer.set_result(result)

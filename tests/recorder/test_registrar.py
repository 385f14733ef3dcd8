"""Names are entered into the register once the audio is there, and whatever becomes of that harms nothing."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from recorder.offload import Arguments, Offload, Result
from recorder.registrar import LAST_WORDS, Registrar
from storage.errors import StoreRejected, StoreUnavailable
from storage.lookup import find
from storage.manifest import SegmentManifest
from storage.names import WatchId, WatchKind
from storage.presence import PlatformFacts
from storage.register import REGISTER, Entry, format_entry
from tests.fakes import MemoryStore
from tests.storage.segments import BOARD, manifest, speech, store_segment
from tests.virtual import Inline

pytestmark = pytest.mark.anyio

CALL = WatchId(WatchKind.CALL, "652af662-eb45-11ee-b1a5-6fde165f9226")


class Counting(MemoryStore):
    """A store that counts what is put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.puts = 0

    def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
        self.puts += 1
        super().put(key, source, sha256=sha256, content_type=content_type)


class Hung:
    """An `Offload` whose calls never end."""

    async def __call__(self, call: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        await anyio.sleep(math.inf)
        return call(*arguments)


@asynccontextmanager
async def entering(store: MemoryStore, network: Offload | None = None) -> AsyncIterator[Registrar]:
    registrar = Registrar(store, network=network or Inline(seconds=0.1), chance=lambda: 0.5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(registrar.run)
        yield registrar
        tasks.cancel_scope.cancel()


def segment(
    name: str | None, of: WatchId = BOARD, *, platform: str | None = None, number: int = 0
) -> SegmentManifest:
    made = manifest(speech(8), watch=of, name=name, number=number)
    return made.model_copy(update={"platform": PlatformFacts(name=platform)}) if platform else made


def entries(store: MemoryStore) -> list[str]:
    return [item.key for item in store.list(REGISTER)]


async def test_each_name_of_each_watch_is_entered_once_in_a_life() -> None:
    store = Counting()
    async with entering(store) as registrar:
        for number in range(50):
            registrar.uploaded(segment("board", platform="Board Room", number=number))
            registrar.uploaded(segment(None, CALL, number=number))
            await anyio.sleep(1)

    assert entries(store) == sorted(
        Entry(*each).key for each in [("board", BOARD), ("board room", BOARD), ("", CALL)]
    )
    assert store.puts == 3


async def test_what_was_entered_finds_the_segment() -> None:
    store, one = MemoryStore(), segment("Board")
    store_segment(store, speech(8), one)
    async with entering(store) as registrar:
        registrar.uploaded(one)
        await anyio.sleep(1)

    assert [(named.watch, named.name) for named in find(store, "board").watches] == [(BOARD, "Board")]


async def test_the_life_after_finds_it_entered_and_leaves_it() -> None:
    store = Counting()
    for number in range(2):
        async with entering(store) as registrar:
            registrar.uploaded(segment("board", number=number))
            await anyio.sleep(100)

    assert store.objects == {Entry("board", BOARD).key: format_entry(segment("board").key)}
    assert store.puts == 2, "and asked for it no more"


@pytest.mark.parametrize(
    "failure", [StoreUnavailable("away"), StoreRejected("no"), StoreRejected("not there")]
)
async def test_what_fails_is_tried_again_ever_more_rarely(failure: Exception) -> None:
    store = Counting()
    async with entering(store) as registrar:
        store.failure = failure  # type: ignore[assignment]
        registrar.uploaded(segment("board"))
        await anyio.sleep(3600)
        assert 3 < store.puts < 30
        store.failure = None
        await anyio.sleep(600)

    assert entries(store) == [Entry("board", BOARD).key]


async def test_one_that_is_always_refused_does_not_hold_up_the_others() -> None:
    store = MemoryStore()
    store.failures[Entry("board", BOARD).key] = StoreRejected("no")
    async with entering(store) as registrar:
        registrar.uploaded(segment("board"))
        registrar.uploaded(segment("sales", CALL))
        await anyio.sleep(60)

    assert entries(store) == [Entry("sales", CALL).key]


async def test_a_name_gets_into_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    store = MemoryStore()
    store.failure = StoreRejected(f"put {Entry('jane doe', BOARD).key}: forbidden")
    async with entering(store) as registrar:
        registrar.uploaded(segment("Jane Doe"))
        await anyio.sleep(60)

    said = capsys.readouterr().out
    assert said.count("names are not entered") == 1
    assert "jane" not in said.lower()


@pytest.mark.parametrize(("deadline", "waits"), [(60.0, LAST_WORDS), (2.0, 2.0), (-1.0, 0.0)])
async def test_a_stop_waits_for_it_a_moment_and_no_longer(deadline: float, waits: float) -> None:
    store = MemoryStore()
    async with entering(store) as registrar:
        registrar.uploaded(segment("board"))
        await registrar.finish(anyio.current_time() + 60)
        assert len(entries(store)) == 1

    async with entering(store, Hung()) as registrar:
        registrar.uploaded(segment("sales"))
        began = anyio.current_time()
        await registrar.finish(began + deadline)
        assert anyio.current_time() - began == pytest.approx(waits, abs=0.1)

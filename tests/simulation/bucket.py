"""The store of a simulated world: the memory store, with the troubles of a plan."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from storage.errors import StoreRejected, StoreUnavailable
from storage.store import ObjectStat
from tests.fakes import MemoryStore
from tests.simulation.plan import Spell, StoreTrouble


class Hangs(Exception):
    """A call that will not return. Whoever makes calls must see to it that it does not."""


class Bucket(MemoryStore):
    """An `ObjectStore` on the loop's clock.

    Attributes:
        is_well: whether it is out of trouble for good.
        puts: keys in the order in which they were stored.
        conflicts: keys that came with other bytes than were there.
    """

    def __init__(self, spells: tuple[Spell, ...], chance: random.Random) -> None:
        super().__init__()
        self._spells = spells
        self._chance = chance
        self._picked: dict[Spell, str] = {}
        self.is_well = False
        self.puts: list[str] = []
        self.overwritten: list[str] = []

    def latency(self, chance: random.Random) -> float:
        """Seconds that the network takes for the next call."""
        if self._trouble(StoreTrouble.SLOW):
            return chance.uniform(1, 150)
        return chance.uniform(0.01, 0.5)

    def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
        self._pass(key)
        data = source if isinstance(source, bytes) else source.read_bytes()
        if self.objects.get(key, data) != data:
            self.overwritten.append(key)
        super().put(key, data, sha256=sha256, content_type=content_type)
        self.puts.append(key)
        self._forget()

    @contextmanager
    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        self._pass(key)
        with super().open(key, start=start, length=length) as stream:
            yield stream

    def stat(self, key: str) -> ObjectStat:
        self._pass(key)
        if self._chance.random() < 0.5:
            return super().stat(key)
        # A store that keeps no checksum must be read back.
        return ObjectStat(key, super().stat(key).size)

    def _pass(self, key: str) -> None:
        """Let a call through, or not."""
        if self._trouble(StoreTrouble.AWAY):
            raise StoreUnavailable("the store is away")
        if self._trouble(StoreTrouble.REFUSING):
            raise StoreRejected("the credentials have expired")
        if self._trouble(StoreTrouble.HANGING) and self._chance.random() < 0.4:
            raise Hangs
        spell = self._trouble(StoreTrouble.PICKY)
        if spell and self._picked.setdefault(spell, _stem(key)) == _stem(key):
            raise StoreRejected("this object is not wanted")

    def _forget(self) -> None:
        """Lose the answer to what was done."""
        if self._trouble(StoreTrouble.FORGETFUL) and self._chance.random() < 0.5:
            raise StoreUnavailable("the connection was lost before there was an answer")
        if self._trouble(StoreTrouble.HANGING) and self._chance.random() < 0.3:
            raise Hangs

    def _trouble(self, kind: StoreTrouble) -> Spell | None:
        if self.is_well:
            return None
        now = asyncio.get_running_loop().time()
        return next((spell for spell in self._spells if spell.kind == kind and spell.covers(now)), None)


def _stem(key: str) -> str:
    return key.rpartition(".")[0]

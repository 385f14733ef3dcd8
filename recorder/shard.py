"""Which instance of several records a watch: each takes its share of one watch list, and none asks another.

Rendezvous hashing. Shard K of N has for every watch a weight that does not depend on N, and the shard with
the greatest has the watch:

    weight = SHA-256 of the ASCII text "K/KIND/ID", such as "2/call/652af662-eb45-11ee-b1a5-6fde165f9226"

K is written in decimal, KIND is `conference` or `call`, ID the UUID in lower case with hyphens. Weights are
compared as 256-bit numbers, big end first. With one shard more, it takes its part of the watches from all
others, and no other watch moves; with one less, its watches go to all others.

The scheme never changes: of a fleet in which two releases disagreed, a watch would be recorded twice or not
at all. Pure: knows no list and no file.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from recorder.problems import shown
from storage.names import WatchId

MOST_SHARDS = 256
"""Instances. Each weighs every watch as often as there are shards, so there must be some end."""

_WRITTEN = re.compile(r"(?P<number>[1-9][0-9]{0,2})/(?P<count>[1-9][0-9]{0,2})")


@dataclass(frozen=True, slots=True)
class Shard:
    """One share of a watch list: number `number`, from 1, of `count`.

    Raises:
        ValueError: there is no such share.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count <= MOST_SHARDS:
            raise ValueError(f"there is no shard {self}; K/N has K from 1 to N, and N up to {MOST_SHARDS}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2/4`: the second of four.

        Raises:
            ValueError: it is not written like that, or there is no such shard.
        """
        match = _WRITTEN.fullmatch(text)
        if match is None:
            raise ValueError(
                f'{shown(text)} is not a shard; write which of how many in quotes, such as "2/4"'
            )
        number, count = int(match["number"]), int(match["count"])
        if count > MOST_SHARDS:
            raise ValueError(f"{shown(text)} is of too many; use {MOST_SHARDS} shards at most")
        if number > count:
            raise ValueError(f"{shown(text)} is none of the {count} shards; use 1/{count} to {count}/{count}")
        return cls(number, count)

    def holds(self, watch_id: WatchId) -> bool:
        """Whether the watch of that id belongs to this shard. Of all shards of a count, one says yes."""
        own = _weight(self.number, watch_id)
        return all(
            _weight(other, watch_id) < own for other in range(1, self.count + 1) if other != self.number
        )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def _weight(number: int, watch_id: WatchId) -> bytes:
    return hashlib.sha256(f"{number}/{watch_id.kind.value}/{watch_id.id}".encode("ascii")).digest()

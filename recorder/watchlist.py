"""Which conferences and calls should be recorded. Not how.

A watch list is a value: it is never changed, and compared with the one before it. Knows no file, no
connection, no task and no time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Self

from recorder.core.media import CodecChoice, Encapsulation
from recorder.core.snapshot import Snapshot
from recorder.shard import Shard
from storage.names import WatchId, WatchKind


@dataclass(frozen=True, slots=True)
class Watch:
    """One conference or call to be recorded.

    Attributes:
        watch_id: which one.
        name: for people; None where it has none.
        encapsulation: what the platform is asked for.
        codec: what the payload is taken for.
        legal_hold: whether nobody may delete what is recorded, until a person lifts that.
        discovered: whether a pattern named it.
    """

    watch_id: WatchId
    name: str | None
    encapsulation: Encapsulation
    codec: CodecChoice
    legal_hold: bool = False
    discovered: bool = False


class ConferenceType(StrEnum):
    """What a conference is for, in the platform's words. Its lists have the first only."""

    CONFERENCE = "conference"
    CONNECT = "connect"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Conferences to be recorded that nobody has named one by one. Capitals and small letters are the same.

    Attributes:
        name: a glob that their names match; `*` matches those without a name, too.
        type: what they are for.
        exclude: globs of names, and ids, of those that are not to be recorded.
        encapsulation: what the platform is asked for.
        codec: what the payload is taken for.
        legal_hold: as that of a watch.
        place: where it stands, for people.
    """

    name: str
    type: ConferenceType
    exclude: tuple[str, ...]
    encapsulation: Encapsulation
    codec: CodecChoice
    legal_hold: bool = False
    place: str = field(default="", compare=False)

    def matches(self, conference: Snapshot) -> bool:
        """Whether it names a conference, as that is called now."""
        if conference.watch_id.kind is not WatchKind.CONFERENCE or conference.type != self.type:
            return False
        name = conference.name.casefold()
        excluded = any(
            each.casefold() == conference.watch_id.id or fnmatchcase(name, each.casefold())
            for each in self.exclude
        )
        return fnmatchcase(name, self.name.casefold()) and not excluded

    def watch(self, conference: Snapshot) -> Watch:
        """What is to be recorded of a conference that it names."""
        return Watch(
            watch_id=conference.watch_id,
            name=conference.name or None,
            encapsulation=self.encapsulation,
            codec=self.codec,
            legal_hold=self.legal_hold,
            discovered=True,
        )

    def __str__(self) -> str:
        return f'{self.place} "{self.name}"' if self.place else f'"{self.name}"'


@dataclass(frozen=True, slots=True)
class WatchList:
    """What should be recorded, each once: conferences before calls, as they stand in the file.

    Attributes:
        watches: what this instance records.
        elsewhere: how many more the file has, which are for other instances.
        patterns: what else is to be recorded, if the platform has it. Of several that name the same
            conference the first counts.

    Raises:
        ValueError: two watches have the same id.
    """

    watches: tuple[Watch, ...] = ()
    elsewhere: int = 0
    patterns: tuple[Pattern, ...] = ()

    def __post_init__(self) -> None:
        if len({watch.watch_id for watch in self.watches}) != len(self.watches):
            raise ValueError("a watch stands twice in the list")

    def __iter__(self) -> Iterator[Watch]:
        return iter(self.watches)

    def __len__(self) -> int:
        return len(self.watches)

    def get(self, watch_id: WatchId) -> Watch | None:
        """The watch of that id, or None."""
        return next((watch for watch in self.watches if watch.watch_id == watch_id), None)

    @property
    def listed(self) -> int:
        """How many watches the file has, whoever records them."""
        return len(self.watches) + self.elsewhere

    def share(self, shard: Shard) -> Self:
        """What of this list belongs to `shard`."""
        own = tuple(watch for watch in self.watches if shard.holds(watch.watch_id))
        return replace(self, watches=own, elsewhere=self.listed - len(own))


@dataclass(frozen=True, slots=True)
class WatchListDiff:
    """What must stop and what must start. A watch whose settings changed is in both; order does not count."""

    added: tuple[Watch, ...]
    removed: tuple[Watch, ...]

    @classmethod
    def between(cls, old: WatchList, new: WatchList) -> Self:
        """What leads from `old` to `new`; each part in the order of its list."""
        before, after = frozenset(old), frozenset(new)
        return cls(
            added=tuple(watch for watch in new if watch not in before),
            removed=tuple(watch for watch in old if watch not in after),
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

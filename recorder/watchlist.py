"""Which conferences and calls should be recorded. Not how.

A watch list is a value: it is loaded as a whole, never changed, and compared with the one before it.
Knows no connection, no task and no time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from recorder.core.media import CodecChoice, Encapsulation
from recorder.credential import credentials_in_file
from recorder.problems import ConfigurationError, KeyPath, Layout, explain, key_name, shown, unknown_key
from recorder.shard import Shard
from recorder.toml_source import TomlSource
from recorder.values import CodecWord, EncapsulationWord
from storage.names import WatchId, WatchKind

_MAX_NAME = 200
"""Characters. It stands in every log line and manifest of its watch."""


_EXAMPLE_ID = "1ed12456-eb4b-11ee-bba8-1bfb2838807a"


@dataclass(frozen=True, slots=True)
class WatchDefaults:
    """What holds for a watch that says nothing else."""

    encapsulation: Encapsulation = Encapsulation.RTP
    codec: CodecChoice = CodecChoice.AUTO
    can_hold: bool = True
    """Whether the store may have legal hold."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One conference or call to be recorded.

    Attributes:
        watch_id: which one.
        name: for people; None where it has none.
        encapsulation: what the platform is asked for.
        codec: what the payload is taken for.
        legal_hold: whether nobody may delete what is recorded, until a person lifts that.
    """

    watch_id: WatchId
    name: str | None
    encapsulation: Encapsulation
    codec: CodecChoice
    legal_hold: bool = False


@dataclass(frozen=True, slots=True)
class WatchList:
    """What should be recorded, each once: conferences before calls, as they stand in the file.

    Attributes:
        watches: what this instance records.
        elsewhere: how many more the file has, which are for other instances.

    Raises:
        ValueError: two watches have the same id.
    """

    watches: tuple[Watch, ...] = ()
    elsewhere: int = 0

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
        return type(self)(own, elsewhere=self.listed - len(own))


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


def load_watchlist(path: Path, defaults: WatchDefaults, shard: Shard | None = None) -> WatchList:
    """Read a watch list, or the share of it; a file without entries is one, and nothing is watched then.

    Raises:
        ConfigurationError: with all that is wrong with the file, whoever would record it.
    """
    watches = _Reading(TomlSource.read(path), defaults).watchlist()
    return watches if shard is None else watches.share(shard)


def _watch_id_text(text: str) -> str:
    try:
        return WatchId(WatchKind.CALL, text).id
    except ValueError:
        raise ValueError(f"{shown(text)} names nothing; write a UUID such as {_EXAMPLE_ID}") from None


def _printable_name(text: str) -> str:
    if not 0 < len(text.strip()) <= _MAX_NAME or not text.isprintable():
        raise ValueError(
            f"{shown(text)} is not a name of 1 to {_MAX_NAME} printable characters; shorten or remove it"
        )
    return text


class _Entry(BaseModel):
    """One `[[conference]]` or `[[call]]` of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    id: Annotated[str, AfterValidator(_watch_id_text)] = Field(examples=[_EXAMPLE_ID])
    name: Annotated[str, AfterValidator(_printable_name)] | None = None
    encapsulation: EncapsulationWord | None = None
    codec: CodecWord | None = None
    legal_hold: bool = False


_ENTRY_KEYS = ("id", "name", "encapsulation", "codec", "legal_hold")
_KNOWN: Layout = {(): tuple(WatchKind), ("conference",): _ENTRY_KEYS, ("call",): _ENTRY_KEYS}


class _Reading:
    """One pass over a file, which goes on after a problem so as to find them all."""

    def __init__(self, source: TomlSource, defaults: WatchDefaults) -> None:
        self._source = source
        self._defaults = defaults
        self._problems = credentials_in_file(source)
        self._seen: dict[WatchId, KeyPath] = {}
        self._watches: list[Watch] = []

    def watchlist(self) -> WatchList:
        for key in self._source.tables:
            if key not in _KNOWN[()]:
                self._report((key,), unknown_key((key,), _KNOWN))
        for kind in WatchKind:
            for place, entry in enumerate(self._entries(kind)):
                self._read_entry(kind, (kind.value, place), entry)
        if self._problems:
            raise ConfigurationError(sorted(self._problems.values(), key=lambda problem: problem.line or 0))
        return WatchList(tuple(self._watches))

    def _entries(self, kind: WatchKind) -> list[dict[str, Any]]:
        entries = self._source.tables.get(kind, [])
        if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
            return entries
        self._report(
            (kind.value,), f"is not a list of tables; write [[{kind}]], in two brackets, above each entry"
        )
        return []

    def _read_entry(self, kind: WatchKind, path: KeyPath, table: dict[str, Any]) -> None:
        self._refuse_duplicate(kind, path, table.get("id"))
        try:
            entry = _Entry.model_validate(table)
        except ValidationError as error:
            for key, message in explain(error, _Entry, _KNOWN, path):
                self._report(key, message)
            return
        if entry.legal_hold and not self._defaults.can_hold:
            self._report(
                (*path, "legal_hold"),
                "a folder has no legal hold; remove the key, or store in a bucket with Object Lock",
            )
            return
        self._watches.append(
            Watch(
                watch_id=WatchId(kind, entry.id),
                name=entry.name,
                encapsulation=entry.encapsulation or self._defaults.encapsulation,
                codec=entry.codec or self._defaults.codec,
                legal_hold=entry.legal_hold,
            )
        )

    def _refuse_duplicate(self, kind: WatchKind, path: KeyPath, value: object) -> None:
        """Ids are compared by themselves, so that another mistake in an entry does not hide this one."""
        try:
            watch_id = WatchId(kind, value if isinstance(value, str) else "")
        except ValueError:
            return  # reported as such
        first = self._seen.setdefault(watch_id, path)
        if first != path:
            line = self._source.line((*first, "id"))
            message = (
                f"{watch_id} is watched already, by {key_name(first)} in line {line}; remove one of the two"
            )
            self._report((*path, "id"), message)

    def _report(self, path: KeyPath, message: str) -> None:
        """Keep the first problem of a key; it is the one to act on."""
        self._problems.setdefault(path, self._source.problem(path, message))

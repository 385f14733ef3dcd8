"""Reads the file of a watch list: every mistake of it in one pass, with its line and what to write instead.

Knows what the keys mean, and nothing of what becomes of the watches.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from recorder.core.media import CodecChoice, Encapsulation
from recorder.credential import credentials_in_file
from recorder.problems import ConfigurationError, KeyPath, Layout, explain, key_name, shown, unknown_key
from recorder.shard import Shard
from recorder.toml_source import TomlSource
from recorder.values import CodecWord, EncapsulationWord, choice
from recorder.watchlist import ConferenceType, Pattern, Watch, WatchList
from storage.names import WatchId, WatchKind

_MAX_NAME = 200
"""Characters. It stands in every log line and manifest of its watch."""
_DISCOVER = "discover"
_EXAMPLE_ID = "1ed12456-eb4b-11ee-bba8-1bfb2838807a"


@dataclass(frozen=True, slots=True)
class WatchDefaults:
    """What holds for a watch that says nothing else.

    Attributes:
        can_hold: whether the store may have legal hold.
        observed: whether the platform is asked what there is.
    """

    encapsulation: Encapsulation = Encapsulation.RTP
    codec: CodecChoice = CodecChoice.AUTO
    can_hold: bool = True
    observed: bool = True


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


_Name = Annotated[str, AfterValidator(_printable_name)]


class _Table(BaseModel):
    """What any entry of the file may say."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    encapsulation: EncapsulationWord | None = None
    codec: CodecWord | None = None
    legal_hold: bool = False


class _Entry(_Table):
    """One `[[conference]]` or `[[call]]` of the file."""

    id: Annotated[str, AfterValidator(_watch_id_text)] = Field(examples=[_EXAMPLE_ID])
    name: _Name | None = None


class _Discover(_Table):
    """One `[[discover]]` of the file."""

    name: _Name = "*"
    type: Annotated[ConferenceType, choice(ConferenceType)] = ConferenceType.CONFERENCE
    exclude: list[_Name] = Field(default_factory=list)


_ENTRY_KEYS = tuple(_Entry.model_fields)
_KNOWN: Layout = {
    (): (*WatchKind, _DISCOVER),
    **{(kind,): _ENTRY_KEYS for kind in WatchKind},
    (_DISCOVER,): tuple(_Discover.model_fields),
}


_Read = TypeVar("_Read", bound=_Table)


class _Reading:
    """One pass over a file, which goes on after a problem so as to find them all."""

    def __init__(self, source: TomlSource, defaults: WatchDefaults) -> None:
        self._source = source
        self._defaults = defaults
        self._problems = credentials_in_file(source)
        self._seen: dict[WatchId, KeyPath] = {}
        self._watches: list[Watch] = []
        self._patterns: list[Pattern] = []

    def watchlist(self) -> WatchList:
        for key in self._source.tables:
            if key not in _KNOWN[()]:
                self._report((key,), unknown_key((key,), _KNOWN))
        for kind in WatchKind:
            for place, entry in enumerate(self._entries(kind)):
                self._read_entry(kind, (kind.value, place), entry)
        for place, entry in enumerate(self._entries(_DISCOVER)):
            self._read_pattern((_DISCOVER, place), entry)
        if self._problems:
            raise ConfigurationError(sorted(self._problems.values(), key=lambda problem: problem.line or 0))
        return WatchList(tuple(self._watches), patterns=tuple(self._patterns))

    def _entries(self, table: str) -> list[dict[str, Any]]:
        entries = self._source.tables.get(table, [])
        if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
            return entries
        self._report(
            (str(table),), f"is not a list of tables; write [[{table}]], in two brackets, above each entry"
        )
        return []

    def _read_entry(self, kind: WatchKind, path: KeyPath, table: dict[str, Any]) -> None:
        self._refuse_duplicate(kind, path, table.get("id"))
        entry = self._validated(_Entry, path, table)
        if entry:
            self._watches.append(
                Watch(
                    watch_id=WatchId(kind, entry.id),
                    name=entry.name,
                    encapsulation=entry.encapsulation or self._defaults.encapsulation,
                    codec=entry.codec or self._defaults.codec,
                    legal_hold=entry.legal_hold,
                )
            )

    def _read_pattern(self, path: KeyPath, table: dict[str, Any]) -> None:
        if not self._defaults.observed:
            message = "nobody asks the platform what there is; remove observe = false from [voipbin]"
            self._report(path, message)
        discover = self._validated(_Discover, path, table)
        if discover:
            line = self._source.line(path)
            self._patterns.append(
                Pattern(
                    name=discover.name,
                    type=discover.type,
                    exclude=tuple(discover.exclude),
                    encapsulation=discover.encapsulation or self._defaults.encapsulation,
                    codec=discover.codec or self._defaults.codec,
                    legal_hold=discover.legal_hold,
                    place=f"{key_name(path)} (line {line})",
                )
            )

    def _validated(self, model: type[_Read], path: KeyPath, table: dict[str, Any]) -> _Read | None:
        """The content of a table, or None once what is wrong with it is told."""
        try:
            entry = model.model_validate(table)
        except ValidationError as error:
            for key, message in explain(error, model, _KNOWN, path):
                self._report(key, message)
            return None
        if entry.legal_hold and not self._defaults.can_hold:
            self._report(
                (*path, "legal_hold"),
                "a folder has no legal hold; remove the key, or store in a bucket with Object Lock",
            )
            return None
        return entry

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

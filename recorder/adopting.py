"""Which settings of a changed `recorder.toml` a running daemon takes over, and which need a restart. Pure."""

from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import BaseModel

from recorder.config import Settings

AT_ONCE: Final = frozenset(
    {
        "voipbin.encapsulation",
        "voipbin.codec",
        "voipbin.connect_rate",
        "voipbin.no_audio_after",
        "recording.sync_interval",
        "recording.min_free",
        "recording.when_full",
        "recording.drain_timeout",
    }
)
"""Keys that are taken over. Any other would change what is being recorded, or whom it is asked for."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What comes of a change.

    Attributes:
        settings: those that hold from now on.
        adopted: keys that were changed and hold at once.
        needs_restart: keys that were changed and do not hold before a restart.
    """

    settings: Settings
    adopted: tuple[str, ...]
    needs_restart: tuple[str, ...]


def adoption(old: Settings, new: Settings) -> Adoption:
    """Compare what holds with what was read; what the watch list says is left out."""
    tables, adopted, needs_restart = {}, [], []
    for name in ("voipbin", "recording", "storage", "metrics", "status"):
        before, after = getattr(old, name), getattr(new, name)
        changed = _changed(before, after)
        at_once = {key for key in changed if f"{name}.{key}" in AT_ONCE}
        adopted += [f"{name}.{key}" for key in changed if key in at_once]
        needs_restart += [f"{name}.{key}" for key in changed if key not in at_once]
        tables[name] = before.model_copy(update={key: getattr(after, key) for key in at_once})
    needs_restart += [
        key
        for key in ("watchlist", "credential", "hooks", "hook_keys")
        if getattr(old, key) != getattr(new, key)
    ]
    return Adoption(_with(old, tables), tuple(adopted), tuple(needs_restart))


def _changed(before: BaseModel, after: BaseModel) -> list[str]:
    return [key for key in type(before).model_fields if getattr(before, key) != getattr(after, key)]


def _with(settings: Settings, tables: dict[str, Any]) -> Settings:
    return replace(settings, **tables)

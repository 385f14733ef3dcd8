"""`[[hooks]]` of `recorder.toml`: who is told of what. Knows nothing of how."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from recorder.hooks.event import Event
from recorder.problems import Problem, nearest, shown
from recorder.table import Table
from recorder.toml_source import TomlSource, reason
from recorder.values import Duration, between

_MOST_NAME = 60


def _event(word: object) -> object:
    if isinstance(word, Event):
        return word
    if not isinstance(word, str) or word not in list(Event):
        meant = nearest(word, [event.value for event in Event]) if isinstance(word, str) else None
        hint = f'; did you mean "{meant}"?' if meant else f"; write some of {', '.join(map(str, Event))}"
        raise ValueError(f"{shown(word)} is no event{hint}")
    return Event(word)


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("this is no URL; write one such as https://example.net/recordings") from None
    # The URL may hold a secret, and so is not shown.
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("this is no URL; write one such as https://example.net/recordings")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a credential does not belong in a URL; what is sent is signed with `key`")
    return url


def _program(command: list[str]) -> list[str]:
    if not command or shutil.which(command[0]) is None:
        name = shown(command[0]) if command else "nothing"
        raise ValueError(f"{name} is no program that this user may run; write its path, then its arguments")
    return command


class HookSettings(Table):
    """One that is told.

    Attributes:
        name: for the log; by default the host or the program.
        on: the events that it is told of.
        command: a program and its arguments, which gets each event on its standard input.
        url: to which each event is posted.
        key: the name of the credential that signs what is posted.
        timeout: seconds for an attempt.
        give_up_after: seconds after an event at which it is not tried any more.
    """

    name: str = ""
    on: list[Annotated[Event, BeforeValidator(_event)]] = Field(default_factory=lambda: list(Event))
    command: Annotated[list[str], AfterValidator(_program)] | None = None
    url: Annotated[str, AfterValidator(_address)] | None = None
    key: str | None = None
    timeout: Annotated[Duration, between(0.1, 300)] = 10.0
    give_up_after: Annotated[Duration, between(1, 86400)] = 900.0

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("a hook has either a command or a url; write one of them")
        if self.url is not None and not self.key:
            raise ValueError("what is posted is signed; write the name of a credential as key")
        if self.url is None and self.key:
            raise ValueError("a command is told directly, and nothing is signed; remove key")
        return self

    @property
    def label(self) -> str:
        """What the log calls it. Never the URL, in which a secret may stand."""
        if self.name:
            return self.name[:_MOST_NAME]
        return Path(self.command[0]).name if self.command else urlsplit(self.url or "").hostname or "hook"


def load_keys(
    hooks: Iterable[HookSettings], environ: Mapping[str, str], source: TomlSource
) -> tuple[dict[str, str], list[Problem]]:
    """Find the keys that are named, as `$CREDENTIALS_DIRECTORY/NAME`, else as the variable NAME.

    In a variable's name hyphens are underscores, and letters are capitals.
    """
    keys: dict[str, str] = {}
    problems = []
    for number, hook in enumerate(hooks):
        if hook.key is None:
            continue
        try:
            keys[hook.key] = _key(hook.key, environ)
        except ValueError as error:
            problems.append(source.problem(("hooks", number, "key"), str(error)))
    return keys, problems


def _key(name: str, environ: Mapping[str, str]) -> str:
    if "/" in name or name.startswith("."):
        raise ValueError(f"{shown(name)} is not the name of a credential; write one without a slash")
    folder, variable = environ.get("CREDENTIALS_DIRECTORY"), name.upper().replace("-", "_")
    found = ""
    if folder and (path := Path(folder, name)).exists():
        try:
            found = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the credential {path} cannot be read: {reason(error)}") from None
    found = found or environ.get(variable, "")
    if not found:
        raise ValueError(
            f"there is no key of that name; give it as {variable} (systemd: LoadCredential={name}:...)"
        )
    return found

"""How single values are written in our TOML files: durations, words of a choice, paths, addresses.

Each is a pydantic type whose message says what is expected and what to write. Knows no key.
"""

import contextlib
import math
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, ValidationInfo

from recorder.core.media import CodecChoice, Encapsulation
from recorder.problems import nearest, shown
from recorder.shard import Shard
from recorder.toml_source import reason

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?P<amount>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m|h|d)")

_SIZE_UNITS = (
    {"": 1, "B": 1}
    | {
        f"{prefix}{infix}B": base**power
        for infix, base in (("", 1000), ("i", 1024))
        for power, prefix in enumerate("kMGT", 1)
    }
    | {"KB": 1000, "KiB": 1024}
)
_SIZE = re.compile(r"(?P<amount>[0-9]+(?:\.[0-9]+)?) ?(?P<unit>[A-Za-z]*)")
_LARGEST_SIZE = 1 << 60

_SEGMENT_LENGTHS = (
    5,
    10,
    15,
    20,
    30,
    60,
    120,
    300,
    600,
    900,
    1200,
    1800,
    3600,
    7200,
    14400,
    21600,
    43200,
    86400,
)
"""Seconds. Not all that divide an hour or a day, but those a person would choose; for messages."""

_NEAR_MISSES: Mapping[type[StrEnum], Mapping[str, str]] = {
    Encapsulation: {"slin": "sln", "mediasocket": "audiosocket"},
    CodecChoice: {
        "pcmu": "ulaw",
        "mulaw": "ulaw",
        "mu-law": "ulaw",
        "u-law": "ulaw",
        "pcma": "alaw",
        "a-law": "alaw",
        "pcm": "pcm16le",
        "l16": "pcm16le",
        "slin": "pcm16le",
        "sln": "pcm16le",
    },
}
"""Words of the neighbourhood (of Asterisk, SDP, VoIPBIN's own documents) that mean one of ours."""

_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class InFile:
    """The validation context of values that come from a file: relative paths start from `folder`."""

    folder: Path


def parse_duration(text: str) -> float:
    """Read a duration such as `500ms`, `10s`, `5m`, `1h` or `1d`; in seconds.

    Raises:
        ValueError: it is not written like that.
    """
    match = _DURATION.fullmatch(text)
    seconds = float(match["amount"]) * _UNITS[match["unit"]] if match else math.inf
    if not math.isfinite(seconds):
        raise ValueError(f"{shown(text)} is not a duration; write a number and its unit (ms, s, m, h, d)")
    return seconds


def format_duration(seconds: float) -> str:
    """Write a duration in the largest unit that needs no fraction: 300 is `5m`. The inverse of parsing."""
    if not seconds:
        return "0s"
    for unit in ("d", "h", "m", "s"):
        amount = seconds / _UNITS[unit]
        if amount >= 1 and amount.is_integer():
            return f"{amount:.0f}{unit}"
    milliseconds = round(seconds * 1000, 6)
    return f"{milliseconds:.0f}ms" if milliseconds.is_integer() else f"{seconds!r}s"


def parse_size(text: str) -> int:
    """Read a size such as `1GiB`, `500MB` or `1000000`; in bytes.

    Raises:
        ValueError: it is not written like that.
    """
    match = _SIZE.fullmatch(text)
    unit = _SIZE_UNITS.get(match["unit"]) if match else None
    size = float(match["amount"]) * unit if match and unit else math.inf
    if size > _LARGEST_SIZE or not size.is_integer():
        raise ValueError(
            f"{shown(text)} is not a size; write bytes, or a number and its unit (MB, GB, MiB, GiB)"
        )
    return int(size)


def between(least: float, most: float) -> AfterValidator:
    """Durations from `least` to `most` seconds, both included."""

    def check(seconds: float) -> float:
        if not least <= seconds <= most:
            limits = f"{format_duration(least)} to {format_duration(most)}"
            raise ValueError(f"{format_duration(seconds)} is out of range; use {limits}")
        return seconds

    return AfterValidator(check)


def server_url(url: str) -> str:
    """Accept the address of a platform; without a slash at the end. Messages never show it.

    Raises:
        ValueError: it is not one, or holds more than it should.
    """
    if not url.isprintable() or " " in url:
        raise ValueError("the address has a space or a control character; remove it")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not an address; write one such as wss://api.voipbin.net/v1.0") from None
    if parts.scheme not in ("wss", "ws"):
        scheme = f"begins with {shown(parts.scheme + '://')}" if "://" in url else "has no scheme"
        raise ValueError(f"the address {scheme}; write wss://, as in wss://api.voipbin.net/v1.0")
    if not host:
        raise ValueError("the address names no host; write one such as wss://api.voipbin.net/v1.0")
    if "@" in parts.netloc:
        raise ValueError(
            "the address holds a user or password; remove it: credentials are never in this file"
        )
    if "?" in url or "#" in url:
        raise ValueError(
            "the address has a query or fragment; remove all from ? or # on: encapsulation has its own key"
            " and a credential is never in this file"
        )
    return url.rstrip("/")


def _duration(value: object, info: ValidationInfo) -> object:
    if not isinstance(info.context, InFile):
        return value  # built in Python, where durations are seconds already
    if not isinstance(value, str):
        message = f'{shown(value)} is not a duration; write a number and a unit in quotes, such as "10s"'
        raise ValueError(message)  # noqa: TRY004 - pydantic reports ValueError only
    return parse_duration(value)


def _segment(seconds: float) -> float:
    if seconds.is_integer() and (3600 % seconds == 0 or 86400 % seconds == 0):
        return seconds
    below = max(length for length in _SEGMENT_LENGTHS if length < seconds)
    above = min(length for length in _SEGMENT_LENGTHS if length > seconds)
    written = shown(format_duration(seconds))
    fault = "does not divide an hour or a day" if seconds.is_integer() else "is no whole number of seconds"
    raise ValueError(
        f"{written} {fault}; use {format_duration(below)}, {format_duration(above)} or another that does"
    )


def choice(kind: type[_Choice], consequence: str = "") -> BeforeValidator:
    """One of the words of `kind`; `consequence` says what another word would lead to."""

    def check(value: object) -> _Choice:
        if isinstance(value, kind):
            return value
        if isinstance(value, str) and value in tuple(kind):
            return kind(value)
        words = ", ".join(kind)
        message = f"{shown(value)} is not one of {words}{consequence}"
        meant = None
        if isinstance(value, str):
            meant = _NEAR_MISSES.get(kind, {}).get(value.lower()) or nearest(value, kind)
        message += f'; did you mean "{meant}"?' if meant else "; write one of them, in quotes"
        raise ValueError(message)

    return BeforeValidator(check)


def _shard(value: object) -> Shard:
    if isinstance(value, Shard):
        return value
    return Shard.parse(value if isinstance(value, str) else shown(value))


def _path(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError(f"{shown(value)} is not a path; write one in quotes")
    return info.context.folder / value if isinstance(info.context, InFile) else Path(value)


def _readable(path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}; create it or correct the path") from None
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read: {reason(error)}; it must be a file this user may read"
        ) from None


def _certificates(path: Path) -> Path:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=_readable(path))
    except ssl.SSLError:
        raise ValueError(f"{path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {reason(error)}") from None
    return path


def _nearest_that_is_there(path: Path) -> Path:
    for candidate in (path, *path.parents):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            candidate.lstat()
            return candidate
    return Path()


def _writable_folder(path: Path) -> Path:
    """Accept a folder we may write to, or one we could create there. Creates nothing."""
    try:
        there = _nearest_that_is_there(path)
        is_folder = there.is_dir()
        allowed = os.access(there, os.W_OK | os.X_OK)
    except OSError as error:
        raise ValueError(
            f"{path} cannot be used: {reason(error)}; name a folder this user may write to"
        ) from None
    if not is_folder:
        raise ValueError(f"{there} is not a folder; name one this user may write to")
    if not allowed:
        action = "written to" if there == path else f"created: {there} cannot be written to"
        raise ValueError(
            f"the folder {path} cannot be {action} by this user; allow it or name another folder"
        )
    return path


def _size(value: object) -> object:
    if isinstance(value, str):
        return parse_size(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_SIZE:
        raise ValueError(f'{shown(value)} is not a size; write bytes, or text with a unit, such as "1GiB"')
    return value


Duration = Annotated[float, BeforeValidator(_duration)]
"""Seconds; in a file a number with its unit."""

Size = Annotated[int, BeforeValidator(_size)]
"""Bytes; in a file a number of them, or text with a unit."""

SegmentLength = Annotated[Duration, between(5, 86400), AfterValidator(_segment)]
"""Seconds, whole, a divisor of an hour or of a day."""

EncapsulationWord = Annotated[
    Encapsulation, choice(Encapsulation, " (the platform accepts any word and then sends no audio)")
]
CodecWord = Annotated[CodecChoice, choice(CodecChoice)]

ShardWord = Annotated[Shard, BeforeValidator(_shard), PlainSerializer(str)]
"""Which of how many: `2/4`."""

FilePath = Annotated[Path, BeforeValidator(_path)]
ReadableFile = Annotated[Path, BeforeValidator(_path), AfterValidator(_readable)]
CertificateFile = Annotated[Path, BeforeValidator(_path), AfterValidator(_certificates)]
WritableFolder = Annotated[Path, BeforeValidator(_path), AfterValidator(_writable_folder)]
"""A folder that exists or can be created, and can be written to."""

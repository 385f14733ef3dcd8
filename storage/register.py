"""The register of names: small objects by whose keys alone a name finds the watches that were ever called so.

    names/board/conferences/<id>     one for each name and watch; it holds the key of a manifest that says so
    names/__/conferences/<id>        of a watch that had a segment without any name

It is an economy: manifests are the truth, and all of this can be told from them. Names are compared without
regard to case, width and spaces; what in them cannot stand in a key of every store, or a file name of every
file system, is escaped, and what is too long is cut, with a hash for the rest. Pure.
"""

import json
import re
import unicodedata
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from storage.names import WatchId, WatchKind

REGISTER: Final = "names/"
"""What every key of the register begins with."""

_LONGEST: Final = 200
"""Bytes of an escaped name. File systems allow 255."""
_CUT: Final = 160
"""Bytes that are left of one that is longer. With the mark and the hash these are 194."""
_MARK: Final = "__"
"""Begins the hash of a name that was cut, and is all there is of none. An escape is never like it."""
_ESCAPED: Final = re.compile(r"[^a-z0-9-]")
_ESCAPE: Final = re.compile(rb"_([0-9a-f]{2})")


def fold(name: str) -> str:
    """What names that mean the same have in common."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(folded.split())


@dataclass(frozen=True, slots=True)
class Entry:
    """That a watch was called so.

    Attributes:
        name: folded; "" where it had none.
        is_cut: whether `name` is only how it begins, for that is all that the key says.
    """

    name: str
    watch: WatchId
    is_cut: bool = False

    @property
    def key(self) -> str:
        """The object key."""
        return f"{prefix(self.name)}{self.watch.kind.folder}/{self.watch.id}"

    @classmethod
    def from_key(cls, key: str) -> "Entry":
        """Read an object key.

        Raises:
            ValueError: it is not that of an entry.
        """
        parts = key.removeprefix(REGISTER).split("/")
        kind = next((kind for kind in WatchKind if parts[1:2] == [kind.folder]), None)
        if not key.startswith(REGISTER) or len(parts) != 3 or kind is None or not parts[0]:  # noqa: PLR2004
            raise ValueError(f"{key!r} is not the key of a name")
        written, mark, _ = parts[0].partition(_MARK)
        raw = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), written.encode())
        return cls(raw.decode(errors="ignore"), WatchId(kind, parts[2]), is_cut=bool(mark and written))


def prefix(name: str) -> str:
    """What the keys of all entries of a folded name begin with; "" for none."""
    written = _ESCAPED.sub(_escape, name)
    if len(written) > _LONGEST:
        digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]
        written = f"{re.sub('_[0-9a-f]?$', '', written[:_CUT])}{_MARK}{digest}"
    return f"{REGISTER}{written or _MARK}/"


def _escape(match: re.Match[str]) -> str:
    return "".join(f"_{byte:02x}" for byte in match[0].encode(errors="surrogatepass"))


def format_entry(manifest_key: str) -> bytes:
    """What an entry holds: the key of a manifest that says so."""
    return json.dumps({"manifest": manifest_key}).encode() + b"\n"


def parse_entry(data: bytes) -> str | None:
    """The key of the manifest that an entry names; None if it names none. It may have come from anybody."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return None
    key = content.get("manifest") if isinstance(content, dict) else None
    return key if isinstance(key, str) else None

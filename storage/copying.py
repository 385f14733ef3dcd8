"""Segments copied out of a store as they are: audio and manifests, under the same keys, into a folder.

The folder is a store itself afterwards, of what was copied. Nothing is put into it before it was found to be
what was recorded.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from storage.ahead import ahead
from storage.catalog import read_manifest
from storage.directory import DirectoryStore
from storage.errors import ObjectConflict, ObjectNotFound
from storage.layout import Problem
from storage.manifest import SegmentManifest
from storage.objects import AHEAD, Unusable, download
from storage.parts import kept_for
from storage.store import ObjectStore

_BLOCK = 1 << 20
"""Bytes read at a time."""


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What was copied: `segments` of them are in the folder now, with `size` bytes of audio in all.

    `problems` are objects that are missing or damaged in the store, or are other ones in the folder; what
    they belong to is not copied.
    """

    segments: tuple[SegmentManifest, ...]
    size: int
    problems: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        """Whether everything was copied."""
        return not self.problems


def copy_segments(
    store: ObjectStore,
    segments: Iterable[SegmentManifest | Problem],
    folder: Path,
    progress: Callable[[SegmentManifest], object] = lambda _segment: None,
) -> CopyResult:
    """Copy segments, as `Catalog.segments` gives them, into a folder, which must exist.

    What the folder has already is looked at and not downloaded again, so that a copy that was cut off goes
    on. `progress` is called with each segment that is there.

    Raises:
        StoreError: the store cannot be read, or the folder not written.
    """
    copied: list[SegmentManifest] = []
    problems: list[Problem] = []
    target = DirectoryStore(folder)
    with kept_for(folder / "segments") as parts:

        def copy(entry: SegmentManifest | Problem) -> SegmentManifest | Problem:
            return entry if isinstance(entry, Problem) else _copy(store, entry, target, parts)

        for entry in ahead(copy, segments, threads=AHEAD, name="copy"):
            if isinstance(entry, Problem):
                problems.append(entry)
            else:
                copied.append(entry)
                progress(entry)
    return CopyResult(tuple(copied), sum(each.audio.size for each in copied), tuple(problems))


def _copy(
    store: ObjectStore, segment: SegmentManifest, target: DirectoryStore, parts: Path
) -> SegmentManifest | Problem:
    """Copy one segment: its manifest last, as it was recorded, so that what has one is whole."""
    name, audio = segment.name, segment.audio
    key = audio.key
    try:
        if not _is_there(target, key, audio.sha256):
            part = parts / name.stem  # its own: another segment may have the same bytes
            download(store, audio, part)
            content_type = segment.audio_format.content_type
            target.put(key, part, sha256=audio.sha256, content_type=content_type)
            part.unlink()
        for key in dict.fromkeys((segment.key, name.manifest_key)):  # a tombstone before what it stands for
            data = read_manifest(store, key)
            target.put(key, data, sha256=sha256(data).hexdigest(), content_type="application/json")
    except Unusable as error:
        return Problem(name, key, str(error))
    except ObjectNotFound:
        return Problem(name, key, "the manifest was deleted a moment ago")
    except ObjectConflict:
        return Problem(name, key, "the folder has another file of that name; nothing was replaced")
    return segment


def _is_there(target: DirectoryStore, key: str, digest: str) -> bool:
    try:
        with target.open(key) as stream:
            found = sha256()
            while block := stream.read(_BLOCK):
                found.update(block)
    except ObjectNotFound:
        return False
    return found.hexdigest() == digest

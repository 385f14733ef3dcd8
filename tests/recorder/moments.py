"""Every moment at which a process that works in a folder could die."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Moments:
    """Copies a folder whenever a file of it is about to be opened, renamed or removed: each a death there."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._copies: list[Path] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        folder = self._folder
        if folder is None or event not in {"open", "os.rename", "os.remove", "os.truncate"}:
            return
        if not str(arguments[0]).startswith(str(folder)):
            return
        self._folder = None  # what follows opens files as well
        copy = folder.with_name(f"{folder.name}-{len(self._copies)}")
        shutil.copytree(folder, copy)
        self._copies.append(copy)
        self._folder = folder

    def of(self, folder: Path, action: Callable[[], object]) -> list[Path]:
        self._folder, self._copies = folder, []
        try:
            action()
        finally:
            self._folder = None
        return self._copies


MOMENTS = Moments()
"""Only one: an audit hook stays for good."""

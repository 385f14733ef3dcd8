"""The folder beside a file that is being fetched: what is there already, so that a fetch can go on later.

It is `.NAME.parts`, beside NAME: audio objects that were found good, and the file itself as far as it is
written. It is gone when the file is there, and stays when a fetch is cut off.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage import durable


def folder_of(output: Path) -> Path:
    """Where the parts of a file are kept."""
    return output.with_name(f".{output.name}.parts")


@contextmanager
def kept_for(output: Path) -> Iterator[Path]:
    """The folder of the parts of a file, for one fetch at a time. Removed at the end, unless by an error.

    Raises:
        OSError: it cannot be made, or another fetch is at work on the same file.
    """
    folder = folder_of(output)
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"{output}: another fetch is at work on it") from None
        for unfinished in folder.glob(f".*{durable.TEMPORARY_SUFFIX}"):
            unfinished.unlink()
        yield folder
        shutil.rmtree(folder)
    finally:
        with suppress(OSError):  # there is something in it, or it is gone
            folder.rmdir()
        os.close(descriptor)

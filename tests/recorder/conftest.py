"""What the tests of the daemon's parts share: a spool of their own, and time that nobody waits for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.spool import Spool
from storage.names import AudioFormat
from tests.virtual import VirtualLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualLoop}


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool")
    yield spool
    spool.release()


@pytest.fixture
def flac_spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "flac-spool", AudioFormat.FLAC)
    yield spool
    spool.release()

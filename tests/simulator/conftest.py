"""What the tests of the simulator play."""

from pathlib import Path

import numpy as np
import pytest

from recorder.simulator import Tape


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def golden() -> Path:
    return Path(__file__).parent.parent / "golden"


@pytest.fixture(scope="session")
def ramp() -> Tape:
    """A second in which no two samples are alike, so that a sample out of place cannot hide."""
    return Tape(np.arange(-4000, 4000, dtype=np.int16) * 7, "ramp")

"""Everything here runs on asyncio, in real time, with real processes."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

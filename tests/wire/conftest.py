"""Everything here runs on asyncio, over real sockets."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

"""What more than one folder of tests needs."""

from collections.abc import Iterator

import pytest

from recorder.simulator.seaweedfs import SeaweedFS
from tests.seaweedfs import running_seaweedfs


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 store over http, shared by the session: use a prefix of your own."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """The same over https, where clients behave differently."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs-tls"), tls=True) as server:
        yield server

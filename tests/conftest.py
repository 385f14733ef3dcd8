"""What more than one folder of tests needs."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from recorder.simulator.seaweedfs import SeaweedFS
from tests.seaweedfs import running_seaweedfs

# Properties: the same examples in every run, and no verdict that depends on how fast the machine is.
# `--hypothesis-profile search` draws new ones.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("search"), derandomize=True)
settings.load_profile("same")


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

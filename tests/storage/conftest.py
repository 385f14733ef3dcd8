"""The other stores, each started once for a session, when the first test asks for it."""

from collections.abc import Iterator

import pytest

from tests.ceph import running_ceph
from tests.stores import Site, running_rclone, running_swift


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_rclone(tmp_path_factory.mktemp("rclone")) as site:
        yield site


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_swift(tmp_path_factory.mktemp("swift")) as site:
        yield site


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_ceph(tmp_path_factory.mktemp("ceph")) as site:
        yield site

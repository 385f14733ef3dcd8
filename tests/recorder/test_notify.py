"""What systemd is told, over a real datagram socket of either kind."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder import notify
from recorder.lifecycle import Lifecycle, Phase
from recorder.notify import Notifier

pytestmark = pytest.mark.anyio


class Manager:
    """Stands in for systemd: it has a socket and hears what is said on it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        said: list[str] = []
        while True:
            try:
                said.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return said

    def environ(self, **others: str) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address} | others


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "n") if request.param == "path" else f"@conference-recorder-test-{os.getpid()}"
    manager = Manager(address)
    yield manager
    manager.socket.close()


async def test_the_manager_is_told_in_the_order_of_a_life(manager: Manager) -> None:
    notifier = Notifier(manager.environ())
    lifecycle = Lifecycle(notifier)

    async with lifecycle.reloading():
        assert manager.heard() == [], "what is not ready yet tells of no reload"
    await lifecycle.ready()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    async with lifecycle.reloading():
        (ready, reload) = manager.heard()
        assert ready == "READY=1"
    await lifecycle.stopping()
    notifier.close()

    first, stamp = reload.split("\n")
    assert first == "RELOADING=1"
    assert stamp.startswith("MONOTONIC_USEC=")
    assert before <= int(stamp.partition("=")[2]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert manager.heard() == ["READY=1", "STOPPING=1"]
    assert lifecycle.phase is Phase.STOPPING


def test_without_a_manager_nothing_is_told_and_nothing_fails() -> None:
    notifier = Notifier({})

    assert notifier.tell(notify.READY)
    assert notifier.watchdog is None


def test_a_manager_that_has_gone_costs_nothing(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "n"))
    notifier = Notifier(manager.environ())
    manager.socket.close()

    assert not notifier.tell(notify.READY)
    notifier.close()


def test_a_manager_that_does_not_listen_holds_up_nobody(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "n"))
    notifier = Notifier(manager.environ())

    taken = [notifier.tell(notify.status("x" * 1000)) for _ in range(5000)]
    assert not taken[-1], "and it can be told again"
    manager.heard()
    assert notifier.tell(notify.READY)

    notifier.close()
    manager.socket.close()


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_is_meant_for_us(
    tmp_path: Path, variables: dict[str, str], seconds: float | None
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "n")} | variables)

    assert notifier.watchdog == seconds
    notifier.close()

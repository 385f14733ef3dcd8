"""The event socket's adapter, and the observer over both faces of the platform, against real sockets."""

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path

import anyio
import numpy as np
import pytest
import trustme

from recorder import simulator
from recorder.announcement import topics
from recorder.api import RestPlatform
from recorder.clock import Clock
from recorder.config import AuthForm, VoipbinSettings
from recorder.connection import ConnectionLost, ConnectionRefused, Setback
from recorder.core.snapshot import Known, Snapshot, Unseen
from recorder.credential import Credential, CredentialKind
from recorder.eventsocket import EventSocket, EventSockets
from recorder.observer import Observer
from recorder.rate import Rate
from recorder.simulator import CUSTOMER, TOKEN, Delivery, PayloadStyle, Platform, Programme, Refuse, simulate
from recorder.simulator.arguments import fleet
from storage.names import WatchId, WatchKind

pytestmark = pytest.mark.anyio

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
TAPE = simulator.Tape(np.ones(8000, np.int16))
KEY = Credential(CredentialKind.ACCESSKEY, simulator.ACCESSKEY)
JWT = Credential(CredentialKind.TOKEN, TOKEN)


def sockets(
    url: str,
    *,
    credential: Credential = JWT,
    auth: AuthForm = AuthForm.HEADER,
    ca_file: Path | None = None,
) -> EventSockets:
    settings = VoipbinSettings(url=url, allow_insecure=True, auth=auth)
    return EventSockets(settings.model_copy(update={"ca_file": ca_file}), credential, rate=Rate(1000))


@asynccontextmanager
async def listening(server: simulator.Simulator, *wanted: str) -> AsyncIterator[EventSocket]:
    """An event socket whose subscription has been taken: the platform acknowledges nothing."""
    socket = await sockets(server.url).open()
    await socket.subscribe(wanted)
    subscribers = server.platform.subscribers
    while not any(set(wanted) <= each.topics for each in subscribers):  # noqa: ASYNC110
        await anyio.sleep(0.001)
    try:
        yield socket
    finally:
        await socket.close()


async def heard(socket: EventSocket, seconds: float = 0.2) -> list[WatchId]:
    about: list[WatchId] = []
    with anyio.move_on_after(seconds):
        while True:
            about.append(await socket.receive())
    return about


@pytest.mark.parametrize(
    ("delivery", "times"), [(Delivery(), 2), (Delivery(PayloadStyle.WRAPPED), 1)], ids=["bare", "wrapped"]
)
async def test_events_of_servers_of_any_age_are_about_their_conference(
    delivery: Delivery, times: int
) -> None:
    platform = Platform(Programme(BOARD, TAPE), delivery=delivery)
    async with simulate(platform) as server, listening(server, *topics(CUSTOMER, [], all_of_them=True)) as s:
        platform.conference(BOARD).join()
        assert await heard(s) == [BOARD] * times


async def test_one_conference_can_be_listened_to() -> None:
    first, second = list(fleet(2))
    platform = Platform(Programme(first, TAPE), Programme(second, TAPE))
    async with simulate(platform) as server, listening(server, *topics(CUSTOMER, [first])) as socket:
        platform.conference(second).join()
        platform.conference(first).join()
        assert await heard(socket) == [first]


@pytest.mark.parametrize(
    ("credential", "auth"),
    [(JWT, AuthForm.HEADER), (JWT, AuthForm.QUERY), (KEY, AuthForm.HEADER)],
    ids=["header", "query", "access key"],
)
async def test_it_gets_in_with_either_credential(credential: Credential, auth: AuthForm) -> None:
    async with simulate(Platform()) as server:
        socket = await sockets(server.url, credential=credential, auth=auth).open()
        assert len(server.platform.subscribers) == 1
        await socket.close()


async def test_the_end_of_the_socket_is_said() -> None:
    async with simulate(Platform()) as server, listening(server, *topics(CUSTOMER, [BOARD])) as socket:
        server.drop_event_sockets()
        with pytest.raises(ConnectionLost, match="without a word"):
            await socket.receive()
        with pytest.raises(ConnectionLost):
            await socket.subscribe(topics(CUSTOMER, [BOARD]))


async def test_a_topic_that_is_not_ours_ends_it() -> None:
    async with simulate(Platform()) as server:
        socket = await sockets(server.url).open()
        await socket.subscribe(topics("somebody else", [BOARD]))
        with pytest.raises(ConnectionLost):
            await socket.receive()


@pytest.mark.parametrize(
    ("trouble", "setback"),
    [
        (Refuse(503), Setback.THROTTLED),
        (Refuse(429, retry_after=4), Setback.THROTTLED),
        (Refuse(403), Setback.REFUSED),
    ],
)
async def test_a_refusal_says_what_to_do(trouble: Refuse, setback: Setback) -> None:
    platform = Platform()
    platform.events_trouble = trouble
    async with simulate(platform) as server:
        with pytest.raises(ConnectionRefused, match=f"HTTP {trouble.status}") as caught:
            await sockets(server.url).open()
    with pytest.raises(ConnectionRefused, match="cannot be reached") as away:
        await sockets(server.url, credential=KEY).open()

    assert (caught.value.setback, caught.value.retry_after) == (setback, trouble.retry_after)
    assert KEY.secret not in str(away.value)


async def test_certificates_are_checked_as_the_streams_are(tmp_path: Path) -> None:
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))

    async with simulate(Platform(), ssl=served) as server:
        await (await sockets(server.url, ca_file=trusted).open()).close()
        with pytest.raises(ConnectionRefused, match="certificate is not trusted"):
            await sockets(server.url).open()


@pytest.mark.parametrize("style", PayloadStyle)
async def test_a_day_is_followed_through_lost_events_and_outages_within_the_budget(
    style: PayloadStyle,
) -> None:
    """What is known comes to what is so, and a join that was announced is known within a second."""
    platform = Platform(delivery=Delivery(style, loss=0.2, delay=0.2, seed=7), limit=simulator.RateLimit())
    first, second, third = list(fleet(3))
    for watch in (first, second, third):
        platform.create(Programme(watch, TAPE))
    away = simulator.Away(3.0, Refuse(503), seconds=1.0)
    day: list[simulator.Happening] = [
        *(simulator.Joined(1.0, watch) for watch in (first, second)),
        simulator.Left(2.0, first),
        away,
        simulator.Joined(3.5, third),
        simulator.Deleted(3.5, second),
        simulator.Joined(5.5, first),
        simulator.Renamed(5.5, third, "renamed"),
        simulator.Forgotten(5.5, second),
    ]
    known: dict[WatchId, Known] = {}
    occupied_at: dict[WatchId, float] = {}

    def told(watch: WatchId, snapshot: Known) -> None:
        known[watch] = snapshot
        if isinstance(snapshot, Snapshot) and snapshot.occupied:
            occupied_at.setdefault(watch, time.monotonic())

    def is_so() -> bool:
        one, two, three = (known.get(watch, Unseen.UNKNOWN) for watch in (first, second, third))
        renamed = isinstance(three, Snapshot) and three.name == "renamed"
        gone = two is Unseen.ABSENT or (isinstance(two, Snapshot) and two.over)
        return isinstance(one, Snapshot) and one.occupied is True and gone and renamed

    async with simulate(platform) as server:
        settings, rate, clock = VoipbinSettings(url=server.url, allow_insecure=True), Rate(15), Clock()
        api = RestPlatform(settings, JWT, rate=rate, clock=clock)
        observer = Observer(api, EventSockets(settings, JWT, rate=rate), told, clock=clock)
        for watch in (first, second, third):
            observer.watch(watch)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(observer.run)
            await simulator.live_through(day, server)
            with anyio.move_on_after(25):
                while not is_so():  # noqa: ASYNC110
                    await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()
        await api.close()
        joined = {watch: platform.conference(watch).stays[0].joined_at for watch in (first, third)}

    assert is_so()
    assert occupied_at[first] - joined[first] < 20
    moments = [asked.at for asked in platform.asked]
    assert not [asked for asked in platform.asked if asked.status == 429]
    assert max(sum(1 for at in moments if start <= at < start + 1) for start in moments) <= 17
    assert len(moments) < 60


async def test_a_join_that_is_announced_is_known_within_a_second() -> None:
    watches = list(fleet(100))
    platform = Platform(limit=simulator.RateLimit())
    for watch in watches:
        platform.create(Programme(watch, TAPE))
    occupied: dict[WatchId, float] = {}

    def told(watch: WatchId, snapshot: Known) -> None:
        if isinstance(snapshot, Snapshot) and snapshot.occupied:
            occupied.setdefault(watch, time.monotonic())

    async with simulate(platform) as server:
        settings, rate, clock = VoipbinSettings(url=server.url, allow_insecure=True), Rate(15), Clock()
        api = RestPlatform(settings, JWT, rate=rate, clock=clock)
        observer = Observer(api, EventSockets(settings, JWT, rate=rate), told, clock=clock)
        for watch in watches:
            observer.watch(watch)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(observer.run)
            while not any(chain(*(each.topics for each in platform.subscribers))):  # noqa: ASYNC110
                await anyio.sleep(0.01)
            await anyio.sleep(0.5)
            for watch in (watches[3], watches[50], watches[99]):
                platform.conference(watch).join()
            with anyio.fail_after(30):
                while len(occupied) < 3:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        await api.close()

    late = [
        at - stay.joined_at for watch, at in occupied.items() for stay in platform.conference(watch).stays[:1]
    ]
    assert len(late) == 3
    assert max(late) < 1

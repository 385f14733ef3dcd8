"""Blocking calls leave the event loop: each is made, whoever asked and gave up, and receiving goes first."""

import asyncio
import os
import threading
import time

import pytest

from recorder.offload import PATIENT, DiskThreads, NetworkThreads


def nice_of_this_thread() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_a_call_gives_what_it_returns_or_raises() -> None:
    def fail() -> object:
        raise OSError("the disk is on fire")

    async def ask(disk: DiskThreads) -> list[object]:
        asked: list[asyncio.Future[object]] = [disk.begin(call) for call in (fail, lambda: 42)]
        return await asyncio.gather(*asked, return_exceptions=True)

    disk = DiskThreads(2)
    failed, answer = asyncio.run(ask(disk))
    disk.close()

    assert isinstance(failed, OSError)
    assert answer == 42


def test_calls_of_one_turn_go_in_hops_and_in_their_order() -> None:
    made: list[int] = []

    async def ask(disk: DiskThreads) -> None:
        await asyncio.gather(*(disk(made.append, number) for number in range(10)))

    disk = DiskThreads(1, hop=4)
    asyncio.run(ask(disk))
    disk.close()

    assert made == list(range(10))


def test_a_call_that_was_begun_is_made_though_nobody_waits_for_it() -> None:
    made = threading.Event()

    async def ask(disk: DiskThreads) -> None:
        asking = asyncio.ensure_future(disk(made.set))
        await asyncio.sleep(0)
        asking.cancel()

    disk = DiskThreads(1)
    asyncio.run(ask(disk))
    disk.close()

    assert made.is_set(), "close waits for what was begun"


def test_every_other_thread_lets_the_event_loop_go_first() -> None:
    async def ask(disk: DiskThreads, network: NetworkThreads) -> tuple[int, int, int]:
        return nice_of_this_thread(), await disk(nice_of_this_thread), await network(nice_of_this_thread)

    disk = DiskThreads(1)
    ours, of_disk, of_network = asyncio.run(ask(disk, NetworkThreads(1)))
    disk.close()

    assert of_disk == of_network == min(19, ours + PATIENT)


def test_a_process_ends_though_threads_were_never_used_or_closed() -> None:
    DiskThreads(3)

    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "disk")


@pytest.mark.parametrize("calls", [0, 1, 200])
def test_threads_that_are_closed_are_gone(calls: int) -> None:
    async def ask(disk: DiskThreads) -> None:
        for each in [disk.begin(time.monotonic) for _ in range(calls)]:
            await each

    before = set(threading.enumerate())
    disk = DiskThreads(4)
    asyncio.run(ask(disk))
    disk.close()

    assert set(threading.enumerate()) <= before


def test_calls_that_hang_do_not_add_up_and_one_that_ends_makes_room() -> None:
    hanging = threading.Event()
    began: list[int] = []

    def hang(number: int) -> None:
        began.append(number)
        hanging.wait()

    async def give_up_on(network: NetworkThreads, number: int) -> None:
        asking = asyncio.ensure_future(network(hang, number))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait([asking])

    async def ask() -> str:
        network = NetworkThreads(2, abandoned=3)
        for number in range(20):
            await give_up_on(network, number)
        assert sorted(began) == [0, 1, 2, 3, 4], "two at a time and three that were abandoned"
        waiting = asyncio.ensure_future(network(lambda: "made"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        hanging.set()
        return await waiting

    assert asyncio.run(ask()) == "made"
    for thread in threading.enumerate():
        if thread.name == "network":
            thread.join()

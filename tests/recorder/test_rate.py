"""Turns at one rate, on virtual time: no faster over any stretch, and the urgent first."""

import asyncio
from itertools import pairwise

import anyio
import pytest

from recorder.rate import Rate
from tests.virtual import VirtualLoop

pytestmark = pytest.mark.anyio


async def moments(rate: Rate, urgent: list[bool]) -> list[float]:
    """When each of so many that ask at once gets its turn, in seconds from now."""
    loop = asyncio.get_running_loop()
    began, granted = loop.time(), dict[int, float]()

    async def ask(number: int, turn_is_urgent: bool) -> None:
        await rate.ask(urgent=turn_is_urgent).wait()
        granted[number] = loop.time() - began

    async with anyio.create_task_group() as tasks:
        for number, each in enumerate(urgent):
            tasks.start_soon(ask, number, each)
    return [granted[number] for number in range(len(urgent))]


async def test_a_thousand_that_ask_at_once_are_spaced_out_in_their_order() -> None:
    at = await moments(Rate(15), [False] * 1000)

    assert at[0] == 0.0
    assert all(later - earlier >= 1 / 15 - 1e-9 for earlier, later in pairwise(at))
    assert at[-1] == pytest.approx(999 / 15)


async def test_the_urgent_do_not_wait_behind_the_others() -> None:
    at = await moments(Rate(10), [False] * 100 + [True, True])

    assert at[0] == 0.0, "it had its turn before they came"
    assert at[100:] == pytest.approx([0.1, 0.2])
    assert at[1] == pytest.approx(0.3)


async def test_time_that_nobody_used_is_not_saved_up_for_a_burst() -> None:
    rate = Rate(10)
    await rate.ask(urgent=False).wait()
    await anyio.sleep(60)

    assert await moments(rate, [False] * 3) == pytest.approx([0.0, 0.1, 0.2])


async def test_a_turn_that_is_given_up_holds_up_nobody() -> None:
    rate = Rate(10)
    await rate.ask(urgent=False).wait()
    for _ in range(1000):
        rate.ask(urgent=True).grant()

    assert await moments(rate, [False]) == pytest.approx([0.1])


async def test_to_be_cancelled_while_waiting_costs_no_place() -> None:
    rate = Rate(1)
    await rate.ask(urgent=False).wait()
    turn = rate.ask(urgent=False)
    with anyio.move_on_after(0.5):
        await turn.wait()
    assert not turn.granted

    assert await moments(rate, [False]) == pytest.approx([1.5])
    assert turn.granted


async def test_turns_that_come_a_little_late_do_not_add_up() -> None:
    rate, loop = Rate(10), asyncio.get_running_loop()
    began = loop.time()
    turns = [rate.ask(urgent=False) for _ in range(100)]
    assert isinstance(loop, VirtualLoop)
    for number, turn in enumerate(turns):
        await turn.wait()
        granted = loop.time() - began
        loop.now += 0.12 if number % 2 else 0.05  # what else the loop has to do: every other timer is late

    assert granted == pytest.approx(99 / 10, abs=0.1)

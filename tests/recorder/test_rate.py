"""Turns at one rate, on virtual time: no faster over any stretch, and by precedence."""

import asyncio
from itertools import pairwise

import anyio
import pytest

from recorder.rate import Precedence, Rate
from tests.virtual import VirtualLoop

pytestmark = pytest.mark.anyio

QUESTION, MISSED, OTHERS = Precedence


async def moments(rate: Rate, precedences: list[Precedence]) -> list[float]:
    """When each of so many that ask at once gets its turn, in seconds from now."""
    loop = asyncio.get_running_loop()
    began, granted = loop.time(), dict[int, float]()

    async def ask(number: int, precedence: Precedence) -> None:
        await rate.ask(precedence).wait()
        granted[number] = loop.time() - began

    async with anyio.create_task_group() as tasks:
        for number, each in enumerate(precedences):
            tasks.start_soon(ask, number, each)
    return [granted[number] for number in range(len(precedences))]


async def test_a_thousand_that_ask_at_once_are_spaced_out_in_their_order() -> None:
    at = await moments(Rate(15), [OTHERS] * 1000)

    assert at[0] == 0.0
    assert all(later - earlier >= 1 / 15 - 1e-9 for earlier, later in pairwise(at))
    assert at[-1] == pytest.approx(999 / 15)


async def test_who_is_missed_does_not_wait_behind_the_others() -> None:
    at = await moments(Rate(10), [OTHERS] * 100 + [MISSED, MISSED])

    assert at[0] == 0.0, "it had its turn before they came"
    assert at[100:] == pytest.approx([0.1, 0.2])
    assert at[1] == pytest.approx(0.3)


async def test_a_question_that_decides_for_all_waits_behind_nobody() -> None:
    at = await moments(Rate(10), [MISSED] * 1000 + [QUESTION])

    assert at[-1] == pytest.approx(0.1)


async def test_time_that_nobody_used_is_not_saved_up_for_a_burst() -> None:
    rate = Rate(10)
    await rate.ask(OTHERS).wait()
    await anyio.sleep(60)

    assert await moments(rate, [OTHERS] * 3) == pytest.approx([0.0, 0.1, 0.2])


async def test_a_turn_that_is_given_up_holds_up_nobody() -> None:
    rate = Rate(10)
    await rate.ask(OTHERS).wait()
    for _ in range(1000):
        rate.ask(MISSED).grant()

    assert await moments(rate, [OTHERS]) == pytest.approx([0.1])


async def test_to_be_cancelled_while_waiting_costs_no_place() -> None:
    rate = Rate(1)
    await rate.ask(OTHERS).wait()
    turn = rate.ask(OTHERS)
    with anyio.move_on_after(0.5):
        await turn.wait()
    assert not turn.granted

    assert await moments(rate, [OTHERS]) == pytest.approx([1.5])
    assert turn.granted


async def test_turns_that_come_a_little_late_do_not_add_up() -> None:
    rate, loop = Rate(10), asyncio.get_running_loop()
    began = loop.time()
    turns = [rate.ask(OTHERS) for _ in range(100)]
    assert isinstance(loop, VirtualLoop)
    for number, turn in enumerate(turns):
        await turn.wait()
        granted = loop.time() - began
        loop.now += 0.12 if number % 2 else 0.05  # what else the loop has to do: every other timer is late

    assert granted == pytest.approx(99 / 10, abs=0.1)

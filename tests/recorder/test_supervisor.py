"""One task per watch, as the list says; what fails alone is begun again alone."""

import itertools
from collections import Counter

import anyio
import anyio.lowlevel
import pytest

from recorder.core.media import CodecChoice, Encapsulation
from recorder.journal import Journal
from recorder.supervisor import Supervisor
from recorder.watchlist import Watch, WatchList
from storage.names import WatchId, WatchKind
from tests.virtual import virtual_clock

pytestmark = pytest.mark.anyio


def watch(number: int, encapsulation: Encapsulation = Encapsulation.RTP) -> Watch:
    watch_id = WatchId(WatchKind.CONFERENCE, f"00000000-0000-4000-8000-{number:012d}")
    return Watch(watch_id, None, encapsulation, CodecChoice.AUTO)


def journal(watch: Watch) -> Journal:
    return Journal(watch, virtual_clock())


class Recorder:
    """Runs until cancelled, and remembers what was begun and ended."""

    def __init__(self) -> None:
        self.begun: list[Watch] = []
        self.ended: list[Watch] = []

    async def __call__(self, watch: Watch, _journal: Journal) -> None:
        self.begun.append(watch)
        try:
            await anyio.sleep_forever()
        finally:
            self.ended.append(watch)


async def test_a_new_list_starts_what_is_new_and_stops_what_is_gone_and_touches_nothing_else() -> None:
    recorder = Recorder()
    async with anyio.create_task_group() as tasks:
        supervisor = Supervisor(tasks, recorder, journal)
        await supervisor.apply(WatchList((watch(1), watch(2))))
        await anyio.sleep(1)
        await supervisor.apply(WatchList((watch(3), watch(2))))
        await anyio.sleep(1)

        assert recorder.begun == [watch(1), watch(2), watch(3)]
        assert recorder.ended == [watch(1)]
        tasks.cancel_scope.cancel()


async def test_a_long_list_does_not_hold_up_what_is_being_recorded() -> None:
    recorder = Recorder()
    turns: list[int] = []

    async def take_turns() -> None:
        while True:
            turns.append(len(recorder.begun) - len(recorder.ended))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        supervisor = Supervisor(tasks, recorder, journal)
        with anyio.CancelScope() as meanwhile:
            async with anyio.create_task_group() as others:
                others.start_soon(take_turns)
                await supervisor.apply(WatchList(tuple(watch(number) for number in range(1, 1001))))
                await anyio.lowlevel.checkpoint()
                await supervisor.apply(WatchList())
                await anyio.lowlevel.checkpoint()
                meanwhile.cancel()

        assert (len(recorder.begun), len(recorder.ended)) == (1000, 1000)
        assert max(abs(after - before) for before, after in itertools.pairwise(turns)) <= 100
        tasks.cancel_scope.cancel()


async def test_a_watch_whose_settings_change_is_begun_anew() -> None:
    recorder = Recorder()
    async with anyio.create_task_group() as tasks:
        supervisor = Supervisor(tasks, recorder, journal)
        await supervisor.apply(WatchList((watch(1),)))
        await anyio.sleep(1)
        await supervisor.apply(WatchList((watch(1, Encapsulation.SLN),)))
        await anyio.sleep(1)

        assert recorder.begun == [watch(1), watch(1, Encapsulation.SLN)]
        assert recorder.ended == [watch(1)]
        tasks.cancel_scope.cancel()


async def test_who_begins_anew_waits_until_what_was_before_has_finished() -> None:
    said: list[str] = []

    async def record(each: Watch, _: Journal) -> None:
        said.append(f"begins {each.encapsulation}")
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
            said.append(f"ends {each.encapsulation}")

    async with anyio.create_task_group() as tasks:
        supervisor = Supervisor(tasks, record, journal)
        for encapsulation in (Encapsulation.RTP, Encapsulation.SLN, Encapsulation.AUDIOSOCKET):
            await supervisor.apply(WatchList((watch(1, encapsulation),)))
            await anyio.sleep(0.3)  # the next edit comes before the first has finished
        await anyio.sleep(3)
        tasks.cancel_scope.cancel()

    assert said[:2] == ["begins rtp", "ends rtp"]
    assert said[-2:] == ["begins audiosocket", "ends audiosocket"]
    begun = [each.split()[1] for each in said if each.startswith("begins")]
    assert [each.split()[1] for each in said if each.startswith("ends")] == begun, "never two at once"


async def test_a_watch_that_fails_unexpectedly_is_begun_again_and_the_others_go_on() -> None:
    begun: Counter[Watch] = Counter()

    async def record(each: Watch, _journal: Journal) -> None:
        begun[each] += 1
        if each == watch(1):
            raise ZeroDivisionError
        await anyio.sleep_forever()

    with anyio.move_on_after(600):
        async with anyio.create_task_group() as tasks:
            await Supervisor(tasks, record, journal).apply(WatchList((watch(1), watch(2))))

    assert begun[watch(2)] == 1
    assert 10 < begun[watch(1)] < 100, "again and again, but not in a hot loop"


async def test_what_was_counted_never_becomes_less() -> None:
    seen: list[int] = []

    async def record(_: Watch, journal: Journal) -> None:
        journal.tally.recorded += 8000
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
            journal.tally.recorded += 100

    async with anyio.create_task_group() as tasks:
        supervisor = Supervisor(tasks, record, journal)
        for watches in ((watch(1), watch(2)), (watch(2),), (watch(1),), ()):
            await supervisor.apply(WatchList(watches))
            for _ in range(3):
                await anyio.sleep(0.5)
                seen.append(supervisor.tally().recorded)
        assert supervisor.journals == ()
        tasks.cancel_scope.cancel()

    assert seen == sorted(seen)
    assert seen[-1] == 3 * 8100

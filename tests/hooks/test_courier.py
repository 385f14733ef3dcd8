"""What one hook is told, on virtual time: in order, again and again, and not for ever."""

import json
from collections.abc import Callable

import anyio
import pytest
import structlog

from recorder.core.media import CodecChoice, Encapsulation
from recorder.hooks.carrier import NotTaken
from recorder.hooks.courier import MOST_WAITING, Courier
from recorder.hooks.event import Event, Occurrence
from recorder.hooks.hooks import LAST_WORDS, Hooks
from recorder.watchlist import Watch
from storage.manifest import SegmentManifest
from storage.names import WatchId
from tests.hooks.conftest import BOARD
from tests.virtual import VirtualLoop, virtual_clock

pytestmark = pytest.mark.anyio

WATCH = Watch(WatchId(BOARD.kind, BOARD.id), BOARD.name, Encapsulation.RTP, CodecChoice.AUTO)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualLoop}


class Receiver:
    """A carrier that takes what it is told after so many refusals, or hangs."""

    def __init__(self, *, refusals: float = 0, hangs: bool = False, breaks: bool = False) -> None:
        self.refusals = refusals
        self.hangs = hangs
        self.breaks = breaks
        self.taken: list[Occurrence] = []
        self.asked_at: list[float] = []

    async def __call__(self, occurrence: Occurrence) -> None:
        self.asked_at.append(anyio.current_time())
        if self.hangs:
            await anyio.sleep_forever()
        if self.breaks:
            raise ZeroDivisionError
        if self.refusals > 0:
            self.refusals -= 1
            raise NotTaken("it answered HTTP 503")
        self.taken.append(occurrence)

    async def close(self) -> None:
        pass

    def told(self) -> list[str]:
        return [occurrence.event.value for occurrence in self.taken]


def courier(receiver: Receiver, *events: Event, timeout: float = 10, give_up_after: float = 900) -> Courier:
    return Courier(
        "test",
        frozenset(events or Event),
        receiver,
        timeout=timeout,
        give_up_after=give_up_after,
        clock=virtual_clock(),
        chance=lambda: 1.0,
    )


async def live(hooks: Hooks, seconds: float, happens: Callable[[], None] = lambda: None) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hooks.run)
        happens()
        await anyio.sleep(seconds)
        await hooks.finish()
        tasks.cancel_scope.cancel()


async def test_everything_is_told_once_and_in_order(manifest: SegmentManifest) -> None:
    receiver = Receiver()
    hooks = Hooks([courier(receiver)], virtual_clock())

    def happens() -> None:
        hooks.blocked(WATCH, "HTTP 403: correct the credential")
        hooks.uploaded(manifest)

    await live(hooks, 1, happens)

    assert receiver.told() == ["watch-blocked", "segment-uploaded"]
    blocked, uploaded = (json.loads(occurrence.body) for occurrence in receiver.taken)
    assert blocked["watch"] == uploaded["watch"] == BOARD.model_dump(mode="json")
    assert blocked["reason"] == "HTTP 403: correct the credential"
    assert blocked["manifest"] is None
    assert SegmentManifest.model_validate_json(json.dumps(uploaded["manifest"])) == manifest
    assert blocked["id"] != uploaded["id"]


async def test_audio_is_lost_where_the_ledger_says_so(
    manifest: SegmentManifest, with_a_gap: SegmentManifest, after_a_crash: SegmentManifest
) -> None:
    receiver = Receiver()
    hooks = Hooks([courier(receiver, Event.AUDIO_LOST)], virtual_clock())

    def happens() -> None:
        for sealed in (manifest, with_a_gap, after_a_crash):
            hooks.sealed(sealed)
        hooks.uploaded(with_a_gap)
        hooks.uploaded(with_a_gap.model_copy(update={"replaces": "0" * 64}))

    await live(hooks, 1, happens)

    assert [json.loads(o.body)["reason"] for o in receiver.taken] == ["disconnected", "crash", "disk"]


async def test_what_is_not_wanted_is_not_told(manifest: SegmentManifest) -> None:
    receiver = Receiver()
    hooks = Hooks([courier(receiver, Event.WATCH_BLOCKED)], virtual_clock())

    await live(hooks, 1, lambda: hooks.uploaded(manifest))

    assert receiver.asked_at == []


async def test_a_hook_that_fails_is_told_again_later_and_later(manifest: SegmentManifest) -> None:
    receiver = Receiver(refusals=4)
    it = courier(receiver)
    hooks = Hooks([it], virtual_clock())

    await live(hooks, 120, lambda: hooks.uploaded(manifest))

    waits = [b - a for a, b in zip(receiver.asked_at, receiver.asked_at[1:], strict=False)]
    assert waits == pytest.approx([2, 4, 8, 16])
    assert receiver.told() == ["segment-uploaded"]
    assert (it.tally.failures, it.tally.given_up.total()) == (4, 0)


@pytest.mark.parametrize("how", [{"hangs": True}, {"refusals": float("inf")}, {"breaks": True}])
async def test_what_is_never_taken_is_given_up_said_and_counted(
    manifest: SegmentManifest, how: dict[str, bool | float]
) -> None:
    receiver = Receiver(**how)  # type: ignore[arg-type]  # the three of them
    it = courier(receiver, give_up_after=100)
    hooks = Hooks([it], virtual_clock())

    with structlog.testing.capture_logs() as said:
        await live(hooks, 200, lambda: hooks.uploaded(manifest))

    assert receiver.taken == []
    assert receiver.asked_at[-1] - receiver.asked_at[0] <= 100
    assert it.tally.given_up == {"segment-uploaded": 1}
    (line,) = (line for line in said if line["event"].startswith("hook given up"))
    assert line["hook"] == "test"
    assert line["log_level"] == "error"


async def test_a_hook_that_hangs_holds_up_no_other(manifest: SegmentManifest) -> None:
    hanging, quick = Receiver(hangs=True), Receiver()
    hooks = Hooks([courier(hanging), courier(quick)], virtual_clock())
    began = anyio.current_time()

    await live(hooks, 1, lambda: hooks.uploaded(manifest))

    assert quick.told() == ["segment-uploaded"]
    assert anyio.current_time() - began == pytest.approx(1 + LAST_WORDS), "a stop waits no longer"


async def test_what_waits_is_bounded_and_the_oldest_gives_way(manifest: SegmentManifest) -> None:
    receiver = Receiver(refusals=1)
    it = courier(receiver)
    hooks = Hooks([it], virtual_clock())

    def happens() -> None:
        for _ in range(MOST_WAITING + 5):
            hooks.uploaded(manifest)

    await live(hooks, 60, happens)

    assert it.tally.given_up.total() == 5
    assert len(receiver.taken) == MOST_WAITING


async def test_what_waits_at_a_stop_is_told_or_given_up(manifest: SegmentManifest) -> None:
    receiver = Receiver(refusals=1)
    it = courier(receiver)
    hooks = Hooks([it], virtual_clock())

    def happens() -> None:
        hooks.uploaded(manifest)
        hooks.uploaded(manifest)

    await live(hooks, 0, happens)

    assert len(receiver.taken) == 2
    assert it.tally.given_up.total() == 0

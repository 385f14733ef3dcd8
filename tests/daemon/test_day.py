"""The installed daemon with `observe`, through a day of a platform, drawn from a seed; see `tests.day`."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import anyio
import pytest

from recorder.core.media import Encapsulation
from recorder.simulator import Asked, ErrorStyle, Platform, Programme, Tape, simulate
from storage.names import WatchId, WatchKind
from tests.daemon.process import Site, running
from tests.day.ground import Outcome, live
from tests.day.oracle import MOST_A_SECOND, judge
from tests.day.plan import draw
from tests.day.table import lines

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

SEED = 2
BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")
UNKNOWN = WatchId(WatchKind.CONFERENCE, "2ed12456-eb4b-11ee-bba8-1bfb2838807b")


async def test_every_second_of_a_day_is_recorded_or_accounted_for_and_nobody_is_hammered(
    tmp_path: Path,
) -> None:
    outcome = await live(draw(SEED), tmp_path)
    judgements, faults = judge(outcome)

    wrong = [*faults, *(fault for each in judgements for fault in each.faults)]
    assert not wrong, "\n".join([f"seed {SEED}; {outcome.starving}", *lines(judgements, faults)])
    for spoil in SPOILERS:
        assert_seen(spoil, deepcopy(outcome))


def assert_seen(spoil: Callable[[Outcome], str], outcome: Outcome) -> None:
    """The judge is not blind: what was good is not, once this is the matter with it."""
    expected = spoil(outcome)
    judgements, faults = judge(outcome)

    assert any(
        expected in fault for fault in [*faults, *(fault for each in judgements for fault in each.faults)]
    ), f"{spoil.__name__}: {expected}"


def busiest(outcome: Outcome) -> WatchId:
    """The watch of which most was recorded."""
    return max(outcome.recorded, key=lambda watch: len(outcome.recorded[watch].heard))


def lose_a_sample(outcome: Outcome) -> str:
    recorded = outcome.recorded[busiest(outcome)]
    recorded.heard = recorded.heard[:-1]
    return "are in the bucket"


def alter_a_sample(outcome: Outcome) -> str:
    outcome.recorded[busiest(outcome)].heard[1000] ^= 1
    return "1 samples are not what was sent"


def invent_silence(outcome: Outcome) -> str:
    outcome.recorded[busiest(outcome)].silences[1000] = {"stalled": 10.0}
    return "0.00 s of silence are said to be"


def call_a_loss_idle(outcome: Outcome) -> str:
    recorded = outcome.recorded[story(outcome, "dropped")]
    for at, by_reason in recorded.silences.items():
        recorded.silences[at] = {"idle": sum(by_reason.values())}
    return "somebody was there for"


def keep_an_ended_stream(outcome: Outcome) -> str:
    (_, record), *_ = outcome.platform.lives(story(outcome, "renamed"))
    record.connections[-1].ended_at = None
    return "after its end"


def hear_late(outcome: Outcome) -> str:
    for _, record in outcome.platform.lives(story(outcome, "renamed")):
        record.connections.clear()
    return "somebody came, and nothing was sent to us"


def ask_in_vain(outcome: Outcome) -> str:
    watch = story(outcome, "never")
    target = f"/v1.0/{watch.prefix}media_stream"
    outcome.platform.asked.append(Asked(outcome.began + 6.0, target, 101))
    return "it was asked for, and nobody was in it"


def ask_too_often(outcome: Outcome) -> str:
    first = outcome.platform.asked[-1]
    outcome.platform.asked += [Asked(first.at, "/v1.0/conferences", 200)] * (5 * MOST_A_SECOND)
    return "requests within a second"


def be_sent_away(outcome: Outcome) -> str:
    outcome.platform.asked.append(Asked(outcome.began + 1.0, "/v1.0/conferences", 429))
    return "where there was room"


def verify_in_vain(outcome: Outcome) -> str:
    outcome.verdict = "a flipped bit"
    return "recordings verify: a flipped bit"


def story(outcome: Outcome, name: str) -> WatchId:
    """The first watch of such a story."""
    return next(watch for watch, each in outcome.plan.stories.items() if each == name)


SPOILERS: tuple[Callable[[Outcome], str], ...] = (
    lose_a_sample,
    alter_a_sample,
    invent_silence,
    call_a_loss_idle,
    keep_an_ended_stream,
    hear_late,
    ask_in_vain,
    ask_too_often,
    be_sent_away,
    verify_in_vain,
)


async def test_servers_that_do_not_say_why_are_asked_about_the_others_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    platform = Platform(Programme(BOARD, Tape.speech("standup")), errors=ErrorStyle.BARE)
    async with simulate(platform) as server:
        site = Site(tmp_path, server.url, (tmp_path / "bucket").as_uri(), voipbin={"observe": True})
        site.write((watch, Encapsulation.RTP) for watch in (BOARD, UNKNOWN))
        async with running(site) as daemon:
            await daemon.said_of("audio began", 1)
            await anyio.sleep(1)
            assert daemon.said("the platform does not say what becomes of conferences") == []

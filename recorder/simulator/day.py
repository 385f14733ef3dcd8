"""A day on the platform as it was planned: who joins what and when, and what of the platform is away.

Knows no socket but the simulator's own faces.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from recorder.simulator.announcing import PayloadStyle
from recorder.simulator.platform import ErrorStyle
from recorder.simulator.programme import Programme
from recorder.simulator.rendering import TimeStyle
from recorder.simulator.resources import CallStatus, ConferenceType
from recorder.simulator.script import Trouble
from recorder.simulator.server import Simulator
from storage.names import WatchId


class Happening(Protocol):
    """Something that happens `at` so many seconds after the beginning of the day."""

    @property
    def at(self) -> float:
        """When."""

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""


@dataclass(frozen=True, slots=True)
class Created:
    """A conference is created that nobody has joined."""

    at: float
    programme: Programme
    name: str = ""
    kind: ConferenceType = ConferenceType.CONFERENCE

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.platform.create(self.programme, self.name, self.kind)


@dataclass(frozen=True, slots=True)
class Joined:
    """One more participant."""

    at: float
    watch: WatchId

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.platform.conference(self.watch).join()


@dataclass(frozen=True, slots=True)
class Left:
    """One participant less."""

    at: float
    watch: WatchId

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.platform.conference(self.watch).leave()


@dataclass(frozen=True, slots=True)
class Renamed:
    """A conference gets another name."""

    at: float
    watch: WatchId
    name: str

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.platform.conference(self.watch).rename(self.name)


@dataclass(frozen=True, slots=True)
class Deleted:
    """A conference is deleted, and whoever is in it must leave."""

    at: float
    watch: WatchId

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.platform.conference(self.watch).delete()


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The API knows nothing any more of a conference or call: 404."""

    at: float
    watch: WatchId

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.platform.remove(self.watch)


@dataclass(frozen=True, slots=True)
class AsteriskRestarted:
    """The bridge of a conference is gone, and with it who was in it. Its streams are not told."""

    at: float
    watch: WatchId

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.platform.conference(self.watch).restart_asterisk()


@dataclass(frozen=True, slots=True)
class Dialled:
    """A call begins, and rings somewhere."""

    at: float
    programme: Programme

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.platform.dial(self.programme)


@dataclass(frozen=True, slots=True)
class CallBecame:
    """A call goes on to another status."""

    at: float
    watch: WatchId
    status: CallStatus

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.platform.call(self.watch).become(self.status)


@dataclass(frozen=True, slots=True)
class Dropped:
    """The streams of one conference or call, or of all, end bare; the platform goes on."""

    at: float
    watch: WatchId | None = None

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.drop_everybody(self.watch)


@dataclass(frozen=True, slots=True)
class Unannounced:
    """The event sockets end bare. Who comes back is let in, and has missed what there was."""

    at: float

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        simulator.drop_event_sockets()


@dataclass(frozen=True, slots=True)
class Deployed:
    """Servers of another age take over: streams and event sockets end, and answers look different."""

    at: float
    errors: ErrorStyle
    times: TimeStyle
    payloads: PayloadStyle

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        platform = simulator.platform
        platform.errors, platform.times, platform.delivery.style = self.errors, self.times, self.payloads
        simulator.drop_everybody()
        simulator.drop_event_sockets()


@dataclass(frozen=True, slots=True)
class Crowded:
    """Others of the same customer use up its limit for so many seconds, but for `left` requests a second."""

    at: float
    seconds: float
    left: float = 1.0

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        if simulator.platform.limit:
            simulator.platform.limit.crowd(self.left)


@dataclass(frozen=True, slots=True)
class _Alone:
    """The others are content."""

    at: float

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        if simulator.platform.limit:
            simulator.platform.limit.crowd(None)


@dataclass(frozen=True, slots=True)
class Away:
    """The API, the event socket or both are in trouble for so many seconds; who is subscribed is dropped."""

    at: float
    trouble: Trouble
    seconds: float
    api: bool = True
    events: bool = True

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        platform = simulator.platform
        if self.api:
            platform.api_trouble = self.trouble
        if self.events:
            platform.events_trouble = self.trouble
            simulator.drop_event_sockets()


@dataclass(frozen=True, slots=True)
class _Back:
    """What was away is there again."""

    at: float
    api: bool
    events: bool

    def happen(self, simulator: Simulator) -> None:
        """Let it happen."""
        platform = simulator.platform
        platform.api_trouble = None if self.api else platform.api_trouble
        platform.events_trouble = None if self.events else platform.events_trouble


async def live_through(day: Iterable[Happening], simulator: Simulator) -> float:
    """Let it all happen, each at its time. What is planned for one moment happens in the order it stands.

    Returns when it began, by `time.monotonic()`.
    """
    began = time.monotonic()
    plan: list[Happening] = []
    for each in day:
        plan.append(each)
        match each:
            case Away():
                plan.append(_Back(each.at + each.seconds, each.api, each.events))
            case Crowded():
                plan.append(_Alone(each.at + each.seconds))
    for each in sorted(plan, key=lambda happening: happening.at):
        await asyncio.sleep(max(0.0, began + each.at - time.monotonic()))
        each.happen(simulator)
    return began

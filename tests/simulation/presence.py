"""Who is in the conferences and calls of a simulated world, and when nobody can be asked. Pure.

Whoever talks has joined before and leaves after. All times are seconds since the world began.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from storage.names import WatchId
from tests.simulation.plan import HOUR, Plan, Programme, Spell

_SALT: Final = 0x0B5E


@dataclass(frozen=True, slots=True)
class Presence:
    """Of one watch.

    Attributes:
        stays: when somebody is there, in order, apart from each other.
        ended_at: when it is over for good.
    """

    stays: tuple[Spell, ...]
    ended_at: float = math.inf

    def is_there(self, at: float) -> bool:
        """Whether somebody is there at that moment."""
        place = bisect_right(self.stays, at, key=lambda stay: stay.begin) - 1
        return place >= 0 and self.stays[place].covers(at) and at < self.ended_at

    @property
    def changes(self) -> tuple[float, ...]:
        """When something of that changes."""
        ends = () if math.isinf(self.ended_at) else (self.ended_at,)
        return tuple(sorted((*(at for stay in self.stays for at in (stay.begin, stay.end)), *ends)))


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What there is to know of a world, and when it cannot be had."""

    presences: Mapping[WatchId, Presence]
    outages: tuple[Spell, ...]

    def is_away(self, at: float) -> bool:
        """Whether nobody answers at that moment."""
        return any(spell.covers(at) for spell in self.outages)


def draw_knowledge(plan: Plan) -> Knowledge:
    """What there is to know of a world."""
    chance = random.Random(plan.seed ^ _SALT)
    presences = {each.watch.watch_id: _presence(chance, each) for each in plan.programmes}
    return Knowledge(presences, tuple(_outages(chance, plan.seconds)))


def _presence(chance: random.Random, programme: Programme) -> Presence:
    stays: list[Spell] = []
    for talk in programme.talks:
        begin = max(0.0, talk.begin - chance.choice((0.0, 1.0, 30.0)) * chance.random())
        end = talk.end + 300 * chance.random() ** 3
        if stays and begin <= stays[-1].end:
            stays[-1] = Spell(stays[-1].begin, max(end, stays[-1].end), "stay")
        else:
            stays.append(Spell(begin, end, "stay"))
    if stays and chance.random() < 0.3:
        return Presence(tuple(stays), stays[-1].end - chance.choice((0.0, 1.0)) * chance.random())
    return Presence(tuple(stays))


def _outages(chance: random.Random, seconds: float) -> Iterator[Spell]:
    at = chance.uniform(0, 2 * HOUR)
    while at < seconds:
        end = at + HOUR * float(0.001 * 2000 ** chance.random())
        yield Spell(at, end, "outage")
        at = end + chance.uniform(60, 6 * HOUR)

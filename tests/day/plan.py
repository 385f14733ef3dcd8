"""What happens on the platform in one day, drawn from its seed before it begins. Pure.

All times are seconds since the day began.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Final
from uuid import UUID

from recorder.core.media import Codec, Encapsulation
from recorder.simulator import (
    AnswerLate,
    AsteriskRestarted,
    Away,
    Babble,
    CallBecame,
    CallStatus,
    ConferenceType,
    Created,
    Crowded,
    CutOff,
    Deleted,
    Deployed,
    Dialled,
    Dropped,
    ErrorStyle,
    Forgotten,
    Generation,
    Happening,
    Joined,
    Left,
    PayloadStyle,
    Programme,
    Refuse,
    Renamed,
    Tape,
    TimeStyle,
    Unannounced,
    speeches,
)
from storage.names import WatchId, WatchKind

QUIET: Final = 8.0
"""Seconds at both ends of a day in which nothing is in trouble, and nobody comes."""
EVERY: Final = 12.0
"""Seconds from one trouble to the next, about."""
STALE: Final = 34.0
"""Seconds that those stay who are in another bridge than the stream: longer than it is silent patiently."""


@dataclass(frozen=True, slots=True)
class Age:
    """How servers of one time answer."""

    errors: ErrorStyle
    times: TimeStyle
    payloads: PayloadStyle


TODAY: Final = Age(ErrorStyle.ENVELOPE, TimeStyle.RFC3339, PayloadStyle.BARE)
BEFORE: Final = Age(ErrorStyle.ENVELOPE, TimeStyle.RFC3339, PayloadStyle.WRAPPED)
"""Until July 2026."""
LONG_AGO: Final = Age(ErrorStyle.BARE, TimeStyle.SPACED, PayloadStyle.WRAPPED)
"""Until February 2026. They do not say whether there is no such id, or what else is the matter."""
AGES: Final = (TODAY, BEFORE, LONG_AGO)


@dataclass(frozen=True)
class Plan:
    """One day.

    Attributes:
        standing: programmes that have people in them before the day begins.
        watches: what is to be recorded, and how it is asked for.
        day: what happens.
    """

    seed: int
    seconds: float
    age: Age
    standing: tuple[Programme, ...]
    watches: dict[WatchId, Encapsulation]
    day: tuple[Happening, ...]
    stories: dict[WatchId, str] = field(default_factory=dict)


def draw(seed: int, conferences: int = 22, calls: int = 4, seconds: float = 100.0) -> Plan:
    """Draw a day. Every story is told about as often as the others; 100 seconds have most of the troubles."""
    chance = random.Random(seed)
    tapes = [Tape.speech(name) for name in speeches()]
    standing, happenings, watches, stories = [], list[Happening](), {}, {}
    told = [*islice(cycle(STORIES), conferences), *islice(cycle(CALLS), calls)]
    for number, tell in enumerate(told):
        kind = WatchKind.CALL if tell in CALLS else WatchKind.CONFERENCE
        watch = WatchId(kind, str(UUID(int=chance.getrandbits(128), version=4)))
        programme = _programme(chance, watch, tapes[number % len(tapes)])
        watches[watch] = chance.choice(list(Encapsulation))
        stories[watch] = tell.__name__
        story = list(tell(chance, programme, seconds))
        if isinstance(story[0], Created | Dialled):
            happenings += story
        else:
            standing.append(programme)
            happenings += story
    happenings += _troubles(chance, seconds)
    age = chance.choice(AGES)
    happenings.append(_deployment(chance, age, seconds))
    happenings.sort(key=lambda happening: happening.at)
    return Plan(seed, seconds, age, tuple(standing), watches, tuple(happenings), stories)


def _programme(chance: random.Random, watch: WatchId, tape: Tape) -> Programme:
    generation = chance.choice(list(Generation))
    codec = chance.choice(
        [Codec.ULAW, Codec.ALAW] if generation is Generation.PASSED_THROUGH else list(Codec)
    )
    return Programme(watch, tape, codec=codec, generation=generation, setup=chance.choice((0.0, 0.3, 0.9)))


# Stories of conferences

Story = Callable[[random.Random, Programme, float], Iterator[Happening]]


def _come(chance: random.Random, watch: WatchId, at: float, most: int = 3) -> list[Joined]:
    return [Joined(at + n * chance.random(), watch) for n in range(chance.randint(1, most))]


def _go(watch: WatchId, at: float, joined: list[Joined]) -> list[Left]:
    return [Left(at + 0.01 * n, watch) for n in range(len(joined))]


def full(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """Joined, left, joined again, and deleted with people in it."""
    watch, at = programme.watch, chance.uniform(1, QUIET)
    yield Created(at, programme, "board")
    first = _come(chance, watch, at := at + chance.uniform(1, 0.1 * seconds))
    yield from first
    yield from _go(watch, at := at + chance.uniform(6, 0.25 * seconds), first)
    yield from _come(chance, watch, at := at + chance.uniform(2, 0.2 * seconds))
    yield Deleted(at + chance.uniform(6, 0.2 * seconds), watch)


def empty(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """Joined, left, and deleted when nobody is in it any more: it stays `terminating`."""
    watch, at = programme.watch, chance.uniform(1, 0.3 * seconds)
    yield Created(at, programme)
    first = _come(chance, watch, at := at + chance.uniform(0.1, 4))
    yield from first
    yield from _go(watch, at := at + chance.uniform(4, 0.3 * seconds), first)
    yield Deleted(at + chance.uniform(0.1, 8), watch)


def never(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """Nobody ever comes."""
    yield Created(at := chance.uniform(0, 0.3 * seconds), programme)
    yield Deleted(at + chance.uniform(1, 0.6 * seconds), programme.watch)


def renamed(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """It has another name every few seconds, and people in it from the beginning to the end."""
    yield Renamed(chance.uniform(0, 1), programme.watch, "budget")
    for number in range(3):
        yield Renamed(chance.uniform(1, 0.8 * seconds), programme.watch, f"budget {number}")
    yield Deleted(seconds - chance.uniform(0.5, QUIET), programme.watch)


def returns(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """Deleted, forgotten, and then there is another of that id."""
    watch, at = programme.watch, chance.uniform(0, QUIET)
    yield Created(at, programme)
    yield from _come(chance, watch, at := at + 0.5)
    yield Deleted(at := at + chance.uniform(5, 0.2 * seconds), watch)
    yield Forgotten(at := at + chance.uniform(0, 5), watch)
    yield Created(at := at + chance.uniform(2, 0.15 * seconds), programme)
    again = _come(chance, watch, at := at + chance.uniform(0.5, 5))
    yield from again
    yield from _go(watch, at + chance.uniform(6, 0.15 * seconds), again)


def stale(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """Asterisk restarts; those who dial in again are in a bridge that the stream is not in."""
    watch = programme.watch
    yield AsteriskRestarted(at := chance.uniform(6, seconds - QUIET - STALE - 2), watch)
    again = _come(chance, watch, at := at + chance.uniform(0.3, 2), most=2)
    yield from again
    yield from _go(watch, at + STALE, again)


def dropped(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """The platform cuts the stream while people are in it."""
    watch, at = programme.watch, chance.uniform(1, QUIET)
    yield Created(at, programme)
    first = _come(chance, watch, at := at + 1)
    yield from first
    for _ in range(2):
        yield Dropped(at := at + chance.uniform(4, 0.3 * seconds), watch)
    yield from _go(watch, at + chance.uniform(4, 0.15 * seconds), first)


def crossing(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """Somebody looks in for some seconds, again and again."""
    watch, at = programme.watch, chance.uniform(1, QUIET)
    yield Created(at, programme)
    while (at := at + chance.uniform(1, 0.12 * seconds)) < seconds - QUIET:
        come = _come(chance, watch, at, most=1)
        yield from come
        yield from _go(watch, at := at + chance.uniform(2, 6), come)


def unlisted(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """No list has it, for it is of another type."""
    watch, at = programme.watch, chance.uniform(1, 0.2 * seconds)
    yield Created(at, programme, kind=chance.choice([ConferenceType.CONNECT, ConferenceType.QUEUE]))
    yield Joined(at := at + 1, watch)
    yield Joined(at, watch)
    yield Deleted(at + chance.uniform(8, 0.5 * seconds), watch)


STORIES: Final[tuple[Story, ...]] = (
    full,
    empty,
    renamed,
    returns,
    stale,
    dropped,
    crossing,
    unlisted,
    full,
    never,
    returns,
)

# Stories of calls


def answered(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """It rings, is answered, and is hung up."""
    watch, at = programme.watch, chance.uniform(1, 0.2 * seconds)
    yield Dialled(at, programme)
    yield CallBecame(at := at + 0.5, watch, CallStatus.RINGING)
    yield CallBecame(at := at + chance.uniform(1, 0.1 * seconds), watch, CallStatus.PROGRESSING)
    yield CallBecame(at + chance.uniform(6, 0.3 * seconds), watch, CallStatus.HANGUP)


def canceled(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """Nobody answers."""
    watch, at = programme.watch, chance.uniform(1, 0.5 * seconds)
    yield Dialled(at, programme)
    yield CallBecame(at := at + chance.uniform(1, 5), watch, CallStatus.CANCELING)
    yield CallBecame(at + chance.uniform(0.1, 1), watch, CallStatus.HANGUP)


def hung_up(chance: random.Random, programme: Programme, seconds: float) -> Iterator[Happening]:
    """It is there before the day begins."""
    yield CallBecame(at := chance.uniform(6, seconds - QUIET), programme.watch, CallStatus.HANGUP)
    yield Forgotten(at + 1, programme.watch)


CALLS: Final[tuple[Story, ...]] = (answered, hung_up, canceled)

# Troubles


def _troubles(chance: random.Random, seconds: float) -> Iterator[Happening]:
    """One after the other, in any order, with as much time between them. In a long day all come again."""
    kinds = [make for _ in range(math.ceil(seconds / EVERY / len(TROUBLES))) for make in _shuffled(chance)]
    for number, make in enumerate(kinds[: int((seconds - 2 * QUIET) / EVERY)]):
        lasts = chance.uniform(0.2, 0.5) * EVERY
        yield make(QUIET + number * EVERY + chance.uniform(0, EVERY - lasts), lasts)


def _shuffled(chance: random.Random) -> Sequence["Trouble"]:
    return chance.sample(TROUBLES, len(TROUBLES))


Trouble = Callable[[float, float], Happening]
"""When it begins, and how long it lasts."""
TROUBLES: Final[Sequence[Trouble]] = (
    lambda at, lasts: Away(at, Refuse(503), lasts, events=False),
    lambda at, lasts: Away(at, Refuse(429, retry_after=2), lasts, events=False),
    lambda at, lasts: Away(at, CutOff(), lasts, events=False),
    lambda at, lasts: Away(at, AnswerLate(3600), lasts, events=False),
    lambda at, lasts: Away(at, Babble(b"<html>"), lasts),
    lambda at, lasts: Away(at, Refuse(503), 2 * lasts, api=False),
    Crowded,
    lambda at, _: Unannounced(at),
)


def _deployment(chance: random.Random, age: Age, seconds: float) -> Deployed:
    other = chance.choice([each for each in AGES if each is not age])
    return Deployed(chance.uniform(0.3, 0.8) * seconds, other.errors, other.times, other.payloads)

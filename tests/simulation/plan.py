"""What happens in one simulated world, drawn from its seed before it begins. Pure: no clock and no daemon.

All times are seconds since the world began, on the clock that nobody sets.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from recorder.core.media import Codec, CodecChoice, Encapsulation
from recorder.watchlist import Watch
from storage.names import AudioFormat, WatchId, WatchKind

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
FRAMES: Final = (160, 240, 480, 800, 1600, 4000, 8000)
"""Samples a message: 20 ms to a second. Longer messages are cheaper, so most talk is in those."""
MOST_MESSAGES: Final = 500
"""In one talk: what the time of a run goes to."""

LONGEST_VACANCY: Final = 1200.0
"""Seconds. A daemon that asks in vain does the same every few seconds."""


class Trouble(StrEnum):
    """What the platform or the network does to one stream, from `begin` to `end` of a spell."""

    DROP = "drop"
    """The connection is lost, and none can be had until the end."""
    LIE = "lie"
    """The connection is lost; others are accepted, and closed without audio, until the end."""
    HALF_OPEN = "half open"
    """Nothing arrives any more; that the connection is gone shows at the end."""
    STALL = "stall"
    """Nothing arrives, and what was said meanwhile never will."""
    BURST = "burst"
    """Nothing arrives, and then all of it at once."""


class StoreTrouble(StrEnum):
    """What the store does to every call of a spell."""

    AWAY = "away"
    REFUSING = "refusing"
    SLOW = "slow"
    HANGING = "hanging"
    FORGETFUL = "forgetful"
    """It stores an object, and the answer is lost."""
    PICKY = "picky"
    """It refuses one segment, the first that it is brought, and takes the others."""


class Death(StrEnum):
    """How a life of the daemon ends."""

    STOPPED = "stopped"
    KILLED = "killed"
    """Between two turns of its loop."""
    KILLED_IN = "killed in"
    """Before a certain operation on the file system, whichever that is."""


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which something is the matter."""

    begin: float
    end: float
    kind: str

    def covers(self, at: float) -> bool:
        """Whether it is the matter at that moment."""
        return self.begin <= at < self.end


@dataclass(frozen=True, slots=True)
class Talk:
    """A time in which somebody speaks, in messages of `frame` samples, `rate` real samples a second."""

    begin: float
    end: float
    frame: int
    rate: float
    lossy: bool

    def begins(self, number: int) -> float:
        """When the first sample of message `number` is spoken."""
        return self.begin + number * self.frame / self.rate


@dataclass(frozen=True, slots=True)
class Programme:
    """One watch: what the conference does, what becomes of its streams, and when nobody watches it.

    Attributes:
        vacant: when it is not live: streams are accepted and cut, or refused.
        jitter: seconds by which a message may come later than it was spoken.
        gathers: whether messages are read a few at a time, as the daemon's sockets do.
    """

    watch: Watch
    codec: Codec
    seed: int
    talks: tuple[Talk, ...]
    troubles: tuple[Spell, ...]
    vacant: tuple[Spell, ...]
    unwatched: tuple[Spell, ...]
    jitter: float
    gathers: bool


@dataclass(frozen=True, slots=True)
class End:
    """The end of one life at `at`, or `operations` operations on the disk after that; the next begins
    `down` seconds later."""

    at: float
    kind: Death
    operations: int
    down: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A world.

    Attributes:
        ends: of the lives of the daemon, in order; the last one is stopped when the time is over.
        steps: when somebody sets the wall clock, and forward by how much.
        slow_disk: when the disk takes seconds for every call.
        full_disk: when no file of the spool can grow.
        aftermath: whether the daemon is started once more, with a store that is well.
        observed: whether the platform can be asked who is there.
    """

    seed: int
    seconds: float
    programmes: tuple[Programme, ...]
    ends: tuple[End, ...]
    steps: tuple[tuple[float, timedelta], ...]
    store: tuple[Spell, ...]
    slow_disk: tuple[Spell, ...]
    full_disk: tuple[Spell, ...]
    segment: float
    gap_limit: float
    idle_after: float
    audio_format: AudioFormat
    aftermath: bool
    observed: bool

    @property
    def hours(self) -> float:
        """Watch-hours."""
        return self.seconds / HOUR * len(self.programmes)

    @property
    def kills(self) -> int:
        """How many lives end without a word."""
        return sum(end.kind is not Death.STOPPED for end in self.ends)


def draw(
    seed: int, *, watches: int = 12, hours: float = 24.0, full_disk: bool = False, observed: bool = False
) -> Plan:
    """The world of a seed. Those of odd seeds have kills; in the others every sample must be there."""
    chance = random.Random(seed)
    seconds = hours * HOUR
    everywhere = tuple(_common_troubles(chance, seconds))
    programmes = tuple(_programme(chance, number, seconds, everywhere) for number in range(watches))
    return Plan(
        seed=seed,
        seconds=seconds,
        programmes=programmes,
        ends=tuple(_ends(chance, programmes, seconds, kills=seed % 2 == 1)),
        steps=tuple(_steps(chance, programmes)) if chance.random() < 0.5 else (),
        store=tuple(_store(chance, seconds)),
        slow_disk=tuple(_near_talk(chance, programmes, 4, 300.0)),
        full_disk=tuple(_near_talk(random.Random(seed), programmes, 2, 600.0)) if full_disk else (),
        segment=chance.choice((60.0, 300.0, 300.0, 900.0, 3600.0)),
        gap_limit=chance.choice((5.0, 60.0, 60.0, 600.0)),
        idle_after=chance.choice((5.0, 10.0, 10.0, 60.0)),
        audio_format=chance.choice((AudioFormat.WAV, AudioFormat.WAV, AudioFormat.FLAC)),
        aftermath=chance.random() < 0.75,
        observed=observed,
    )


def _between(chance: random.Random, least: float, most: float) -> float:
    """A number of any magnitude between two."""
    return float(least * (most / least) ** chance.random())


def _common_troubles(chance: random.Random, seconds: float) -> Iterator[Spell]:
    """Restarts of the platform, which all streams suffer in the same second."""
    for _ in range(chance.randint(0, 4)):
        begin = chance.uniform(0, seconds)
        yield Spell(begin, begin + _between(chance, 0.1, 900), chance.choice((Trouble.DROP, Trouble.LIE)))


def _programme(
    chance: random.Random, number: int, seconds: float, everywhere: tuple[Spell, ...]
) -> Programme:
    encapsulation = chance.choice(tuple(Encapsulation))
    codec = chance.choice(tuple(Codec))
    choice = chance.choice((CodecChoice.AUTO, CodecChoice.AUTO, CodecChoice(codec)))
    identity = WatchId(chance.choice(tuple(WatchKind)), f"00000000-0000-4000-8000-{number:012d}")
    talks: list[Talk] = []
    vacant: list[Spell] = []
    troubles: list[Spell] = list(everywhere)
    at = 0.0
    while at < seconds:
        away = _between(chance, 600, 12 * HOUR)
        if chance.random() < 0.5:
            vacant.append(Spell(at, min(at + min(away, LONGEST_VACANCY), seconds), "vacant"))
        at += away
        ppm = chance.choice((0.0, chance.uniform(-200, 200)))
        for _ in range(chance.randint(1, 4)):
            talk = _talk(chance, at, 8000 * (1 - ppm * 1e-6), lossy=encapsulation is Encapsulation.RTP)
            if talk.end >= seconds:
                break
            talks.append(talk)
            troubles += _troubles(chance, talk)
            at = talk.end + _between(chance, 0.5, 2400)
    unwatched: tuple[Spell, ...] = ()
    if talks and chance.random() < 0.4:
        talk = chance.choice(talks)
        begin = chance.uniform(talk.begin - 60, talk.end + 60)
        unwatched = (Spell(begin, begin + _between(chance, 1, 2 * HOUR), "unwatched"),)
    return Programme(
        watch=Watch(identity, None, encapsulation, choice),
        codec=codec,
        seed=chance.getrandbits(32),
        talks=tuple(talks),
        troubles=tuple(sorted(troubles, key=lambda spell: spell.begin)),
        vacant=tuple(vacant),
        unwatched=unwatched,
        jitter=chance.choice((0.0, 0.005, 0.03)),
        gathers=chance.random() < 0.6,
    )


def _talk(chance: random.Random, at: float, rate: float, *, lossy: bool) -> Talk:
    frame = chance.choice(FRAMES)
    messages = min(MOST_MESSAGES, max(3, int(_between(chance, 0.1, 400) * rate / frame)))
    return Talk(at, at + messages * frame / rate, frame, rate, lossy and chance.random() < 0.3)


def _troubles(chance: random.Random, talk: Talk) -> Iterator[Spell]:
    """What befalls the stream while somebody talks."""
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        kind = chance.choice(tuple(Trouble))
        begin = chance.uniform(talk.begin - 5, talk.end + 5)
        least, most = {
            Trouble.DROP: (0.01, 900.0),
            Trouble.LIE: (0.1, 300.0),
            Trouble.HALF_OPEN: (20.0, 40.0),
            Trouble.STALL: (0.5, 30.0),
            Trouble.BURST: (0.05, 30.0),
        }[kind]
        yield Spell(begin, begin + _between(chance, least, most), kind)


def _moment(chance: random.Random, programmes: tuple[Programme, ...], seconds: float) -> float:
    """Some moment, most often one at which somebody talks, or a moment after."""
    talks = [talk for programme in programmes for talk in programme.talks]
    if not talks or chance.random() < 0.2:
        return chance.uniform(0, seconds)
    talk = chance.choice(talks)
    return chance.uniform(talk.begin, talk.end + 30)


def _near_talk(
    chance: random.Random, programmes: tuple[Programme, ...], most: int, longest: float
) -> Iterator[Spell]:
    """Times in which the disk is not what it should be."""
    for _ in range(chance.randint(0, most)):
        begin = _moment(chance, programmes, DAY) - 5
        yield Spell(begin, begin + _between(chance, 1.0, longest), "disk")


def _ends(
    chance: random.Random, programmes: tuple[Programme, ...], seconds: float, *, kills: bool
) -> Iterator[End]:
    drawn: list[End] = []
    for _ in range(chance.randint(6, 16) if kills else chance.randint(0, 2)):
        kind = chance.choice((Death.KILLED, Death.KILLED_IN, Death.KILLED_IN)) if kills else Death.STOPPED
        at = _moment(chance, programmes, seconds)
        drawn.append(End(at, kind, chance.randint(1, 30), _between(chance, 0.5, 900)))
        while drawn[-1].kind is Death.KILLED_IN and chance.random() < 0.5:
            # In the recovery that follows, too.
            drawn.append(End(at, Death.KILLED_IN, chance.randint(1, 12), _between(chance, 0.5, 60)))
    yield from sorted(drawn, key=lambda end: end.at)
    yield End(seconds, Death.STOPPED, 0, 5.0)


def _steps(chance: random.Random, programmes: tuple[Programme, ...]) -> Iterator[tuple[float, timedelta]]:
    for _ in range(chance.randint(1, 3)):
        step = chance.choice((HOUR, DAY, -HOUR, -DAY, 0.7, -0.7))
        yield _moment(chance, programmes, DAY), timedelta(seconds=step)


def _store(chance: random.Random, seconds: float) -> Iterator[Spell]:
    at = chance.uniform(0, 4 * HOUR)
    while at < seconds:
        kind = chance.choice(tuple(StoreTrouble))
        longest = DAY if kind in {StoreTrouble.AWAY, StoreTrouble.HANGING} else 4 * HOUR
        spell = Spell(at, at + _between(chance, 120, longest), kind)
        yield spell
        at = spell.end + _between(chance, 600, 8 * HOUR)

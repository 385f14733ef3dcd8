"""The life of one watch: what becomes of its stream, from what is known of its conference or call.

what is known                         what is done
somebody is in it                     a stream is wanted; one that brings nothing for long is opened anew
nobody is in it                       a stream that stands is kept, for it hears who comes; none is opened
it is over, or was and is not there   no stream is wanted
nothing, or not who is in it          a stream is wanted, as if nobody could be asked

Ears go before hearsay: where audio comes nothing is hung up, whatever is said, and who is heard after it was
said that nobody is there is missed when the stream breaks off. Times are monotonic seconds; the clock is the
caller's.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from recorder.core.snapshot import Known, Snapshot, Unseen

LAST_WORDS: Final = 2.0
"""Seconds without audio after which a stream whose conference is over brings nothing more. Those who must
leave one that was deleted are heard until they have left."""
MOST_PATIENCE: Final = 600.0
"""Seconds, at most, that a stream may be silent before it is opened anew: who is there may just say nothing,
and then none ever helps."""

GONE: Final = "the platform knows none of that id any more"
BOTH: Final = 2
"""Ends of a call, of which the platform names none."""

_MOST_DOUBLINGS: Final = 16


class Course(StrEnum):
    """What is to be done with the stream of a watch."""

    LISTEN = "listen"
    """Have one: open it, or keep it."""
    REOPEN = "reopen"
    """Hang up the one that stands and open another: people are there, and it hears nobody."""
    REST = "rest"
    """Keep the one that stands, and close the segment: everybody has left."""
    WAIT = "wait"
    """Open none: nobody is there."""
    END = "end"
    """Hang up, close the segment, open none: it is over."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited.

    Attributes:
        no_audio_after: seconds that a stream may bring nothing, though people are there, the first time.
    """

    no_audio_after: float = 20.0


class Life:
    """Of one watch, whoever may be asked about it. Begins without any knowledge.

    Attributes:
        patience: with a stream that brings nothing.
        known: what is known at present.
        fruitless: streams in a row that brought nothing though people were there, and were opened anew.
    """

    def __init__(self, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self.known: Known = Unseen.UNKNOWN
        self.fruitless = 0
        self._seen = False  # whether it was ever shown, or heard
        self._ending = ""  # how it had ended when it was last shown
        self._occupied_since: float | None = None
        self._participants: frozenset[str] = frozenset()
        self._connected_at: float | None = None
        self._heard_at: float | None = None
        self._told_at = 0.0
        self._spoke_at: float | None = None  # when audio last came, over whichever stream
        self._spoke_from = 0.0  # since when it has come without a pause

    # What it is told

    def told(self, known: Known, now: float) -> None:
        """This is known now."""
        self.known, self._told_at = known, now
        if isinstance(known, Snapshot):
            self._seen, self._ending = True, known.ending
            if known.occupied is False:
                self._occupied_since = None
            elif known.occupied and self._occupied_since is None:
                self._occupied_since = now
            if known.participants is not None:
                joined = frozenset(known.participants) - self._participants
                self._participants = frozenset(known.participants)
                if joined:
                    self.fruitless = 0  # who joins may be in a new bridge, which no stream before is in
        elif known is Unseen.ABSENT:
            self._occupied_since = None

    def connected(self, now: float) -> None:
        """A stream stands. It proves nothing."""
        self._connected_at, self._heard_at = now, None

    def heard(self, at: float) -> None:
        """The stream brought audio."""
        if self._spoke_at is None or at - self._spoke_at > LAST_WORDS:
            self._spoke_from = at
        self._heard_at = self._spoke_at = at
        self._seen, self.fruitless = True, 0

    def disconnected(self) -> None:
        """The stream is gone."""
        self._connected_at = None

    def reopening(self) -> None:
        """The stream is hung up because `course` said to open it anew."""
        self.fruitless += 1

    # What it says

    @property
    def over(self) -> bool:
        """Whether it has ended, as far as was ever shown; what is not there any more has, too."""
        return bool(self.ending)

    @property
    def ending(self) -> str:
        """How it has ended, in words; "" while it has not."""
        if self.known is Unseen.ABSENT:
            return GONE if self._seen and not self._disproved else ""
        return self._ending

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, by the platform's clock; None where it has not, or nobody says when."""
        return self.known.ended_at if isinstance(self.known, Snapshot) else None

    @property
    def people(self) -> int:
        """How many are known to be there. From two on the platform sends without a pause, even silence."""
        if not self.owed or not isinstance(self.known, Snapshot):
            return 0
        return len(self.known.participants or ()) or BOTH

    @property
    def owed(self) -> bool | None:
        """Whether audio would be missed by who does not listen now; None where nobody can tell.

        A stream that breaks off while it is, is a gap. One that does while it is not, is none.
        """
        if self._disproved and not self._ending:
            return None
        if isinstance(self.known, Snapshot):
            return False if self.known.over else self.known.occupied
        return False if self.over or self.known is Unseen.ABSENT else None

    def hears(self, now: float) -> bool:
        """Whether the stream that stands brings audio: then nothing that is said can change its course."""
        return (
            self._connected_at is not None
            and self._heard_at is not None
            and now - self._heard_at < LAST_WORDS
        )

    def course(self, now: float) -> Course:
        """What is to be done."""
        standing = self._connected_at is not None
        if self.hears(now):
            return Course.LISTEN
        if self.over:
            return Course.END
        if self._vacant and not self._disproved:
            return Course.REST if standing else Course.WAIT
        due = self._reopen_at
        return Course.REOPEN if due is not None and now >= due else Course.LISTEN

    def next_look(self, now: float) -> float | None:
        """When `course` may say something else, if nothing happens before; None: never."""
        dues = [self._reopen_at]
        if self._connected_at is not None and self._heard_at is not None:
            dues.append(self._heard_at + LAST_WORDS)
        return min((due for due in dues if due is not None and due > now), default=None)

    @property
    def _vacant(self) -> bool:
        """Whether it was said that nobody is there."""
        return self.known is Unseen.ABSENT or (
            isinstance(self.known, Snapshot) and self.known.occupied is False
        )

    @property
    def _disproved(self) -> bool:
        """Whether somebody was heard after that was said, whose last words it cannot have been."""
        if not self._vacant or self._spoke_at is None:
            return False
        return self._spoke_from > self._told_at or self._spoke_at - self._told_at > LAST_WORDS

    @property
    def _reopen_at(self) -> float | None:
        """When the stream that stands has been silent for too long, people being there."""
        if self._connected_at is None or self._occupied_since is None:
            return None
        if not isinstance(self.known, Snapshot) or self.known.occupied is None:
            return None
        silent_since = max(self._connected_at, self._occupied_since)
        if self._heard_at is not None:
            silent_since = max(silent_since, self._heard_at)
        doubled = self.patience.no_audio_after * (1 << min(self.fruitless, _MOST_DOUBLINGS))
        return silent_since + min(doubled, max(MOST_PATIENCE, self.patience.no_audio_after))

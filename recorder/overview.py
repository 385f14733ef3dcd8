"""Puts together what the daemon says of itself, from its parts. On request, and slice by slice.

Knows the parts, and not who asks.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import datetime, timedelta

import anyio.lowlevel

from recorder import __version__
from recorder.clock import Clock
from recorder.config import Settings
from recorder.core.media import SAMPLE_RATE
from recorder.diagnosis import Listened, of_platform
from recorder.journal import SILENT, Journal
from recorder.lifecycle import Lifecycle
from recorder.reserve import Reserve, ReserveWatch
from recorder.roster import Roster
from recorder.state import State
from recorder.status import PatternStatus, SpoolStatus, Status, Totals, UploadStatus, WatchStatus, headline
from recorder.supervisor import Supervisor
from recorder.survey import Survey
from recorder.tally import Tally
from recorder.uploader import Uploader
from recorder.watchdog import Patience, standstills

SLICE = 200
"""Watches told of in one turn of the loop: streams wait to be read."""

_FAILING = 3
"""Attempts in a row without a success after which the store takes nothing: one may be unlucky."""


class Overview:
    """What can be said at any time.

    Attributes:
        supervisor: of the watches; None before the spool is in order.
        roster: of what they are found by; None as long.
        survey: what was last found in the spool.
        surveyed_at: when, monotonic seconds.
        store_problem: why the store did not take what was sent to it to try it; "" if it did.
        patience: after which something counts as stuck.
        hooks: says what became of events that hooks were told of.
    """

    def __init__(  # noqa: PLR0917  the parts
        self,
        settings: Settings,
        lifecycle: Lifecycle,
        clock: Clock,
        uploader: Uploader,
        reserve: Reserve,
        room: ReserveWatch,
    ) -> None:
        self._settings = settings
        self._lifecycle = lifecycle
        self._clock = clock
        self._uploader = uploader
        self._reserve = reserve
        self._room = room
        self._started = clock.utc()
        self.supervisor: Supervisor | None = None
        self.roster: Roster | None = None
        self.survey = Survey()
        self.surveyed_at: float | None = None
        self.store_problem = ""
        self.patience = Patience()
        self.hooks: Callable[[], Mapping[str, int]] = dict

    @property
    def journals(self) -> tuple[Journal, ...]:
        """Of what is watched now."""
        return self.supervisor.journals if self.supervisor else ()

    def states(self) -> Counter[State]:
        """How many watches are at which state, as was last derived."""
        return Counter(journal.condition.state for journal in self.journals)

    def look(self) -> None:
        """Derive the states anew; each change is told in the log."""
        for journal in self.journals:
            journal.look()

    def standstills(self) -> tuple[str, ...]:
        """What does not get on though it should."""
        now = self._clock.monotonic()
        return tuple(standstills(self.journals, self._uploader.overdue, now, self.patience))

    @property
    def trouble(self) -> str:
        """What seems to be wrong with the platform as a whole; "" for nothing."""
        return of_platform(Listened(journal.cut_short, journal.hears) for journal in self.journals)

    def spool(self) -> SpoolStatus:
        """What waits on this machine."""
        survey = self.survey
        at = self.surveyed_at
        return SpoolStatus(
            segments=survey.segments,
            bytes=survey.size,
            seconds=round(survey.samples / SAMPLE_RATE, 3),
            oldest=round(survey.oldest, 1),
            aside=survey.aside,
            free_bytes=survey.free,
            paused=self._reserve.paused,
            looked=None if at is None else round(self._clock.monotonic() - at, 1),
        )

    def totals(self) -> Totals:
        """What was counted since the start."""
        return Totals(
            tally=self.supervisor.tally() if self.supervisor else Tally(),
            uploads=deepcopy(self._uploader.tally),
            given_up=self._room.given_up / SAMPLE_RATE,
            hooks=self.hooks(),
        )

    @property
    def away(self) -> bool:
        """Whether the store takes nothing, as far as is known."""
        failing = self._uploader.tally.failed_in_a_row >= _FAILING
        return self._uploader.away or failing or bool(self._problem)

    @property
    def headline(self) -> str:
        """A line for people."""
        return headline(self.states(), self.spool(), self._lifecycle.phase.value, away=self.away)

    @property
    def _problem(self) -> str:
        return "" if self._uploader.tally.segments else self.store_problem

    async def status(self) -> Status:
        """Everything."""
        watches: list[WatchStatus] = []
        now, utc = self._clock.monotonic(), self._clock.utc()
        for number, journal in enumerate(self.journals, start=1):
            watches.append(_of(journal, now, lambda at: utc - timedelta(seconds=now - at)))
            if number % SLICE == 0:
                await anyio.lowlevel.checkpoint()
        uploads = self._uploader.tally
        return Status(
            version=__version__,
            recorder=self._settings.recording.recorder,
            phase=self._lifecycle.phase.value,
            started=self._started,
            listed=self.supervisor.watches.listed if self.supervisor else 0,
            watches=tuple(watches),
            spool=self.spool(),
            uploads=UploadStatus(
                store=self._settings.storage.url,
                away=self.away,
                problem=self._problem,
                uploaded=uploads.segments,
                failures=dict(uploads.failures),
                read_back_failures=uploads.read_back_failures,
                overdue=round(self._uploader.overdue, 1),
            ),
            trouble=self.trouble,
            standstills=self.standstills(),
            patterns=tuple(
                PatternStatus(pattern=str(pattern), conferences=count)
                for pattern, count in (self.roster.counts if self.roster else ())
            ),
        )


def _of(journal: Journal, now: float, utc_of: Callable[[float], datetime]) -> WatchStatus:
    state, why = journal.look().state, journal.condition.why
    recording, tally, watch = journal.recording, journal.tally, journal.watch
    heard_at = recording.heard_at if recording else None
    heard = recording is not None and heard_at is not None
    return WatchStatus(
        kind=watch.watch_id.kind.value,
        id=watch.watch_id.id,
        name=watch.name,
        state=state,
        why=why,
        since=utc_of(journal.since),
        recorded=round(tally.recorded / SAMPLE_RATE, 3),
        silence={reason.value: samples / SAMPLE_RATE for reason, samples in tally.silence.items()},
        gaps=tally.gaps,
        reconnects=tally.reconnects.total(),
        reopened=tally.reconnects[SILENT],
        last_audio=None if heard_at is None else round(max(0.0, now - heard_at), 1),
        codec=recording.codec.value if recording and recording.codec else None,
        jitter_ms=recording.jitter_ms if recording and heard else None,
        drift_ppm=recording.drift_ppm if recording else None,
        discovered=watch.discovered,
    )

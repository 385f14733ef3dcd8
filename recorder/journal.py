"""What one watch reports: its lines of the log, its counts, and the state that all of it comes to.

The recording tells, and asks nothing back; nothing here is done for a packet. Knows no connection's library,
no file and no bucket.
"""

from asyncio import Future
from collections.abc import Callable
from typing import Final

import structlog

from recorder import diagnosis, logs
from recorder.clock import Clock
from recorder.connection import Connection, ConnectionRefused, Setback
from recorder.core.life import Life
from recorder.core.media import SAMPLE_RATE, Codec
from recorder.core.recording import Recording
from recorder.state import Condition, Facts, State, condition
from recorder.tally import Tally
from recorder.watchlist import Watch
from recorder.writer import SamplesMissed, SegmentFailed
from storage.manifest import GapReason, SegmentManifest

REPEAT_INTERVAL = 60.0
"""Seconds between two log lines that say the same of one watch."""
IDLE_AFTER = 10.0
"""Seconds without audio after which nobody is heard, where nothing else is configured."""
LATELY = 5.0
"""Seconds for which audio still counts as coming."""
LOST: Final = "lost"
"""Why one has to connect again: there was a connection."""
SILENT: Final = "silent"
"""The same: it stood and brought nothing, though people were there, and was hung up for another."""

_log = structlog.stdlib.get_logger(__name__)


class Journal:
    """Of one watch, for as long as it is watched. It survives errors of its recording.

    Attributes:
        watch: which one.
        condition: what was derived last.
        since: when its state began, monotonic seconds.
        tally: what there was so far.
        recording: the core that is driven now, None before there is one.
        connection: the one that stands.
        step_since: since when something is done that must have an end soon, monotonic seconds.
        sealing_since: since when what is closed is being sealed, and nothing of it was yet.
        cut_short: streams in a row that were accepted and ended without audio, though people were there.
        heard: whether any stream ever brought audio.
    """

    def __init__(
        self,
        watch: Watch,
        clock: Clock,
        idle_after: float = IDLE_AFTER,
        on_blocked: Callable[[Watch, str], None] = lambda _, __: None,
    ) -> None:
        self.watch = watch
        self._clock = clock
        self._on_blocked = on_blocked
        self._idle_after = idle_after
        self._facts = Facts()
        self._repeats = logs.Repeats(REPEAT_INTERVAL)
        self._missed = 0  # samples that the disk did not take, since it last took all
        self._handed = 0  # samples that it is at
        self.condition = Condition(State.CONNECTING)
        self.since = clock.monotonic()
        self.tally = Tally()
        self.recording: Recording | None = None
        self._life: Life | None = None
        self.cut_short = 0
        self.heard = False
        self.connection: Connection | None = None
        self.step_since: float | None = None
        self._writing: tuple[float, Future[SamplesMissed | None]] | None = None
        self.sealing_since: float | None = None
        self._wrote_at = self._unwritten_after = self.since
        bound = {logs.WATCH: str(watch.watch_id)} | ({logs.NAME: watch.name} if watch.name else {})
        self._log = _log.bind(**bound)

    def look(self) -> Condition:
        """Derive the state anew, and say so if it is another."""
        now, recording, before = self._clock.monotonic(), self.recording, self.condition
        if recording and self.hears:
            self._facts.heard_at = recording.heard_at
        self._look_at_writes(now)
        self._look_around()
        self.condition = condition(self._facts, now, self._idle_after)
        if self.condition.state is not before.state:
            self.since = now
            state, why = self.condition.state, self.condition.why
            say = {State.BLOCKED: self._log.error, State.DEGRADED: self._log.warning}
            because = {logs.REASON: why} if why else {}
            say.get(state, self._log.info)(
                "state", **{logs.STATE: state.value, "was": before.state.value}, **because
            )
            if state is State.BLOCKED:
                self._on_blocked(self.watch, why)
        return self.condition

    def _look_at_writes(self, now: float) -> None:
        facts, wrote_at = self._facts, self._wrote_at
        if facts.heard_at is None or facts.heard_at < wrote_at or now - facts.heard_at > LATELY:
            facts.unwritten_since = None
        elif facts.unwritten_since is None or wrote_at != self._unwritten_after:
            facts.unwritten_since, self._unwritten_after = now, wrote_at

    def _look_around(self) -> None:
        facts, life = self._facts, self._life
        facts.people = life.people if life else 0
        facts.unheard = ""
        if life and facts.people and life.fruitless:
            facts.unheard = diagnosis.of_silence(
                facts.people, life.fruitless, self.watch.encapsulation, heard=self.heard
            )

    # The recording, and its stream

    def began(self, recording: Recording, life: Life) -> None:
        """A recording is driven from now on, and its stream as `life` says."""
        self.recording, self._life = recording, life
        self._facts = Facts()
        self.connection = self.step_since = self.sealing_since = self._writing = None

    def failed(self, error: Exception, delay: float) -> None:
        """The recording ended by an error that nobody expected. To be called where it is handled."""
        self._facts.failure = type(error).__name__
        self.connection = self.step_since = self.sealing_since = self._writing = None
        self._log.exception(
            "a watch failed in a way nobody expected; it is begun again", **{logs.DELAY: round(delay, 1)}
        )
        self.look()

    def connecting(self) -> None:
        """An attempt is under way."""
        self.step_since = self._clock.monotonic()
        if self._facts.ended:
            self._facts.ended = ""
            self.look()

    def connected(self, connection: Connection) -> None:
        """The connection stands. It proves nothing about audio."""
        self.step_since = None
        self.connection = connection
        self._facts.connected_at, self._facts.heard_at = self._clock.monotonic(), None
        self._log.info("stream connected")
        self.look()

    def audio_began(self) -> None:
        """The first messages of a connection have come."""
        self.cut_short, self.heard = 0, True
        self._log.info("audio began")

    def hanging_up(self) -> None:
        """The connection is being closed."""
        self.step_since = self._clock.monotonic()

    def hung_up(self) -> None:
        """All of it has been taken."""
        self.connection = self.step_since = None

    def lost(self, reason: str, seconds: float, *, missed: bool) -> None:
        """The connection has ended after so many seconds; `missed` says that there was audio."""
        self._set_back(Setback.TRANSIENT, reason, LOST, missed=missed)
        self._log.warning("stream lost", **{logs.REASON: reason, logs.SECONDS: round(seconds, 1)})
        self.look()

    def opens_anew(self, reason: str, seconds: float) -> None:
        """It was hung up after so many seconds for another: people are there, and none is heard."""
        self._set_back(None, "", SILENT, missed=self._facts.missed)
        self._log.warning(
            "stream opened anew: it brought nothing",
            **{
                logs.REASON: reason,
                logs.SECONDS: round(seconds, 1),
                logs.COUNT: self.tally.reconnects[SILENT],
            },
        )
        self.look()

    def ended(self, how: str) -> None:
        """It is over: no stream is opened, and none is missed."""
        self.cut_short = 0
        self._facts.setback, self._facts.missed, self._facts.connected_at = None, False, None
        self._facts.ended = how
        self.look()

    def refused(self, refused: ConnectionRefused, *, missed: bool) -> None:
        """No connection came about; `missed` says that there is audio, as far as is known."""
        setback, reason = refused.setback, str(refused)
        self.cut_short = 0 if setback is Setback.NOT_LIVE else self.cut_short
        self.step_since = None
        self._set_back(setback, reason, setback.name.lower(), missed=missed, remedy=refused.remedy)
        say = {Setback.NOT_LIVE: self._log.info, Setback.REFUSED: self._log.error}
        # By the beginning of the reason: further on it may have the id of the request, which never repeats.
        held_back = self._repeats.admit((setback, reason.partition(",")[0]), self._clock.monotonic())
        if held_back is not None:
            say.get(setback, self._log.warning)(
                "no stream", **{logs.STATE: setback.value, logs.REASON: reason, logs.SUPPRESSED: held_back}
            )
        self.look()

    def _set_back(
        self, setback: Setback | None, reason: str, count_as: str, *, missed: bool, remedy: str = ""
    ) -> None:
        self._facts.setback, self._facts.reason, self._facts.missed = setback, reason, missed
        self._facts.remedy, self._facts.ended, self._facts.connected_at = remedy, "", None
        self.tally.reconnects[count_as] += 1

    # What it brought

    def detected(self, codec: Codec) -> None:
        """It is known what the stream carries."""
        self._log.info("codec detected", codec=codec.value)
        self.look()

    def discarded(self, reason: str, count: int) -> None:
        """Messages gave no audio."""
        self._facts.unreadable, self._facts.unreadable_at = reason, self._clock.monotonic()
        self._say_rarely("messages discarded", reason, **{logs.COUNT: count})

    def gap(self, reason: GapReason, samples: int) -> None:
        """Silence stands for what was not heard."""
        self.tally.gaps += 1
        self.tally.silence[reason] += samples
        if reason in (GapReason.STALLED, GapReason.LOST):
            self._facts.stall(samples / SAMPLE_RATE, self._clock.monotonic())
        self._say_rarely("gap", reason, **{logs.SAMPLES: samples})

    # What the disk took of it

    def writing(self, samples: int, writing: Future[SamplesMissed | None]) -> None:
        """The disk was given so many samples. It is done when `writing` is, and `written` may come later."""
        self._handed = samples
        self._writing = self._clock.monotonic(), writing

    @property
    def hears(self) -> bool:
        """Whether the stream that stands has brought audio."""
        return self.recording is not None and self.recording.hears

    @property
    def writing_since(self) -> float | None:
        """Since when the disk is at something of this watch, monotonic seconds; None while it is not."""
        return self._writing[0] if self._writing and not self._writing[1].done() else None

    def written(self, missed: SamplesMissed | None, *, behind: bool) -> None:
        """It has done with them; it is `behind` while it has not taken the last of what it was given."""
        self._writing, self._wrote_at = None, self._clock.monotonic()
        if missed is None:
            self.tally.recorded += self._handed
            if self._missed and not behind:
                self._log.warning("recording again", samples_missed=self._missed)
                self._missed = 0
            if self._facts.disk and not behind:
                self._facts.disk = ""
                self.look()
            return
        self.tally.recorded += max(0, self._handed - missed.samples)
        self.tally.silence[GapReason.DISK] += missed.samples
        self._facts.disk = str(missed.error or "the disk has less free than min_free")
        if missed.error:
            self._missed += missed.samples
            self._say_rarely(
                "not recorded: the disk did not take it", str(missed.error), samples_missed=self._missed
            )
        self.look()

    def sealing(self, *, under_way: bool) -> None:
        """What is closed is being sealed, or that is over for now."""
        self.sealing_since = self._clock.monotonic() if under_way else None

    def closed(self, closed: SegmentManifest | SegmentFailed) -> None:
        """A closed segment was sealed, or not."""
        if isinstance(closed, SegmentFailed):
            what = "given up: the next start repairs what the disk has" if closed.given_up else "tried again"
            self._facts.unsealed = str(closed.error)
            self._say_rarely(
                f"the disk did not let a segment be sealed; it is {what}",
                str(closed.error),
                **{logs.SEGMENT: closed.facts.name.stem},
            )
        else:
            self._facts.unsealed = ""
            self.tally.sealed += 1
            self._say_sealed(closed)
        self.look()

    def _say_sealed(self, sealed: SegmentManifest) -> None:
        self._log.info(
            "segment sealed",
            **{
                logs.SEGMENT: sealed.name.stem,
                logs.SAMPLES: sealed.samples,
                "silence": sealed.silence,
                "codec": sealed.codec,
                "closed_by": sealed.closed_by.value,
                "discarded": sum(sealed.reception.discarded.values()),
                "lost": sealed.reception.lost,
                "jitter_ms": sealed.reception.jitter_ms,
                "drift_ppm": sealed.reception.drift_ppm,
            },
        )

    def _say_rarely(self, event: str, reason: str, **values: int | str) -> None:
        held_back = self._repeats.admit((event, reason), self._clock.monotonic())
        if held_back is not None:
            self._log.warning(event, **{logs.REASON: str(reason), logs.SUPPRESSED: held_back}, **values)

"""`Recording`: what the shell talks to. From messages of one watch to what must be done with its segments.

It survives reconnects; sequence numbers, jitter buffer and codec detection die with each connection. The
states of a watch's audio, and what leads from one to the other:

    absent     no segment is open and none will be before there is audio
               -> recording   audio came
    recording  a segment is open, or the next audio continues the last one
               -> absent      nothing was heard for `idle_after` on a standing connection,
                              or there was no connection for `gap_limit`

What passes between two segments of one recording is silence in a segment; what passes while absent is
`opened_after` in the manifest of the segment that ends it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from recorder.core import absence
from recorder.core.absence import Past
from recorder.core.encapsulation import UNPACK
from recorder.core.events import CodecDetected, Event, MessagesDiscarded
from recorder.core.media import SAMPLE_RATE, Codec, CodecChoice
from recorder.core.outage import Outage
from recorder.core.packets import DiscardReason, Packets, Row, Run
from recorder.core.reception import ReceptionCounters
from recorder.core.segmenter import Identity, Segmenter, Silence
from recorder.core.sightings import Sightings
from recorder.core.stages import Stages
from recorder.core.timeline import Audio, Gap, Placed, Timeline
from storage.manifest import ClosedBy, GapReason, OpenedAfter, OpenedAfterReason, Reception

GRID_GRACE = 3.0
"""Seconds after an instant of the grid until a disconnected segment is filled up to it with silence and
closed. Longer than a reconnect takes to show that the audio goes on after all."""


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """How audio becomes segments. Times in seconds.

    Attributes:
        codec: a codec, or `auto`.
        segment: period of the UTC grid; divides an hour or a day.
        gap_limit: longest time without a connection that is bridged with silence.
        idle_after: longest time without audio on a standing connection that is bridged with silence.
    """

    codec: CodecChoice
    segment: float
    gap_limit: float
    idle_after: float


class Recording:
    """One watch's audio, from `started` (monotonic seconds) on; `past` is what came before, if that is known.

    `sightings` is what the platform says of it, for the manifests; None where it is not asked.
    Every method that takes `now` wants monotonic seconds that never decrease, and returns what must be done,
    in order. None of them raises for anything that came from the network.

    Attributes:
        codec: what the stream carried when last heard, None before it was known.
    """

    def __init__(
        self,
        identity: Identity,
        settings: RecordingSettings,
        numbers: Iterator[int],
        started: float,
        past: Past | None = None,
        *,
        sightings: Sightings | None = None,
    ) -> None:
        self._settings = settings
        self._unpack = UNPACK[identity.encapsulation]
        self._counters = ReceptionCounters()
        self._timeline = Timeline()
        self._segmenter = Segmenter(identity, settings.segment, numbers, self._take_reception, sightings)
        self._connection: Stages | None = None
        self._connections = 0
        self.codec: Codec | None = None
        self._heard_at = started  # when audio last arrived, or a connection began that may bring some
        self._audio_at: float | None = None  # when it last arrived over a connection that is gone
        self._outage = Outage(started)
        self._absent: OpenedAfterReason | None = OpenedAfterReason.START
        self._absent_samples = 0
        self._started = started
        self._past = past

    def connected(self, now: float, utc: datetime) -> list[Event]:
        """A connection stands. It proves nothing about audio."""
        self._connection = Stages(self._settings.codec, self._counters, self.codec)
        self._timeline.connected(now, utc)
        self._connections += 1
        self._counters.reconnects += self._connections > 1
        self._outage.end(now)
        self._heard_at = now
        return []

    def receive(
        self,
        rows: Iterable[Row],
        now: float,
        discarded: Mapping[DiscardReason, int] | None = None,
        waited: float = 0.0,
    ) -> list[Event]:
        """Take the binary messages of one read, in rows, and the counts of what was no binary message.

        `waited` is how many seconds they may have lain unread before `now`.

        Raises:
            RuntimeError: there is no connection that they could have come over.
        """
        connection = self._connection
        if connection is None:
            raise RuntimeError("messages without a connection")
        refused: list[DiscardReason] = []
        packets: list[Packets] = []
        for row in rows:
            self._counters.messages += row.many
            for unpacked in self._unpack(row):
                if isinstance(unpacked, Packets):
                    packets.append(unpacked)
                else:
                    refused.append(unpacked)
        events: list[Event] = self._discard(refused, discarded) if refused or discarded else []
        if packets:
            self._heard_at = now
            connection.heard = True
            events += self._place(connection, connection.jitter_buffer.put(packets, now, waited), now)
        return events

    def disconnected(self, now: float) -> list[Event]:
        """The connection is gone. What it brought is written; what it would have brought is not there yet."""
        if self._connection is None:
            return []
        events = self._drain(self._connection, now)
        self._audio_at = self.heard_at
        self._connection = None
        self._counters.interrupted()
        self._outage.begin(now)
        return events

    def vacated(self, now: float, missed_until: float = -math.inf) -> list[Event]:
        """Nobody is there, as is known for certain: the segment ends, and what follows is no loss.

        Somebody was until `missed_until`, as far as is known: what has had no connection until then is a gap.
        """
        events = self.disconnected(now)
        if self._absent is None:
            missed = missed_until > (self._outage.first or math.inf)
            events += self._fill(self._timeline.samples_until(missed_until) if missed else 0)
            events += self._segmenter.close(ClosedBy.IDLE)
            self._absent = OpenedAfterReason.IDLE
        self._outage.excuse(now)
        return events

    def awaited(self, now: float) -> None:
        """From now on somebody may be there again: what a connection would bring is missed without one."""
        if self._connection is None:
            self._outage.begin(now)

    def tick(self, now: float) -> list[Event]:
        """Do what is due by now. To be called at `next_deadline`; calling it at other times does no harm."""
        events: list[Event] = []
        if self._connection:
            events += self._place(self._connection, self._connection.jitter_buffer.tick(now), now)
        held_until = self._timeline.deadline
        if held_until is not None and now >= held_until:
            events += self._write(self._timeline.flush())
        for reason, closed_by, due in self._absences():
            if now >= due:
                events += self._write(self._timeline.flush())
                events += self._segmenter.close(closed_by)
                self._absent = reason
                break
        else:
            if now >= (self._grid_deadline() or math.inf):
                events += self._fill(self._segmenter.room or 0)
        return events

    def finish(self, now: float) -> list[Event]:
        """Nothing more will come: write what is held and close the segment."""
        return [*self.disconnected(now), *self._segmenter.close(ClosedBy.STOPPED)]

    def next_deadline(self) -> float | None:
        """When `tick` should be called if nothing else happens before, monotonic seconds; None: never."""
        stages = self._connection
        own = (stages.jitter_buffer.deadline, stages.decoder.deadline) if stages else (self._grid_deadline(),)
        dues = [due for due in (*own, self._timeline.deadline) if due is not None]
        dues += [due for _, _, due in self._absences()]
        return min(dues, default=None)

    @property
    def hears(self) -> bool:
        """Whether audio has come over the connection that stands."""
        return self._connection is not None and self._connection.heard

    @property
    def heard_at(self) -> float | None:
        """When audio last came, monotonic seconds; None if none has."""
        return self._heard_at if self.hears else self._audio_at

    @property
    def jitter_ms(self) -> float:
        """The interarrival jitter of now, in milliseconds; see `Reception`."""
        return self._counters.jitter_ms

    @property
    def drift_ppm(self) -> float | None:
        """The sender's clock against ours; see `Reception`."""
        return self._timeline.drift_ppm

    def _discard(
        self, refused: list[DiscardReason], discarded: Mapping[DiscardReason, int] | None
    ) -> list[Event]:
        """Count messages that gave no audio, and those that were not even binary."""
        self._counters.messages += sum((discarded or {}).values())
        counts = Counter(discarded or ()) + Counter(refused)
        self._counters.discarded.update(counts)
        return [MessagesDiscarded(reason, count) for reason, count in counts.items()]

    def _drain(self, connection: Stages, now: float) -> list[Event]:
        events = self._place(connection, connection.jitter_buffer.flush(), now)
        for chunk in connection.decoder.flush():
            events += self._detected(connection)
            events += self._write(self._timeline.place(chunk))
        return events + self._write(self._timeline.flush())

    def _place(self, connection: Stages, runs: Sequence[Run], now: float) -> list[Event]:
        chunks = connection.decoder.put(runs, now)
        events = self._detected(connection) if chunks else []
        for chunk in chunks:
            events += self._write(self._timeline.place(chunk))
        return events

    def _detected(self, connection: Stages) -> list[Event]:
        codec = connection.decoder.codec
        if codec is None or connection.codec_said:
            return []
        connection.codec_said = True
        self.codec = codec
        changed = self._segmenter.codec not in (None, codec)
        closed = self._segmenter.close(ClosedBy.CODEC) if changed else ()
        return [*closed, CodecDetected(codec)]

    def _write(self, placed: Iterable[Placed]) -> list[Event]:
        events: list[Event] = []
        for item in placed:
            if isinstance(item, Gap) and self._absent:
                self._absent_samples += item.samples
            else:
                for part in self._divide(item) if isinstance(item, Gap) else (item,):
                    events += self._write_one(part)
        return events

    def _fill(self, samples: int) -> list[Event]:
        """Write silence for what had no connection."""
        gaps = self._divide(self._timeline.fill(samples, GapReason.DISCONNECTED)) if samples else []
        away = sum(gap.samples for gap in gaps if gap.reason is GapReason.DISCONNECTED)
        self._outage.seconds -= away / SAMPLE_RATE  # these are in the ledger
        return self._write(gaps)

    def _divide(self, gap: Gap) -> list[Gap]:
        """Tell the silence of a connection that stood from that of one that was gone."""
        return self._outage.divide(gap, self._timeline.time_of)

    def _write_one(self, item: Placed) -> Iterator[Event]:
        assert self.codec is not None  # noqa: S101  nothing is placed that was not decoded
        at = partial(self._timeline.utc_of, item.position)
        if isinstance(item, Gap):
            return self._segmenter.write(Silence(item.samples, item.reason), at, self.codec, None)
        opened_after = self._opened_after(item)
        self._outage.heard()
        return self._segmenter.write(item.pcm, at, self.codec, opened_after)

    def _opened_after(self, audio: Audio) -> OpenedAfter | None:
        """Account for the absence that `audio` ends, if it ends one."""
        reason, self._absent = self._absent, None
        samples, self._absent_samples = self._absent_samples, 0
        if reason is None:
            return None
        if reason is OpenedAfterReason.START:
            watched = max(0.0, self._timeline.time_of(audio.position) - self._started)
            at = self._timeline.utc_of(audio.position)
            return absence.first_of_all(self._past, at, watched, self._outage.seconds)
        # A burst may have made good what looked like an absence: then not a sample is missing.
        return absence.between(reason, samples / SAMPLE_RATE, self._outage.seconds) if samples else None

    def _absences(self) -> Iterator[tuple[OpenedAfterReason, ClosedBy, float]]:
        """When audio will count as absent, and why, if none comes before."""
        if self._absent and self._timeline.deadline is None:
            return
        if self._connection:
            yield OpenedAfterReason.IDLE, ClosedBy.IDLE, self._heard_at + self._settings.idle_after
        if self._outage.first is not None and not self.hears:  # what is heard may be held as yet
            due = self._outage.first + self._settings.gap_limit
            yield OpenedAfterReason.DISCONNECTED, ClosedBy.DISCONNECTED, due

    def _grid_deadline(self) -> float | None:
        """When the open segment is cut though nothing is heard: a connection that is gone brings no burst."""
        room = self._segmenter.room
        if room is None or self._connection:
            return None
        return self._timeline.time_of(self._timeline.position + room) + GRID_GRACE

    def _take_reception(self) -> Reception:
        return self._counters.take(self._timeline.drift_ppm)

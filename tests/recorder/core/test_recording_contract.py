"""Any messages, at any times, over any connections: what a shell may rely on, whatever happens.

The driver asserts that segments open and close in turn, that audio and silence come only between, that facts
count what was written and that ticking at a deadline gets somewhere.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recorder.core.media import SAMPLE_RATE, CodecChoice, Encapsulation
from recorder.core.packets import DiscardReason
from storage.manifest import OpenedAfterReason
from tests.recorder.core.drive import Drive

PACKET: Final = 0.02

WRAP: Final[dict[Encapsulation, Callable[[bytes, int, int], bytes]]] = {
    Encapsulation.RTP: lambda payload, sequence, ssrc: (
        b"\x80\x60" + (sequence % 65536).to_bytes(2) + bytes(4) + ssrc.to_bytes(4) + payload
    ),
    Encapsulation.SLN: lambda payload, _, __: payload,
    Encapsulation.AUDIOSOCKET: lambda payload, _, __: b"\x10" + len(payload).to_bytes(2) + payload,
}

PAUSES: Final = st.sampled_from([0.0, 0.02, 0.3]) | st.floats(0, 2) | st.floats(0, 30) | st.floats(0, 1000)


class AnyRecording(RuleBasedStateMachine):
    """A recording to which anything may happen in any order."""

    drive: Drive

    @initialize(
        encapsulation=st.sampled_from(Encapsulation),
        codec=st.sampled_from(CodecChoice),
        segment=st.sampled_from([5.0, 60.0, 3600.0]),
        gap_limit=st.sampled_from([0.0, 2.0, 60.0]),
        idle_after=st.sampled_from([0.5, 10.0, 60.0]),
        start=st.sampled_from([0, 1, 999_999, 30_000_000]),
    )
    def begin(
        self,
        *,
        encapsulation: Encapsulation,
        codec: CodecChoice,
        segment: float,
        gap_limit: float,
        idle_after: float,
        start: int,
    ) -> None:
        midnight = datetime(2027, 1, 1, tzinfo=UTC)
        self.encapsulation = encapsulation
        self.segment = segment
        self.connected = False
        self.leapt = timedelta(0)
        self.sequence = 65_500
        self.drive = Drive(
            encapsulation,
            codec,
            segment=segment,
            gap_limit=gap_limit,
            idle_after=idle_after,
            start=midnight - timedelta(microseconds=start),
        )

    @precondition(lambda self: not self.connected)
    @rule(
        pause=PAUSES,
        leap=st.sampled_from(
            [timedelta(0)] * 5 + [timedelta(days=1), timedelta(hours=-1), timedelta(seconds=-2)]
        ),
    )
    def connect(self, pause: float, leap: timedelta) -> None:
        at = self.drive.now + pause
        self.leapt += leap
        self.drive.connect(at, self.drive.start + timedelta(seconds=at) + self.leapt)
        self.connected = True

    @precondition(lambda self: self.connected)
    @rule(pause=PAUSES)
    def disconnect(self, pause: float) -> None:
        self.drive.disconnect(self.drive.now + pause)
        self.connected = False

    @precondition(lambda self: self.connected)
    @rule(
        count=st.integers(1, 400),
        payload=st.sampled_from([bytes(320), b"\xff" * 160, b"\x01\x02" * 160, b"\x12\xb0\xff" * 107]),
        speed=st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0, 1.5]),
    )
    def stream(self, count: int, payload: bytes, speed: float) -> None:
        for _ in range(count):
            message = WRAP[self.encapsulation](payload, self.sequence, 1)
            self.sequence += 1
            self.drive.receive([message], self.drive.now + PACKET * speed)

    @precondition(lambda self: self.connected)
    @rule(pause=PAUSES, count=st.integers(1, 3000))
    def burst(self, pause: float, count: int) -> None:
        messages = [WRAP[self.encapsulation](bytes(320), self.sequence + each, 1) for each in range(count)]
        self.sequence += count
        self.drive.receive(messages, self.drive.now + pause)

    @precondition(lambda self: self.connected)
    @rule(
        pause=PAUSES,
        packets=st.lists(
            st.tuples(st.binary(min_size=1, max_size=9), st.integers(0, 65_535), st.integers(0, 1)),
            max_size=20,
        ),
    )
    def receive_in_any_order(self, pause: float, packets: list[tuple[bytes, int, int]]) -> None:
        messages = [WRAP[self.encapsulation](*packet) for packet in packets]
        self.drive.receive(messages, self.drive.now + pause)

    @precondition(lambda self: self.connected)
    @rule(pause=PAUSES, messages=st.lists(st.binary(max_size=40), max_size=10))
    def receive_anything(self, pause: float, messages: list[bytes]) -> None:
        self.drive.receive(messages, self.drive.now + pause, {DiscardReason.TEXT: len(messages)})

    @rule(leap=st.integers(-70_000, 70_000))
    def renumber(self, leap: int) -> None:
        self.sequence = max(0, self.sequence + leap)

    @rule(pause=PAUSES)
    def wait(self, pause: float) -> None:
        self.drive.advance(self.drive.now + pause)

    @rule()
    def tick_for_no_reason(self) -> None:
        self.drive.tick()

    @invariant()
    def what_was_written_follows_what_was_written_before(self) -> None:
        closed = [segment.facts for segment in self.drive.segments if segment.closed]
        for facts in closed:
            assert facts.samples <= 1.5 * self.segment * SAMPLE_RATE
            after = facts.opened_after
            assert after is None or abs(sum(after.by_reason.values()) - after.seconds) < 1e-5
        assert all(
            (segment.opened.opened_after is None)
            or (segment.opened.opened_after.reason is OpenedAfterReason.START) is (place == 0)
            for place, segment in enumerate(self.drive.segments)
        )

    @invariant()
    def no_more_is_written_than_time_has_passed_or_audio_has_come(self) -> None:
        silent = sum(samples for segment in self.drive.segments for _, samples, _ in segment.silence)
        assert silent <= (self.drive.now + 1.0) * SAMPLE_RATE

    def teardown(self) -> None:
        if hasattr(self, "drive"):
            self.drive.finish(self.drive.now)
            written = sum(segment.samples for segment in self.drive.segments)
            assert written == sum(segment.facts.samples for segment in self.drive.segments)
            assert self.drive.recording.next_deadline() is None or self.drive.open is None


TestAnyRecording = AnyRecording.TestCase
TestAnyRecording.settings = settings(max_examples=100, stateful_step_count=30)

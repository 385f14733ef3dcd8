"""Packets in the order of their sequence numbers, each once, and a word on those that never came.

A recorder has no playout deadline: it waits `WAIT` seconds for a missing packet, far longer than networks
reorder, before it declares it lost. Packets without sequence numbers pass as they come.
"""

from collections.abc import Sequence

from recorder.core.packets import DiscardReason, Packet, Run
from recorder.core.reception import ReceptionCounters
from recorder.core.sequence import MAX_MISORDER, RestartProbe, belongs, extend

WAIT = 0.5
"""Seconds to wait for a missing packet. Reordering on real paths stays below a tenth of this."""
CAPACITY = 128
"""Packets held while one is missing: what `WAIT` can bring at 4 ms a packet, and a bound to memory."""


class JitterBuffer:
    """Reorders the packets of one connection. Dies with the connection; the counters outlive it."""

    def __init__(self, counters: ReceptionCounters) -> None:
        self._counters = counters
        self._ssrc: int | None = None
        self._expected = 0  # extended number of the next packet; set by the first one, whose SSRC is new
        self._held: dict[int, tuple[Packet, float]] = {}
        self._recent: dict[int, bytes | None] = {}  # payload of each number gone by; None: declared lost
        self._probe = RestartProbe()
        self._missing = 0  # packets declared lost since the last one that was gathered
        self._lost_before = 0  # packets lost before those that are being gathered
        self._ready: list[Run] = []
        self._gathering: list[bytes] = []
        self._gathered_at = 0.0

    def put(self, packets: Sequence[Packet], at: float) -> list[Run]:
        """Take the packets of one read that arrived at `at`; return what is now in order."""
        for packet in packets:
            if packet.sequence is None:
                self._emit(packet, at)
            else:
                self._put(packet, packet.sequence, at)
        self._give_up(at)
        return self._take()

    def tick(self, now: float) -> list[Run]:
        """Return what need not be waited for any longer."""
        self._give_up(now)
        return self._take()

    def flush(self) -> list[Run]:
        """Return all that is held: nothing more will come. Suspects go out last, as they arrived."""
        while self._held:
            self._skip_to_held()
        for packet, at in self._probe.restarted():
            self._emit(packet, at)
        return self._take()

    @property
    def deadline(self) -> float | None:
        """When `tick` should be called next, monotonic seconds; None while nothing is missing."""
        return min(at for _, at in self._held.values()) + WAIT if self._held else None

    def _put(self, packet: Packet, sequence: int, at: float) -> None:
        if packet.ssrc != self._ssrc:
            # RFC 3550 section 8: another SSRC is another source, with numbers of its own.
            self._restart(sequence)
            self._ssrc = packet.ssrc
        number = extend(sequence, self._expected)
        if not belongs(number, self._expected):
            self._suspect(packet, at)
        elif number == self._expected:
            self._accept(packet, at)
            self._release()
        elif number > self._expected:
            if number in self._held:
                self._counters.duplicate += 1
            else:
                self._held[number] = (packet, at)
        elif self._recent.get(number) == packet.payload:
            self._counters.duplicate += 1
        elif number in self._recent and self._recent[number] is not None:
            # A number that was used for other audio is no duplicate: the sender began again close by.
            self._suspect(packet, at)
        else:
            self._counters.late += 1

    def _accept(self, packet: Packet, at: float) -> None:
        self._counters.discarded[DiscardReason.STRAY] += self._probe.dismiss()
        self._remember(self._expected, packet.payload)
        self._expected += 1
        self._emit(packet, at)

    def _release(self) -> None:
        while following := self._held.pop(self._expected, None):
            self._accept(*following)

    def _suspect(self, packet: Packet, at: float) -> None:
        if not self._probe.suspect(packet, at):
            return
        suspects = self._probe.restarted()
        self._restart(suspects[0][0].sequence or 0)
        for suspect, arrival in suspects:
            self._expected = extend(suspect.sequence or 0, self._expected)
            self._accept(suspect, arrival)

    def _restart(self, sequence: int) -> None:
        self._ready = self.flush()
        self._recent.clear()
        self._expected = sequence

    def _give_up(self, now: float) -> None:
        while self._held and (len(self._held) > CAPACITY or (self.deadline or now) <= now):
            self._skip_to_held()

    def _skip_to_held(self) -> None:
        first = min(self._held)
        for number in range(self._expected, first):
            self._remember(number, None)
        self._missing += first - self._expected
        self._counters.lost += first - self._expected
        self._expected = first
        self._release()

    def _remember(self, number: int, payload: bytes | None) -> None:
        self._recent[number] = payload
        self._recent.pop(number - MAX_MISORDER - 1, None)

    def _emit(self, packet: Packet, at: float) -> None:
        odd = len(packet.payload) % 2 == 1
        if odd or self._missing or at != self._gathered_at:
            self._close_run()
        self._gathering.append(packet.payload)
        self._gathered_at = at
        if odd:
            self._close_run()

    def _close_run(self) -> None:
        """Join what was gathered; what is missing by now is missing before the run that begins next."""
        if self._gathering:
            payload = b"".join(self._gathering)
            self._ready.append(Run(self._gathered_at, payload, len(self._gathering[-1]), self._lost_before))
            self._gathering.clear()
        self._lost_before, self._missing = self._missing, 0

    def _take(self) -> list[Run]:
        self._close_run()
        ready, self._ready = self._ready, []
        return ready

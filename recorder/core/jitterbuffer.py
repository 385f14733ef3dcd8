"""Packets in the order of their sequence numbers, each once, and a word on those that never came.

A recorder has no playout deadline: it waits `WAIT` seconds for a missing packet, far longer than networks
reorder, before it declares it lost. Packets without sequence numbers pass as they come.
"""

from collections.abc import Sequence
from itertools import count

from recorder.core.packets import DiscardReason, Packet, Run
from recorder.core.reception import ReceptionCounters
from recorder.core.sequence import MAX_MISORDER, MODULUS, RestartProbe, belongs, extend

WAIT = 0.5
"""Seconds to wait for a missing packet. Reordering on real paths stays below a tenth of this."""
CAPACITY = 128
"""Packets held while one is missing: what `WAIT` can bring at 4 ms a packet, and a bound to memory."""


_MOST_RECENT = 4 * MAX_MISORDER


class JitterBuffer:
    """Reorders the packets of one connection. Dies with the connection; the counters outlive it."""

    def __init__(self, counters: ReceptionCounters) -> None:
        self._counters = counters
        self._ssrc: int | None = None
        self._expected = 0  # extended number of the next packet; set by the first one, whose SSRC is new
        self._held: dict[int, tuple[Packet, float]] = {}
        self._recent: dict[int, int | None] = {}  # hash of the payload of each number gone by; None: lost
        self._probe = RestartProbe()
        self._missing = 0  # packets declared lost since the last one that was gathered
        self._lost_before = 0  # packets lost before those that are being gathered
        self._ready: list[Run] = []
        self._gathering: list[bytes] = []
        self._gathered_at = 0.0
        self._read = (0.0, 0.0)  # when packets were last put, and how long they may have waited

    def put(self, packets: Sequence[Packet], at: float, waited: float = 0.0) -> list[Run]:
        """Take the packets of one read at `at`; return what is now in order.

        They may have lain unread for `waited` seconds before.
        """
        self._read = (at, waited)
        position = 0
        while position < len(packets):
            run = self._next_in_order(packets, position)
            if run:
                self._accept(packets[position : position + run], at)
            else:
                self._put(packets[position], at)
            position += run or 1
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
            self._emit([packet.payload], at)
        return self._take()

    @property
    def deadline(self) -> float | None:
        """When `tick` should be called next, monotonic seconds; None while nothing is missing."""
        return min(at for _, at in self._held.values()) + WAIT if self._held else None

    def _next_in_order(self, packets: Sequence[Packet], position: int) -> int:
        """How many packets from `position` on are the next ones, with nothing held that belongs between."""
        sequence, ssrc = packets[position].sequence, packets[position].ssrc
        if sequence is None:
            return len(packets) - position
        if ssrc != self._ssrc or self._held or sequence != self._expected % MODULUS:
            return 0
        for ahead, packet in enumerate(packets[position:]):
            if packet.sequence != (sequence + ahead) % MODULUS or packet.ssrc != ssrc:
                return ahead
        return len(packets) - position

    def _put(self, packet: Packet, at: float) -> None:
        sequence = packet.sequence or 0
        if packet.ssrc != self._ssrc:
            # RFC 3550 section 8: another SSRC is another source, with numbers of its own.
            self._restart(sequence)
            self._ssrc = packet.ssrc
        number = extend(sequence, self._expected)
        if not belongs(number, self._expected):
            self._suspect(packet, at)
        elif number == self._expected:
            self._accept([packet], at)
            self._release()
        elif number > self._expected:
            if number in self._held:
                self._counters.duplicate += 1
            else:
                self._held[number] = (packet, at)
        elif self._recent.get(number) == hash(packet.payload):
            self._counters.duplicate += 1
        elif number in self._recent and self._recent[number] is not None:
            # A number that was used for other audio is no duplicate: the sender began again close by.
            self._suspect(packet, at)
        else:
            self._counters.late += 1

    def _accept(self, packets: Sequence[Packet], at: float) -> None:
        """Take the next packets: a run of one and a run of many are the same."""
        payloads = [packet.payload for packet in packets]
        self._emit(payloads, at)
        if packets[0].sequence is None:
            return
        self._counters.discarded[DiscardReason.STRAY] += self._probe.dismiss()
        self._recent.update(zip(count(self._expected), map(hash, payloads), strict=False))
        self._expected += len(packets)
        self._forget()

    def _release(self) -> None:
        while following := self._held.pop(self._expected, None):
            packet, at = following
            self._accept([packet], at)

    def _suspect(self, packet: Packet, at: float) -> None:
        if not self._probe.suspect(packet, at):
            return
        suspects = self._probe.restarted()
        self._restart(suspects[0][0].sequence or 0)
        for suspect, arrival in suspects:
            self._expected = extend(suspect.sequence or 0, self._expected)
            self._accept([suspect], arrival)

    def _restart(self, sequence: int) -> None:
        self._ready = self.flush()
        self._recent.clear()
        self._expected = sequence

    def _give_up(self, now: float) -> None:
        while self._held and (len(self._held) > CAPACITY or (self.deadline or now) <= now):
            self._skip_to_held()

    def _skip_to_held(self) -> None:
        first = min(self._held)
        self._recent.update(dict.fromkeys(range(self._expected, first)))
        self._missing += first - self._expected
        self._counters.lost += first - self._expected
        self._expected = first
        self._release()

    def _forget(self) -> None:
        """Keep of the past what a packet may still be compared with; now and then, for it costs a copy."""
        if len(self._recent) > _MOST_RECENT:
            oldest = self._expected - MAX_MISORDER
            self._recent = {number: recent for number, recent in self._recent.items() if number >= oldest}

    def _emit(self, payloads: Sequence[bytes], at: float) -> None:
        if self._missing or at != self._gathered_at:
            self._close_run()
        self._gathered_at = at
        for payload in payloads:
            # In 16-bit audio half a sample would shift what follows: it is a run of its own.
            odd = len(payload) % 2
            if odd:
                self._close_run()
            self._gathering.append(payload)
            if odd:
                self._close_run()

    def _close_run(self) -> None:
        """Join what was gathered; what is missing by now is missing before the run that begins next."""
        if self._gathering:
            payload = b"".join(self._gathering)
            waited = self._read[1] if self._gathered_at == self._read[0] else 0.0
            frame = len(self._gathering[-1])
            self._ready.append(Run(self._gathered_at, payload, frame, self._lost_before, waited))
            self._gathering.clear()
        self._lost_before, self._missing = self._missing, 0

    def _take(self) -> list[Run]:
        self._close_run()
        ready, self._ready = self._ready, []
        return ready

"""Packets in the order of their sequence numbers, each once, and a word on those that never came.

A recorder has no playout deadline: it waits `WAIT` seconds for a missing packet, far longer than networks
reorder, before it declares it lost. Packets without sequence numbers pass as they come.
"""

from collections import deque
from collections.abc import Iterable

from recorder.core.packets import MODULUS, DiscardReason, Packets, Run
from recorder.core.reception import ReceptionCounters
from recorder.core.sequence import MAX_MISORDER, RestartProbe, belongs, extend

WAIT = 0.5
"""Seconds to wait for a missing packet. Reordering on real paths stays below a tenth of this."""
UNREAD = 1.0
"""Seconds that a packet may be there and not be read: the longest interval of reads. This is waited for only
where no read comes; a read tells how long what it brings may have waited."""
CAPACITY = 128
"""Packets held while one is missing: what `WAIT` can bring at 4 ms a packet, and a bound to memory."""
MOST_BYTES = 1 << 20
"""Bytes of packets held while one is missing, and again of those that have gone by and are remembered. A
minute of audio: only messages that are no audio are so long. What is more is let go early, or forgotten."""


class JitterBuffer:
    """Reorders the packets of one connection. Dies with the connection; the counters outlive it."""

    def __init__(self, counters: ReceptionCounters) -> None:
        self._counters = counters
        self._ssrc: int | None = None
        self._expected = 0  # extended number of the next packet; set by the first one, whose SSRC is new
        self._held: dict[int, tuple[Packets, float]] = {}  # single packets
        self._held_bytes = 0
        self._recent: deque[tuple[int, Packets]] = deque()  # what has gone by, with the number after it
        self._recent_bytes = 0
        self._probe = RestartProbe()
        self._missing = 0  # packets declared lost since the last one that was gathered
        self._lost_before = 0  # packets lost before those that are being gathered
        self._ready: list[Run] = []
        self._gathering: list[bytes] = []
        self._gathered_at = 0.0
        self._frame = 0  # bytes of the packet gathered last
        self._read = (0.0, 0.0)  # when packets were last put, and how long they may have waited

    def put(self, arrived: Iterable[Packets], at: float, waited: float = 0.0) -> list[Run]:
        """Take the packets of one read at `at`; return what is now in order.

        They may have lain unread for `waited` seconds before.
        """
        self._read = (at, waited)
        for packets in arrived:
            if self._are_next(packets):
                self._accept(packets, at)
            else:
                for packet in packets.each():
                    self._put(packet, at)
        # The rest of what lay unread as long may come with the next piece of the same read.
        self._give_up(at - waited)
        return self._take()

    def tick(self, now: float) -> list[Run]:
        """Return what need not be waited for any longer."""
        self._give_up(now - UNREAD)
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
        return self._held_since + WAIT + UNREAD if self._held else None

    @property
    def _held_since(self) -> float:
        return min(at for _, at in self._held.values())

    def _are_next(self, packets: Packets) -> bool:
        """Whether all of them are the next ones, with nothing held that belongs between."""
        if packets.sequence is None:
            return True
        return packets.sequence == self._expected % MODULUS and packets.ssrc == self._ssrc and not self._held

    def _put(self, packet: Packets, at: float) -> None:
        """Take a single packet, whatever its number."""
        sequence = packet.sequence or 0
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
                self._held_bytes += packet.size
                while self._held_bytes > MOST_BYTES:
                    self._skip_to_held()
        else:
            self._put_behind(packet, number, at)

    def _put_behind(self, packet: Packets, number: int, at: float) -> None:
        """Take a single packet whose number has gone by."""
        before = self._gone_by(number)
        if before is None:
            self._counters.late += 1
        elif before == packet.payload:
            self._counters.duplicate += 1
        else:
            # A number that was used for other audio is no duplicate: the sender began again close by.
            self._suspect(packet, at)

    def _accept(self, packets: Packets, at: float) -> None:
        """Take the next packets: one and many are the same."""
        self._emit(packets, at)
        if packets.sequence is None:
            return
        self._counters.discarded[DiscardReason.STRAY] += self._probe.dismiss()
        self._expected += packets.many
        self._recent.append((self._expected, packets))
        self._recent_bytes += len(packets.payload)
        while self._recent_bytes > MOST_BYTES or self._recent[0][0] < self._expected - MAX_MISORDER:
            _, forgotten = self._recent.popleft()
            self._recent_bytes -= len(forgotten.payload)
            if not self._recent:
                break

    def _gone_by(self, number: int) -> bytes | None:
        """The payload that came under a number before, None if it was lost or is long ago."""
        for end, packets in self._recent:
            if end - packets.many <= number < end:
                at = (number - end) * packets.size + len(packets.payload)
                return packets.payload[at : at + packets.size]
        return None

    def _release(self) -> None:
        while following := self._held.pop(self._expected, None):
            packet, at = following
            self._held_bytes -= packet.size
            self._accept(packet, at)

    def _suspect(self, packet: Packets, at: float) -> None:
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
        self._recent_bytes = 0
        self._expected = sequence

    def _give_up(self, now: float) -> None:
        while self._held and (len(self._held) > CAPACITY or self._held_since + WAIT <= now):
            self._skip_to_held()

    def _skip_to_held(self) -> None:
        first = min(self._held)
        self._missing += first - self._expected
        self._counters.lost += first - self._expected
        self._expected = first
        self._release()

    def _emit(self, packets: Packets, at: float) -> None:
        # In 16-bit audio half a sample would shift what follows: an odd payload is a run of its own.
        odd = packets.size % 2
        for part in packets.each() if odd and packets.many > 1 else (packets,):
            if odd or self._missing or at != self._gathered_at:
                self._close_run()
            self._gathered_at, self._frame = at, part.size
            self._gathering.append(part.payload)
            if odd:
                self._close_run()

    def _close_run(self) -> None:
        """Join what was gathered; what is missing by now is missing before the run that begins next."""
        if self._gathering:
            payload = b"".join(self._gathering)
            waited = self._read[1] if self._gathered_at == self._read[0] else 0.0
            self._ready.append(Run(self._gathered_at, payload, self._frame, self._lost_before, waited))
            self._gathering.clear()
        self._lost_before, self._missing = self._missing, 0

    def _take(self) -> list[Run]:
        self._close_run()
        ready, self._ready = self._ready, []
        return ready

"""RTP sequence numbers: 16 bits on the wire, without end in here (RFC 3550 appendix A.1)."""

from recorder.core.packets import MODULUS, Packets

MAX_DROPOUT = 3000
"""Packets that may be missing before a number counts as another sequence (appendix A.1)."""
MAX_MISORDER = 100
"""How far behind a packet may come and still belong (appendix A.1)."""


def extend(sequence: int, near: int) -> int:
    """The extended number that is `sequence` modulo 65536 and closest to `near`."""
    distance = (sequence - near) % MODULUS
    return near + distance - (MODULUS if distance >= MODULUS // 2 else 0)


def belongs(number: int, expected: int) -> bool:
    """Whether an extended number can be of the sequence in which `expected` comes next."""
    return -MAX_MISORDER <= number - expected < MAX_DROPOUT


class RestartProbe:
    """Single packets whose numbers do not belong, kept until what follows says what they were.

    Two in a row with consecutive numbers are a restart (appendix A.1). So that no audio is lost over it,
    the first of them is kept here instead of being dropped, as the appendix would. A sender whose numbers
    make no sense at all is believed after `CREDULITY` packets: its order of arrival is then all there is.
    """

    CREDULITY = 16

    def __init__(self) -> None:
        self._suspects: list[tuple[Packets, float]] = []

    def suspect(self, packet: Packets, at: float) -> bool:
        """Take a packet that does not belong; True when the suspects together are a restart."""
        consecutive = bool(self._suspects) and packet.sequence == _following(self._suspects[-1][0])
        self._suspects.append((packet, at))
        return consecutive or len(self._suspects) >= self.CREDULITY

    def restarted(self) -> list[tuple[Packets, float]]:
        """The suspects to go on with after a restart: packets and their arrival."""
        suspects, self._suspects = self._suspects, []
        return suspects

    def dismiss(self) -> int:
        """The sequence went on without them: drop the suspects and say how many they were."""
        strays, self._suspects = len(self._suspects), []
        return strays


def _following(packet: Packets) -> int | None:
    return None if packet.sequence is None else (packet.sequence + 1) % MODULUS

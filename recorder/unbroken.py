"""A segment that keeps its length, whatever the disk takes of it. Blocking; knows no watch and no bucket.

What the disk does not take is missing to the sample: it becomes a hole of the file and an entry of the
ledger. The facts beside the file tell of a hole before the file has it. So whenever we die, what reads as
silence and was audio is accounted for; and a file that could not be gone on with is short, but not wrong.

A disk that has failed is asked again when as much more is missing as was then, at least once a second of
audio, and some looks of the reserve later whatever is missing: one bad write costs little more than itself, a
full disk is not asked at every read, and what is said long after it has room again is not missed.
"""

from recorder.core.media import SAMPLE_RATE, SAMPLE_WIDTH
from recorder.doubt import AudioSetAside
from recorder.reserve import Reserve
from recorder.segment import OpenSegment
from recorder.spool import Spool
from storage.ledger import merged
from storage.manifest import GapReason, LedgerEntry, SegmentFacts, SegmentManifest

_PATIENCE = SAMPLE_RATE
"""Samples that may be missing until a disk that has failed is asked again."""
_FORGIVEN_AFTER = 10
"""Looks of the reserve, a second each, after which a disk that has failed is asked again."""
_PAUSED_PATIENCE = 60 * SAMPLE_RATE
"""Samples that may be missing until the facts tell of them, while no audio is to be written anyway."""


class UnbrokenSegment:
    """One segment being written. It is opened when the disk lets it.

    Attributes:
        facts: what the core knows of it.
        missed: samples of audio that the disk did not take, or was not asked to.
        error: what the disk said when it last failed, None where it has not.
    """

    def __init__(self, spool: Spool, reserve: Reserve, facts: SegmentFacts) -> None:
        self._spool = spool
        self._reserve = reserve
        self._open: OpenSegment | None = None
        self._samples = 0  # of the recording; the file may be behind, and will have a hole then
        self._holes: tuple[LedgerEntry, ...] = ()
        self._paused = False
        self._finished = False
        self._ask_at = 0  # how far behind the file must be for the disk to be asked again
        self._failed_at = 0  # at which look of the reserve it failed
        self.facts = facts
        self.missed = 0
        self.error: OSError | None = None
        self._reach()

    def write(self, pcm: bytes) -> None:
        """Append 16-bit little-endian samples, or the first of them that the disk takes."""
        samples = len(pcm) // SAMPLE_WIDTH
        if file := self._ready():
            try:
                file.wav.write(pcm)
            except OSError as error:
                self._fail(error)
        self.missed += min(samples, self._samples + samples - self._written)
        self._samples += samples

    def write_silence(self, samples: int, facts: SegmentFacts) -> None:
        """Append silence, of which `facts` tell."""
        self.facts = facts
        if file := self._ready():
            try:
                file.note(self._known())
                file.wav.write_silence(samples)
            except OSError as error:
                self._fail(error)
        self._samples += samples

    def finish(self, facts: SegmentFacts) -> None:
        """Write no more; `facts` are final. What the disk does not take now is left to `seal`."""
        self.facts = facts
        try:
            self._close()
        except OSError as error:
            self.error = error

    def seal(self, previous: str | None) -> tuple[SegmentManifest, str]:
        """See `Spool.seal`. Where it fails, it may be tried again.

        Raises:
            OSError: the disk does not take it.
        """
        try:
            return self._spool.seal(self._close(), self._known(), previous)
        except OSError as error:
            self.error = error
            if isinstance(error, AudioSetAside):
                self._open, self._holes, self._finished = None, (), False
            raise

    def abandon(self) -> None:
        """Let go of the file. What the disk has of it is repaired at the next start."""
        if self._open:
            self._open.wav.abandon()

    def _close(self) -> OpenSegment:
        """Make the file as long as the recording, and finish it.

        Raises:
            OSError: the disk does not take it.
        """
        file = self._catch_up()
        if not self._finished:
            file.close(self._known())
            self._finished = True
        return file

    @property
    def failure(self) -> OSError:
        """What the disk said, for one that is not sealed."""
        return self.error or OSError("it was not closed")

    @property
    def behind(self) -> bool:
        """Whether the file lacks something that it will have as a hole."""
        return self._written < self._samples

    @property
    def _written(self) -> int:
        return self._open.wav.samples if self._open else 0

    def _known(self) -> SegmentFacts:
        """The facts as far as the file goes, or would if it caught up."""
        missing = self._holes
        if self.behind:
            missing = (*missing, self._hole())
        ledger = merged(self.facts.ledger, missing)
        samples = max(self.facts.samples, self._samples)
        return self.facts.model_copy(update={"samples": samples, "ledger": ledger})

    def _hole(self) -> LedgerEntry:
        behind = self._samples - self._written
        return LedgerEntry(start=self._written, samples=behind, reason=GapReason.DISK)

    def _ready(self) -> OpenSegment | None:
        """The file, if it has all that came before and may have more."""
        if self._reserve.paused != self._paused:
            self._paused = self._reserve.paused
            self._ask_at = _PAUSED_PATIENCE if self._paused else 0
        self._reach()
        return None if self._paused or self.behind else self._open

    def _reach(self) -> None:
        """Bring the file to where the recording is, if it is time to try."""
        if self._open and not self.behind:
            return
        forgiven = not self._paused and self._reserve.looks - self._failed_at >= _FORGIVEN_AFTER
        if forgiven or self._samples - self._written >= self._ask_at:
            try:
                self._catch_up()
            except OSError as error:
                self._fail(error)

    def _catch_up(self) -> OpenSegment:
        """The file, as long as the recording.

        Raises:
            OSError: the disk does not take it.
        """
        if self._open is None:
            self._open = self._spool.open(self._known())
        elif self.behind:
            self._open.note(self._known())
        if self.behind:
            hole = self._hole()
            self._open.skip(hole.samples)
            self._holes = merged(self._holes, (hole,))
        self._ask_at = _PAUSED_PATIENCE if self._paused else 0
        return self._open

    def _fail(self, error: OSError) -> None:
        self.error = error
        self._failed_at = self._reserve.looks
        behind = self._samples - self._written
        self._ask_at = behind + min(behind, _PATIENCE)

"""The plain text that goes with an export: what was recorded, when, its hashes, its chain and its silence.

Pure: says what it is given, and nothing that changes from one export to the next. Its words are for people
who have never heard of this program.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage import report
from storage.layout import SAMPLE_RATE, Cut, Layout, Problem, to_duration
from storage.manifest import SegmentManifest, names_of
from storage.names import WatchId
from storage.report import instant, iso, length, printable


@dataclass(frozen=True, slots=True)
class Certified:
    """A segment in an export. Digests are SHA-256 in hex.

    Attributes:
        manifest_sha256: of the manifest as it is in the store.
        audio_sha256: of the audio as it is in the store; None where it is not there.
    """

    segment: SegmentManifest
    manifest_sha256: str
    audio_sha256: str | None

    @property
    def intact(self) -> bool:
        """Whether the audio is what was recorded."""
        return self.audio_sha256 == self.segment.audio.sha256


@dataclass(frozen=True, slots=True)
class _Silence:
    started_at: datetime
    samples: int
    reason: str


def format_certificate(
    store_url: str,
    watch: WatchId,
    layout: Layout,
    certified: Sequence[Certified],
    problems: Sequence[Problem],
) -> bytes:
    """The certificate of an export of `layout`, in UTF-8, with the segments in the order of their names."""
    names = ", ".join(map(printable, names_of([each.segment for each in certified])))
    lines = [
        "CERTIFICATE OF A RECORDING",
        "",
        f"What       {watch}" + (f" ({names})" if names else ""),
        f"From       {iso(layout.started_at)}",
        f"To         {iso(layout.ended_at)} (not included)",
        f"Out of     {store_url}",
        f"Segments   {len(certified)}, whole: the first may begin before the range, the last end after it",
        f"Samples    {SAMPLE_RATE} a second, 16 bit, mono",
        "",
        *_how_to_check(),
        "",
        *_problems(problems),
        "",
        *_silence(layout),
        "",
        "SEGMENTS, AND THE CHAIN OF THEIR MANIFESTS",
        *_segments(certified),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def format_sums(digests: Mapping[str, str]) -> bytes:
    """What `sha256sum -c` reads: a line for each path below the folder, by their order."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items())).encode()


def _how_to_check() -> Iterator[str]:
    yield "HOW TO CHECK"
    yield "In the folder of this file: sha256sum -c SHA256SUMS"
    yield "It says OK for every file that is what was recorded. The SHA-256 of an audio file stands in its"
    yield "manifest (audio.sha256), which was written when the segment was closed. That of a manifest stands"
    yield "in the one after it (previous), so one digest, kept elsewhere, proves all that came before it."


def _problems(problems: Sequence[Problem]) -> Iterator[str]:
    if not problems:
        yield "Nothing of it is missing or altered."
        return
    yield "MISSING OR ALTERED"
    for problem in problems:
        yield f"{problem.key}: {printable(problem.message)}"


def _silence(layout: Layout) -> Iterator[str]:
    """The ledger of the range: what in it is silence of ours and not of those who spoke, and why."""
    yield "SILENCE IN THE RANGE THAT IS NOT OF THE CONVERSATION, AND WHY"
    none = True
    for silence in _runs(layout):
        none = False
        yield f"{iso(silence.started_at)}  {length(silence.samples)}  {silence.reason}"
    if none:
        yield "none"
    for overlap in layout.overlaps:
        span = f"from {instant(overlap.started_at)} to {instant(overlap.ended_at)} UTC"
        yield f"{span} both {overlap.taken} and {overlap.left_out} recorded; both are here"


def _runs(layout: Layout) -> Iterator[_Silence]:
    for piece in layout.pieces:
        if not isinstance(piece, Cut):
            yield _Silence(piece.started_at, piece.samples, piece.reason)
            continue
        for entry in piece.segment.ledger:
            first, last = max(entry.start, piece.start), min(entry.end, piece.stop)
            if first < last:
                yield _Silence(
                    piece.segment.started_at + to_duration(first), last - first, entry.reason.value
                )


def _segments(certified: Sequence[Certified]) -> Iterator[str]:
    stems = {each.manifest_sha256: each.segment.name.stem for each in certified}
    stems |= {each.segment.replaces: each.segment.name.stem for each in certified if each.segment.replaces}
    for each in certified:
        segment = each.segment
        yield ""
        yield segment.name.stem
        yield f"  recorded by  {segment.recorder}, conference-recorder {printable(segment.version)}"
        yield f"  from         {iso(segment.started_at)}"
        yield f"  to           {iso(segment.ended_at)} ({segment.samples} samples)"
        if present := report.present(segment.platform):
            yield f"  participants {present}, as the platform said; the manifest says who, and when"
        yield f"  audio        {each.audio_sha256 or 'not in the store'}"
        if not each.intact:
            yield f"  recorded as  {segment.audio.sha256}"
        yield f"  manifest     {each.manifest_sha256}"
        for erasure in segment.erased.erasures if segment.erased else ():
            span, who = f"samples {erasure.start} to {erasure.stop} (not included)", printable(erasure.who)
            yield f"  erased       {span}, by {who}, {iso(erasure.at)}: {printable(erasure.why)}"
        yield f"  previous     {_previous(segment.previous, stems)}"


def _previous(previous: str | None, stems: Mapping[str, str]) -> str:
    if previous is None:
        return "none: a chain begins here"
    return f"{previous} ({stems.get(previous, 'not in this archive')})"

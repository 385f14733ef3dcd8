"""Judges what a world has come to by what was said in it, never by what the recorder says of itself.

    audio    all that was handed to a connection is in the bucket or the spool: once, in order, in its place
    absence  every silence is as long as nothing was heard, and its reason is true
    order    nothing overwritten, nothing damaged, no file that is neither sealed nor open; the chain holds

What a kill took must have come within the last moments before it; nothing else may be missing. The first two
are judged watch by watch: see `case`.
"""

import hashlib
import io
from collections.abc import Iterator
from typing import Final

import soundfile

from recorder.spool import QUARANTINE
from storage.catalog import Catalog
from storage.layout import FAILURES, Cut, Pause
from storage.manifest import SegmentManifest, parse_manifest
from storage.names import MANIFEST_SUFFIX, AudioFormat, SegmentName
from storage.verification import verify
from tests.fakes import MemoryStore
from tests.simulation.case import Case, Segment, Verdict
from tests.simulation.tape import SAMPLE_RATE
from tests.simulation.world import Outcome

UNTOLD: Final = "in a way nobody expected"
"""What the recorder says of an error that it had no name for."""


def judge(outcome: Outcome) -> Verdict:
    """Compare what a world left behind with what was said in it."""
    verdict = Verdict([])
    segments = _segments(outcome, verdict)
    for number, truth in enumerate(outcome.truths.values()):
        own = [s for s in segments if s.manifest.watch.watch_id == truth.programme.watch.watch_id]
        case = Case(outcome, truth, sorted(own, key=lambda segment: segment.order), verdict)
        before = len(verdict.faults)
        case.judge()
        verdict.faults[before:] = [f"watch {number}: {fault}" for fault in verdict.faults[before:]]
    verdict.faults += _disorder(outcome, verdict)
    verdict.faults += _layout(outcome)
    verdict.faults += _verification(outcome, verdict)
    verdict.faults += [f"the daemon said: {line}" for line in outcome.said if UNTOLD in str(line["event"])]
    return verdict


def _segments(outcome: Outcome, verdict: Verdict) -> list[Segment]:
    """All segments, from the bucket and from the spool, each checked against its manifest."""
    found: dict[SegmentName, tuple[bytes, bytes]] = {}
    objects = outcome.bucket.objects
    for key, data in objects.items():
        if key.endswith(MANIFEST_SUFFIX):
            name = SegmentName.from_key(key)
            audio = next((objects[k] for k in map(name.audio_key_as, AudioFormat) if k in objects), b"")
            found[name] = (data, audio)
    for path in outcome.spool.glob(f"*{MANIFEST_SUFFIX}"):
        audios = [path.with_suffix(audio_format.suffix) for audio_format in AudioFormat]
        audio = next((each.read_bytes() for each in audios if each.exists()), b"")
        kept = (path.read_bytes(), audio)
        name = SegmentName.from_spool_stem(path.stem)
        if audio and found.setdefault(name, kept) != kept:
            verdict.faults.append(f"{path.name}: bucket and spool have different segments of one name")
        verdict.in_spool += 1
    segments = []
    for name, (data, audio) in found.items():
        manifest = parse_manifest(data)
        if manifest.name != name or hashlib.sha256(audio).hexdigest() != manifest.audio.sha256:
            verdict.faults.append(f"{name.stem}: the audio is not what the manifest says")
            continue
        samples, rate = soundfile.read(io.BytesIO(audio), dtype="int16")
        if (len(samples), rate) != (manifest.samples, SAMPLE_RATE):
            verdict.faults.append(f"{name.stem}: {len(samples)} samples, not {manifest.samples}")
        life = max(
            i
            for i, each in enumerate(outcome.lives)
            if each.first_number <= manifest.number < each.first_number + 10**6
        )
        segments.append(Segment(manifest, samples, life))
    verdict.segments = len(segments)
    return segments


def _disorder(outcome: Outcome, verdict: Verdict) -> Iterator[str]:
    """Objects and files that should not be."""
    for key in outcome.bucket.overwritten:
        yield f"{key}: other bytes came under the name of an object"
    for path in sorted(outcome.spool.iterdir()):
        if path.name.startswith("."):
            continue  # hints, and who uses the spool
        if path.is_dir() and path.name == QUARANTINE:
            yield f"set aside: {sorted(each.name for each in path.iterdir())}"
        elif path.suffix not in {".wav", ".flac", ".json", ".tried"}:
            yield f"{path.name}: neither open nor sealed nor set aside"
    if outcome.plan.aftermath and verdict.in_spool:
        yield f"{verdict.in_spool} segments wait in the spool though the store has long been well"


def _verification(outcome: Outcome, verdict: Verdict) -> Iterator[str]:
    """What `recordings verify` would say: of what the recorder makes, nothing."""
    if verdict.in_spool or verdict.faults:
        return  # links go into what is still to come
    store = MemoryStore()
    store.objects = outcome.bucket.objects
    for watch in Catalog(store).watches():
        report = verify(store, watch)
        yield from (f"verify: {fault.key}: {fault.kind}: {fault.message}" for fault in report.faults)
        if not report.faults and not report.is_sound:
            yield f"verify: {watch} is not sound, and nothing says why"


def _layout(outcome: Outcome) -> Iterator[str]:
    """What `recordings` would say of the bucket."""
    store = MemoryStore()
    store.objects = outcome.bucket.objects
    catalog = Catalog(store)
    for watch in catalog.watches():
        layout = catalog.layout(watch)
        yield from (f"{problem.key}: {problem.message}" for problem in layout.problems)
        if not outcome.plan.aftermath:
            continue  # segments are still to come
        if not outcome.plan.steps:  # labels come twice then
            yield from (f"{watch}: {overlap.samples} samples are left out" for overlap in layout.overlaps)
        left_out = [cut for overlap in layout.overlaps for cut in overlap.cuts]
        told = sum(piece.samples for piece in [*layout.pieces, *left_out] if isinstance(piece, Cut))
        stored = sum(each.samples for each in catalog.segments(watch) if isinstance(each, SegmentManifest))
        if told != stored:
            yield f"{watch}: of {stored} samples {told} are given or said to be left out"
        for piece in layout.pieces:
            if isinstance(piece, Pause) and piece.reason in FAILURES:
                yield f"{watch}: {piece.samples} samples are {piece.reason} at {piece.started_at}"

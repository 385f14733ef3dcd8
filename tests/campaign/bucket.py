"""What is in a bucket and a spool at the end, by the commands and the library that people use. Blocking."""

import json
import subprocess
from collections import Counter
from collections.abc import Collection, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from recorder.simulator.record import WatchRecord
from recorder.simulator.verdict import Fetched
from storage.audio import read_samples
from storage.backends import open_store
from storage.catalog import Catalog, NothingRecorded
from storage.layout import SAMPLE_RATE, Layout, Problem
from storage.manifest import SegmentManifest, parse_manifest
from storage.names import MANIFEST_SUFFIX, WatchId, WatchKind
from storage.store import ObjectStore
from tests.campaign.judge import judge
from tests.campaign.rows import Findings, together
from tests.campaign.tape import MarkedTape, Samples
from tests.daemon.process import BIN, Site

_HINTS = {".claim", ".last"}
"""What lies in a spool for good; see `recorder.history`."""
_STATES = {
    ".wav.open": (".facts",),
    ".facts": (".wav.open",),
    ".wav": (".json",),
    ".flac": (".json",),
    ".json": (".wav", ".flac"),
    ".tried": (".wav", ".flac"),
}
"""Of the files of a segment that is open or sealed: what each may end in, and what then is beside it."""


class _Gathered:
    """An `AudioWriter` into memory."""

    def __init__(self) -> None:
        self.blocks: list[Samples] = []

    def write(self, samples: Samples) -> None:
        self.blocks.append(np.array(samples, np.int16))


def look(
    site: Site,
    endpoint_url: str | None,
    spool: Path,
    records: Mapping[WatchId, WatchRecord],
    tape: MarkedTape,
    *,
    thorough: bool = True,
    by_time: bool = True,
) -> Findings:
    """Compare all that a daemon has recorded with what it was sent, once it has stopped.

    The credentials of the store are those of our own environment. `thorough` has `recordings fetch` run, too,
    of which all but the command line is what gives us the audio here. Without `by_time`, see `in_order`.
    """
    store = open_store(site.store_url, endpoint_url=endpoint_url)
    try:
        catalog = Catalog(store)
        found = [
            _watch(catalog, watch, record, tape) if by_time else in_order(store, watch, record, tape)
            for watch, record in records.items()
        ]
    finally:
        store.close()
    command = [_fetched(site, next(iter(records)), store, by_time=by_time)] if thorough else []
    return together([*found, _audio_alone(store), listed(site), *command, left(spool)])


def _watch(catalog: Catalog, watch: WatchId, record: WatchRecord, tape: MarkedTape) -> Findings:
    out = _Gathered()
    try:
        result = catalog.fetch(catalog.layout(watch), out, lambda _: None)
    except NothingRecorded:
        return Findings(objects=1, complaints=(f"nothing was recorded of {watch}",))
    silence = tuple((each.at, each.samples, each.reason) for each in result.silence)
    samples = np.concatenate(out.blocks) if out.blocks else np.zeros(0, np.int16)
    fetched = Fetched(samples, silence, len(result.segments))
    judgement = judge(tape, [connection.runs for connection in record.connections], fetched)
    doubled = tuple(f"{watch} is there twice from {each.started_at}" for each in result.overlaps)
    problems = tuple(f"{each.key}: {each.message}" for each in result.problems)
    complaints = problems + (doubled[:1] and (f"{len(doubled)} overlaps; {doubled[0]}",))
    return Findings((judgement,), len(problems) + len(doubled) + (judgement.wrong > 0), complaints)


def in_order(store: ObjectStore, watch: WatchId, record: WatchRecord, tape: MarkedTape) -> Findings:
    """Compare the segments of a watch as they were opened, whatever their labels say.

    Of a stream that is faster than time they overlap, and a range of time cannot have all of its audio.
    """
    segments: list[SegmentManifest] = []
    problems: list[Problem] = []
    for entry in Catalog(store).segments(watch):
        if isinstance(entry, Problem):
            problems.append(entry)
        else:
            segments.append(entry)
    samples, silence, at = [np.zeros(0, np.int16)], [], 0
    for segment in sorted(segments, key=lambda segment: segment.name.number):
        with store.open(segment.audio.key) as file:
            samples += read_samples(
                BytesIO(file.read()), 0, segment.samples, total=segment.samples, sample_rate=SAMPLE_RATE
            )
        silence += [(at + entry.start, entry.samples, entry.reason.value) for entry in segment.ledger]
        at += segment.samples
    fetched = Fetched(np.concatenate(samples), tuple(silence), len(segments))
    judgement = judge(tape, [connection.runs for connection in record.connections], fetched)
    return Findings((judgement,), len(problems) + (judgement.wrong > 0))


def _audio_alone(store: ObjectStore) -> Findings:
    """Audio without a manifest, which nobody would ever find; and manifests without audio."""
    keys = [stat.key for kind in WatchKind for stat in store.list(f"{kind.folder}/")]
    stems = Counter(key.rpartition(".")[0] for key in keys)
    alone = [key for key in keys if stems[key.rpartition(".")[0]] != 2]
    return Findings(
        objects=len(alone), complaints=tuple(f"{key} stands alone in the bucket" for key in alone)
    )


def listed(site: Site) -> Findings:
    """Whether `recordings list` reads the bucket without a warning."""
    result = _recordings(site, "list")
    if result.returncode == 0 and not result.stderr.strip():
        return Findings()
    return Findings(
        complaints=(f"recordings list: exit status {result.returncode}: {result.stderr.strip()}",)
    )


def _fetched(site: Site, watch: WatchId, store: ObjectStore, *, by_time: bool) -> Findings:
    """Whether `recordings fetch` gives what the library gives, without a warning.

    Without `by_time` there may be more than a range of time can have: then it must say so, and end with 1.
    """
    output = site.folder / "fetched.wav"
    result = _recordings(site, "fetch", watch.id, "-o", str(output), "--force", "--json")
    report = json.loads(result.stdout or "{}")
    left_out = any(each["taken"] == each["left_out"] for each in report.get("overlaps", ()))
    if result.returncode != int(left_out and not by_time) or result.stderr.strip():
        said = f"recordings fetch: exit status {result.returncode}: {result.stderr.strip()}"
        return Findings(complaints=(said,))
    layout: Layout = Catalog(store).layout(watch)
    output.unlink()
    if report["samples"] != layout.samples:
        return Findings(
            complaints=(f"recordings fetch wrote {report['samples']} of {layout.samples} samples",)
        )
    return Findings()


def _recordings(site: Site, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(BIN / "recordings"), *arguments, "--config", str(site.config)]
    return subprocess.run(
        command, env=site.variables, cwd=site.folder, capture_output=True, text=True, check=False
    )


def left(spool: Path) -> Findings:
    """What is in a spool that should be empty; worst, what is neither open nor sealed nor set aside."""
    names = {path.name for path in spool.iterdir()} - _HINTS - {"quarantine"}
    aside = sorted(path.name for path in spool.glob("quarantine/*"))
    stray = sorted(name for name in names if not _in_a_state(name, names))
    complaints = [f"set aside: {name}" for name in aside]
    complaints += [f"neither open nor sealed: {name}" for name in stray]
    if names:
        complaints.append(f"{len(names)} files are left in the spool, {min(names)} and others")
    return Findings(objects=len(aside), complaints=tuple(complaints))


def _in_a_state(name: str, names: Collection[str]) -> bool:
    """Whether a file has beside it what it needs to be of an open or a sealed segment."""
    for suffix, needed in _STATES.items():
        if name.endswith(suffix):
            stem = name.removesuffix(suffix)
            return any(stem + each in names for each in needed)
    return False


def reported_in(store: ObjectStore) -> int:
    """Samples that ledgers call silence, and those of absences after a first segment, over a whole bucket."""
    reported = 0
    for stat in store.list():
        if stat.key.endswith(MANIFEST_SUFFIX):
            with store.open(stat.key) as file:
                reported += parse_manifest(file.read()).silence
    return reported

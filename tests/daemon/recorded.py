"""What is in a bucket of one watch, against what a simulated platform sent."""

from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from recorder.simulator import WatchRecord
from storage.directory import DirectoryStore
from storage.manifest import SegmentManifest, parse_manifest
from storage.names import MANIFEST_SUFFIX, WatchId

SOON: Final = 5.0
"""Seconds until audio, at most. `tests.bench discovery` measures it; here other tests run beside it."""


def manifests_of(bucket: Path, watch: WatchId) -> list[SegmentManifest]:
    """The manifests of a watch, by their keys."""
    store, found = DirectoryStore(bucket), list[SegmentManifest]()
    for each in store.list(watch.prefix):
        if each.key.endswith(MANIFEST_SUFFIX):
            with store.open(each.key) as file:
                found.append(parse_manifest(file.read()))
    return found


def recorded(bucket: Path, watch: WatchId) -> tuple[list[SegmentManifest], np.ndarray]:
    """The manifests of a watch, and what of its audio is not silence of ours."""
    manifests, heard = manifests_of(bucket, watch), []
    for manifest in manifests:
        samples, _ = soundfile.read(bucket / manifest.audio.key, dtype="int16")
        ours = np.zeros(len(samples), bool)
        for entry in manifest.ledger:
            ours[entry.start : entry.end] = True
        heard.append(samples[~ours])
    return manifests, np.concatenate(heard)


def sent(record: WatchRecord) -> np.ndarray:
    return np.concatenate([connection.samples() for connection in record.connections])

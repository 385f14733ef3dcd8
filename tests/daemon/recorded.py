"""What is in a bucket of one watch, against what a simulated platform sent."""

from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from recorder.simulator import WatchRecord
from storage.directory import DirectoryStore
from storage.manifest import SegmentManifest, parse_manifest
from storage.names import WatchId

SOON: Final = 5.0
"""Seconds until audio, at most. `tests.bench discovery` measures it; here other tests run beside it."""


def recorded(bucket: Path, watch: WatchId) -> tuple[list[SegmentManifest], np.ndarray]:
    """The manifests of a watch, and what of its audio is not silence of ours."""
    store, manifests, heard = DirectoryStore(bucket), list[SegmentManifest](), []
    for each in store.list(watch.prefix):
        if each.key.endswith(".json"):
            with store.open(each.key) as file:
                manifests.append(parse_manifest(file.read()))
            samples, _ = soundfile.read(bucket / manifests[-1].audio.key, dtype="int16")
            ours = np.zeros(len(samples), bool)
            for entry in manifests[-1].ledger:
                ours[entry.start : entry.start + entry.samples] = True
            heard.append(samples[~ours])
    return manifests, np.concatenate(heard)


def sent(record: WatchRecord) -> np.ndarray:
    return np.concatenate([connection.samples() for connection in record.connections])

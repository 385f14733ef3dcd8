"""Where the daemon's CPU goes: samples of its stacks by py-spy, attributed to stages.

The rule: of the frames of a stack, from the innermost outwards, the first that belongs to a stage decides. A
library that no stage names (numpy, soundfile, pydantic, json) counts for whoever called it, and so does what
is shared by several (`storage.durable`, `storage.manifest`). What is left to the event loop has no frame of
ours inside: being woken, reading sockets, and going from one callback to the next.

py-spy is asked for all threads that run, not only for whoever holds the interpreter's lock: sockets and files
are read and written without it.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

RATE = 200
"""Samples a second."""
SLACK = 60.0
"""Seconds that py-spy may take beyond those it was asked to sample."""

STAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "TLS": ("/ssl.py",),
    "receive": (
        "/recorder/websocket.py",
        "/recorder/frames.py",
        "/recorder/inbox.py",
        "/recorder/pacing.py",
        "/recorder/connection.py",
        "/websockets/",
    ),
    "encapsulation": ("/recorder/core/packets.py", "/recorder/core/encapsulation"),
    "jitter buffer": ("/recorder/core/jitterbuffer.py", "/recorder/core/sequence.py"),
    "detection, codec": ("/recorder/core/detection.py", "/recorder/core/codec.py"),
    "timeline": ("/recorder/core/timeline.py",),
    "segmenter": ("/recorder/core/segmenter.py",),
    "core, the rest": ("/recorder/core/",),
    "write": ("/recorder/writer.py", "/recorder/wav.py", "/recorder/spool.py"),
    "upload": (
        "/recorder/uploader.py",
        "/storage/s3",
        "/storage/directory.py",
        "/storage/streams.py",
        "/boto3/",
        "/botocore/",
        "/s3transfer/",
        "/urllib3/",
        "/http/client.py",
    ),
    "logging": ("/recorder/logs.py", "/recorder/redaction.py", "/structlog/", "/logging/__init__.py"),
    "tasks": ("/recorder/conference.py", "/recorder/supervisor.py", "/recorder/app.py"),
    "hops to threads": ("/recorder/offload.py", "/concurrent/futures/", "/threading.py", "/queue.py"),
    "event loop": ("/asyncio/", "/anyio/", "/uvloop/", "/selectors.py"),
}
"""The stages, and what the path of a frame's file holds. Of two that fit, the first counts."""
OTHER: Final = "other"

_FRAME = re.compile(r" \((?P<file>[^()]*?)(?::\d+)?\)$")


class NotProfiled(Exception):
    """The stages cannot be told; the message says why."""


def stage_of(stack: str) -> str:
    """The stage of one stack as py-spy writes it: frames from the outermost to the innermost, with `;`."""
    for frame in reversed(stack.split(";")):
        found = _FRAME.search(frame)
        if not found:
            continue
        for stage, places in STAGES.items():
            if any(place in found["file"] for place in places):
                return stage
    return OTHER


def shares(lines: Iterable[str]) -> dict[str, float]:
    """The share of each stage, of py-spy's raw format: a stack, a space and how often it was seen."""
    counts: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rstrip().rpartition(" ")
        counts[stage_of(stack)] += int(count)
    total = counts.total()
    return {stage: counts[stage] / total for stage in (*STAGES, OTHER) if counts[stage]}


def profile(pid: int, seconds: float) -> dict[str, float]:
    """The share of each stage in what a process does for so long. It is slower meanwhile.

    Raises:
        NotProfiled: py-spy is not installed, or may not look into the process.
    """
    program = Path(sys.executable).parent / "py-spy"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        raw = Path(folder) / "stacks"
        command = [str(program), "record", "--pid", str(pid), "--format", "raw", "--full-filenames"]
        command += ["--rate", str(RATE), "--duration", str(max(1, round(seconds))), "--output", str(raw)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + SLACK)
            return shares(raw.read_text().splitlines())
        except FileNotFoundError:
            raise NotProfiled("py-spy is not installed (pip install py-spy)") from None
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise NotProfiled(f"py-spy cannot look into the daemon: {error}") from None

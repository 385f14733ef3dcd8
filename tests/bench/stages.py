"""Where the daemon's CPU goes: samples of its stacks by py-spy, attributed to stages.

The rule: of the frames of a stack, from the innermost outwards, the first that belongs to a stage decides. A
library that no stage names (numpy, soundfile, pydantic, json) counts for whoever called it, and so does what
is shared by several (`storage.durable`, `storage.manifest`). What is left to the event loop has no frame of
ours inside: being woken, reading sockets, and going from one callback to the next.

py-spy is asked for all threads that run, not only for whoever holds the interpreter's lock, as sockets and
files are read and written without it; and not to stop the process, for idle threads then seem to run. It
still takes some that wait for work to be running. So the kernel says how much of the CPU was the main
thread's and how much that of all others, and the samples divide each of the two.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from tests.bench import kernel

RATE = 200
"""Samples a second."""
SLACK = 60.0
"""Seconds that py-spy may take beyond those it was asked to sample."""

STAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "TLS": ("/ssl.py",),
    "receive": (
        "/recorder/stream.py",
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

_MAIN = "): MainThread"
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


def shares(lines: Iterable[str], main: float) -> dict[str, float]:
    """The share of each stage, of py-spy's raw format: a stack, a space and how often it was seen.

    `main` is the share of the CPU that the main thread had.
    """
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for line in lines:
        stack, _, count = line.rstrip().rpartition(" ")
        if not count.isdigit():  # it was read while it changed, and a name of a frame is anything then
            continue
        counts[_MAIN in stack.partition(";")[0]][stage_of(stack)] += int(count)
    found = dict.fromkeys((*STAGES, OTHER), 0.0)
    for is_main, weight in ((True, main), (False, 1 - main)):
        for stage, seen in counts[is_main].items():
            found[stage] += weight * seen / counts[is_main].total()
    return {stage: share for stage, share in found.items() if share}


def profile(pid: int, seconds: float) -> dict[str, float]:
    """The share of each stage in what a process does for so long. It is slower meanwhile.

    Raises:
        NotProfiled: py-spy is not installed, or may not look into the process.
    """
    program = Path(sys.executable).parent / "py-spy"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        raw = Path(folder) / "stacks"
        command = [str(program), "record", "--pid", str(pid), "--format", "raw", "--full-filenames"]
        command += ["--threads", "--nonblocking"]
        command += ["--rate", str(RATE), "--duration", str(max(1, round(seconds))), "--output", str(raw)]
        before, before_main = kernel.cpu_of(pid), kernel.cpu_of_main_thread(pid)
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + SLACK)
            used = kernel.cpu_of(pid).since(before).both
            main = kernel.cpu_of_main_thread(pid).since(before_main).both / used
            return shares(raw.read_text().splitlines(), main)
        except FileNotFoundError:
            raise NotProfiled("py-spy is not installed (pip install py-spy)") from None
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise NotProfiled(f"py-spy cannot look into the daemon: {error}") from None

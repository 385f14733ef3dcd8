"""What FLAC saves and costs: `python -m tests.bench.flac`.

A segment of each meeting of the simulator, as a conference sounds and as G.711 leaves it, is encoded and
proven as the daemon does it.
"""

import itertools
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from recorder.core.media import SAMPLE_RATE, Codec
from recorder.flac import encode
from recorder.simulator.tape import Tape, speeches
from recorder.wav import WavWriter


def measure(minutes: Annotated[float, typer.Option(help="Length of a segment.")] = 5) -> None:
    """Size against that of a WAV, and CPU a segment."""
    table = Table("meeting", "codec", "of the size of a WAV", "ms of CPU a segment")
    for name, codec in itertools.product(speeches(), (Codec.PCM16LE, Codec.ULAW)):
        samples = np.resize(Tape.speech(name).heard(codec), round(minutes * 60 * SAMPLE_RATE))
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "a.wav"
            writer = WavWriter(wav)
            writer.write(samples.astype("<i2").tobytes())
            writer.close()
            began = time.process_time()
            encoded = encode(wav, wav.with_suffix(".flac"))
            used = time.process_time() - began
            table.add_row(name, codec, f"{encoded.size / wav.stat().st_size:.0%}", f"{used * 1000:.0f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(measure)

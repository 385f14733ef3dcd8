"""FLAC of the spool: the same samples, or an error; and from a spool through a bucket back to a listener."""

import hashlib
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.flac import NotEncoded, encode, pcm_sha256, prove
from recorder.simulator import Tape
from recorder.spool import Spool
from recorder.uploader import Uploader
from recorder.wav import WavWriter
from storage.audio import Samples
from storage.catalog import Catalog
from storage.directory import DirectoryStore
from storage.manifest import ClosedBy, OpenedAfter, OpenedAfterReason, SegmentFacts, WatchFacts
from storage.names import AudioFormat, WatchKind
from storage.outputs import OutputFormat, create
from tests.recorder.disk import disk_of
from tests.virtual import Inline, VirtualLoop, virtual_clock

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RATE = 8000

SPEECH = np.asarray(Tape.speech("standup").samples[: 5 * RATE], np.int16)

sounds = st.one_of(
    st.integers(1, 9000).map(lambda count: SPEECH[:count]),
    st.lists(st.sampled_from([-32768, -1, 0, 1, 32767]), min_size=1, max_size=200).map(
        lambda values: np.array(values, np.int16)
    ),
    st.builds(
        lambda seed, count: np.random.default_rng(seed).integers(-32768, 32768, count, np.int16),
        st.integers(0, 9),
        st.integers(1, 9000),
    ),
    st.integers(1, 9000).map(lambda count: np.zeros(count, np.int16)),
)
"""What compresses well and what does not, to full scale and of odd lengths."""


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def write_wav(path: Path, samples: Samples) -> Path:
    writer = WavWriter(path)
    writer.write(samples.astype("<i2").tobytes())
    writer.close()
    return path


@settings(max_examples=50)
@given(sounds)
def test_what_is_encoded_is_decoded_by_others_too(samples: Samples) -> None:
    with folder() as place:
        encoded = encode(write_wav(place / "a.wav", samples), place / "a.flac")
        content = (place / "a.flac").read_bytes()
        decoded, rate = soundfile.read(place / "a.flac", dtype="int16")

    assert np.array_equal(decoded, samples)
    assert rate == RATE
    assert (encoded.sha256, encoded.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert encoded.pcm_sha256 == hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()


def test_speech_takes_about_half_the_room(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "a.wav", SPEECH)

    assert encode(wav, tmp_path / "a.flac").size < 0.6 * wav.stat().st_size


@settings(max_examples=50)
@given(st.data())
def test_a_flac_that_the_disk_did_not_take_whole_is_never_believed(data: st.DataObject) -> None:
    """libsndfile says nothing of the last bytes that it could not write."""
    with folder() as place:
        wav = write_wav(place / "a.wav", SPEECH)
        size = encode(wav, place / "whole.flac").size
        room = data.draw(st.integers(0, size - 1) | st.integers(size - 20, size - 1))
        with disk_of(room), pytest.raises((NotEncoded, OSError)):
            encode(wav, place / "a.flac")


def test_an_encoder_that_lies_is_not_believed(tmp_path: Path) -> None:
    wav, other = write_wav(tmp_path / "a.wav", SPEECH), write_wav(tmp_path / "b.wav", SPEECH ^ 1)
    encode(other, tmp_path / "a.flac")

    with pytest.raises(NotEncoded, match="is not what comes out"):
        prove(tmp_path / "a.flac", pcm_sha256(wav))


def facts(number: int, start: int, samples: int, *, follows: bool) -> SegmentFacts:
    return SegmentFacts(
        watch=WatchFacts(kind=WatchKind.CALL, id="652af662-eb45-11ee-b1a5-6fde165f9226"),
        recorder="rec-a",
        version="0",
        number=number,
        started_at=NOON + timedelta(seconds=start / RATE),
        samples=samples,
        encapsulation="sln",
        codec="pcm16le",
        opened_after=None if follows else OpenedAfter(reason=OpenedAfterReason.START, seconds=1),
        closed_by=ClosedBy.GRID,
    )


async def upload(spool: Spool, store: DirectoryStore) -> None:
    uploader = Uploader(spool, store, clock=virtual_clock(), disk=Inline(), network=Inline())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uploader.run)
        await uploader.drain()
        tasks.cancel_scope.cancel()


@settings(max_examples=30)
@given(st.lists(st.tuples(sounds, st.sampled_from(AudioFormat)), min_size=1, max_size=4), st.data())
def test_samples_in_are_samples_out(parts: list[tuple[Samples, AudioFormat]], data: st.DataObject) -> None:
    whole = np.concatenate([samples for samples, _ in parts])
    begin = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(begin + 1, len(whole)))
    starts = itertools.accumulate((len(samples) for samples, _ in parts), initial=0)
    with folder() as place:
        previous = None
        for number, (start, (samples, audio_format)) in enumerate(zip(starts, parts, strict=False)):
            spool = Spool(place / "spool", audio_format)
            about = facts(number, start, len(samples), follows=number > 0)
            segment = spool.open(about)
            segment.wav.write(samples.astype("<i2").tobytes())
            _, previous = spool.seal(segment, about, previous)
            spool.release()
        (place / "bucket").mkdir()
        store = DirectoryStore(place / "bucket")
        anyio.run(upload, spool, store, backend_options={"loop_factory": VirtualLoop})
        left = list((place / "spool").glob("[!.]*"))
        catalog = Catalog(store)
        instants = (NOON + timedelta(seconds=edge / RATE) for edge in (begin, end))
        layout = catalog.layout(about.watch.watch_id, *instants)
        with create(place / "out.wav", OutputFormat.WAV, layout.samples, RATE) as out:
            result = catalog.fetch(layout, out)
        fetched, _ = soundfile.read(place / "out.wav", dtype="int16")
        suffixes = {path.suffix.removeprefix(".") for path in (place / "bucket").rglob("*_*.*")}

    assert np.array_equal(fetched, whole[begin:end])
    assert (result.complete, result.silence) == (True, ())
    assert left == []
    assert suffixes == {"json", *(audio_format.value for _, audio_format in parts)}

"""Where one recording lies in another: to the sample, or not at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.alignment import SILENT, UNCLEAR, UNLIKE, NotAligned, align
from tests.storage.segments import RATE, Samples, speech


def voiced(samples: int, seed: int) -> Samples:
    """Like a voice: some pitches that change, over a little noise."""
    rng = np.random.default_rng(seed)
    pitch = np.repeat(rng.uniform(90, 220, samples // 2000 + 1), 2000)[:samples]
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = sum(np.sin(phase * harmonic) / harmonic for harmonic in range(1, 9))
    return np.asarray(sound * 3000 + rng.normal(0, 30, samples), np.int16)


@settings(max_examples=40)
@given(st.integers(0, 3 * RATE), st.integers(RATE // 2, 3 * RATE), st.integers(0, 5))
def test_a_piece_is_found_where_it_lies(start: int, length: int, seed: int) -> None:
    whole = speech(6 * RATE, seed)

    assert align(whole[start : start + length], whole) == start


@settings(max_examples=40)
@given(st.integers(0, 4 * RATE), st.integers(2 * RATE, 8 * RATE), st.integers(0, 50))
def test_a_voice_is_found_to_the_sample_and_not_to_the_period(start: int, length: int, seed: int) -> None:
    whole = voiced(12 * RATE, seed)

    assert align(whole[start : start + length], whole) == start


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(10_001, 20_000))
def test_other_audio_is_found_nowhere(one: int, other: int) -> None:
    with pytest.raises(NotAligned, match=UNLIKE):
        align(speech(RATE, one), speech(5 * RATE, other))


def test_loud_audio_elsewhere_is_not_more_alike() -> None:
    whole = speech(6 * RATE) // 50
    whole[: 2 * RATE] = speech(2 * RATE, 1)

    assert align(whole[3 * RATE : 4 * RATE], whole) == 3 * RATE


@pytest.mark.parametrize("silence", [0, 8])
def test_silence_is_found_nowhere(silence: int) -> None:
    silent = np.full(4 * RATE, silence, np.int16)

    for piece, within in ((silent[:RATE], speech(4 * RATE)), (speech(RATE), silent)):
        with pytest.raises(NotAligned, match=SILENT):
            align(piece, within)


def test_what_repeats_itself_has_no_place() -> None:
    whole = np.tile(speech(RATE), 5)

    with pytest.raises(NotAligned, match=UNCLEAR):
        align(whole[: 2 * RATE], whole)


def test_what_is_longer_than_its_surroundings_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="cannot be found"):
        align(speech(11), speech(10))

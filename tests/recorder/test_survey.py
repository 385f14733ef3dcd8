"""What is found in a spool by looking."""

import os
import time
from pathlib import Path

from recorder.spool import Spool
from recorder.survey import Surveyor
from tests.recorder.uploads import AUDIO, seal

SAMPLES = len(AUDIO) // 2


def test_what_waits_is_counted_to_the_sample_whatever_its_format(spool: Spool, flac_spool: Spool) -> None:
    for number in (1, 2, 3):
        seal(spool, number)
        seal(flac_spool, number)

    for each in (spool, flac_spool):
        survey = Surveyor(each.folder).look()
        assert (survey.segments, survey.samples, survey.aside) == (3, 3 * SAMPLES, 0)
        assert survey.size == sum(segment.size() for segment in each.sealed())
        assert survey.free > 0


def test_the_oldest_is_as_old_as_its_last_sample(spool: Spool) -> None:
    for number, age in ((1, 40), (2, 10)):
        manifest = seal(spool, number)
        then = time.time() - age
        os.utime(spool.segment(manifest).audio, (then, then))

    assert 40 <= Surveyor(spool.folder).look().oldest < 45


def test_an_open_segment_is_audio_that_is_not_in_the_bucket_but_waits_for_nothing(spool: Spool) -> None:
    facts = seal(spool, 1)
    segment = spool.open(facts.model_copy(update={"number": 2}))
    segment.wav.write(AUDIO)

    survey = Surveyor(spool.folder).look()
    segment.wav.close()

    assert (survey.segments, survey.samples) == (1, 2 * SAMPLES)


def test_what_was_set_aside_is_told_and_what_was_uploaded_is_gone(spool: Spool) -> None:
    surveyor = Surveyor(spool.folder)
    for number in (1, 2):
        seal(spool, number)
    first, second = spool.sealed()
    spool.set_aside(first)
    spool.discard(second)

    survey = surveyor.look()

    assert (survey.segments, survey.samples, survey.oldest, survey.aside) == (0, 0, 0.0, 2)


def test_what_others_put_there_breaks_nothing(tmp_path: Path, flac_spool: Spool) -> None:
    (flac_spool.folder / "holiday.flac").write_bytes(b"x" * 100)
    (flac_spool.folder / "notes.txt").write_text("x")

    assert Surveyor(flac_spool.folder).look().segments == 1
    assert not list(tmp_path.glob("*.txt"))

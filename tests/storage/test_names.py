"""Names are written in two places and read back from both; nothing else is ever taken for a name."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.names import MAX_RECORDER_LENGTH, AudioFormat, SegmentName, WatchId, WatchKind, check_recorder
from storage.prefixes import covering

BOARD = WatchId(WatchKind.CONFERENCE, "1ed12456-eb4b-11ee-bba8-1bfb2838807a")

watches = st.builds(
    WatchId, st.sampled_from(WatchKind), st.integers(1, 2**128 - 1).map(lambda number: str(UUID(int=number)))
)
instants = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 -- hypothesis adds the time zone itself
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.builds(timezone, st.builds(timedelta, minutes=st.integers(-720, 840))),
)
recorders = st.from_regex(rf"[A-Za-z0-9][A-Za-z0-9.-]{{0,{MAX_RECORDER_LENGTH - 1}}}", fullmatch=True)
names = st.builds(SegmentName, watches, instants, recorders, st.integers(0, 10**20 - 1))


@given(names)
def test_a_name_can_be_read_from_wherever_it_was_written(name: SegmentName) -> None:
    for audio_format in AudioFormat:
        key = name.audio_key_as(audio_format)
        assert (SegmentName.from_key(key), name.format_of(key)) == (name, audio_format)
    assert SegmentName.from_key(name.manifest_key) == name
    assert SegmentName.from_spool_stem(name.spool_stem) == name


@given(names, names)
def test_different_names_are_written_differently(one: SegmentName, other: SegmentName) -> None:
    if one != other:
        assert one.audio_key != other.audio_key
        assert one.spool_stem != other.spool_stem


@given(st.text() | st.builds(lambda name, junk: name.audio_key + junk, names, st.text(max_size=3)))
def test_what_reads_as_a_name_is_written_the_same(text: str) -> None:
    try:
        name = SegmentName.from_key(text)
    except ValueError:
        return
    assert text in name.keys


@given(names, st.data())
def test_a_damaged_name_is_another_name_or_none(name: SegmentName, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name.spool_stem) - 1))
    damaged = name.spool_stem[:at] + data.draw(st.characters()) + name.spool_stem[at + 1 :]

    try:
        read = SegmentName.from_spool_stem(damaged)
    except ValueError:
        return
    assert read.spool_stem == damaged


def test_the_place_of_a_segment_in_a_bucket() -> None:
    started_at = datetime(2026, 11, 22, 15, 5, 0, 123_987, tzinfo=UTC)

    name = SegmentName(BOARD, started_at, "rec-a", 17)

    assert name.audio_key == (
        "conferences/1ed12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/22/20261122T150500.123Z_rec-a_17.wav"
    )
    assert name.manifest_key == name.audio_key.removesuffix(".wav") + ".json"
    assert name.audio_key_as(AudioFormat.FLAC) == name.audio_key.removesuffix(".wav") + ".flac"


def test_a_name_is_of_utc_whatever_the_time_zone() -> None:
    berlin = timezone(timedelta(hours=1))

    name = SegmentName(BOARD, datetime(2026, 11, 23, 0, 30, tzinfo=berlin), "rec-a", 0)

    assert "/2026/11/22/20261122T233000.000Z_" in name.audio_key


@pytest.mark.parametrize(
    "key",
    [
        "conferences/1ed12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/23/20261122T150500.000Z_rec-a_17.wav",
        "calls/1ED12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/22/20261122T150500.000Z_rec-a_17.wav",
        "rooms/1ed12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/22/20261122T150500.000Z_rec-a_17.wav",
        "calls/1ed12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/22/20261322T150500.000Z_rec-a_17.wav",
        "calls/1ed12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/22/20261122T150500.000Z_rec-a_017.wav",
        "calls/1ed12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/22/20261122T150500.000Z_rec_a_17.wav",
        "calls/1ed12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/22/20261122T150500.000Z_rec-a_17.mp3",
        "calls/1ed12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/22/20261122T150500.000Z_rec-a_17.wav.json",
        "calls/1ed12456-eb4b-11ee-bba8-1bfb2838807a/2026/11/22/20261122T150500.000Z_rec-a_17.flac.wav",
        "20261122T150500.000Z_rec-a_17.wav",
    ],
    ids=[
        "another day",
        "capitals",
        "no kind",
        "no month",
        "leading zero",
        "underscore",
        "no suffix of ours",
        "two suffixes",
        "two formats",
        "no folder",
    ],
)
def test_a_near_miss_is_no_name(key: str) -> None:
    with pytest.raises(ValueError, match="is not the key of a segment"):
        SegmentName.from_key(key)


@pytest.mark.parametrize("recorder", ["", "-a", ".a", "a_b", "a/b", "a" * (MAX_RECORDER_LENGTH + 1), "ä"])
def test_a_recorder_that_would_break_names_is_refused(recorder: str) -> None:
    with pytest.raises(ValueError, match="letters, digits, dots or hyphens"):
        check_recorder(recorder)


def test_the_days_of_a_range() -> None:
    start = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)

    days = [prefix.removeprefix(BOARD.prefix) for prefix in covering(BOARD, start, start + timedelta(1))]

    assert days == ["2026/12/31/", "2027/01/01/"]


@pytest.mark.parametrize("id_", ["", "board", "00000000-0000-0000-0000-000000000000"])
def test_a_watch_has_a_uuid(id_: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        WatchId(WatchKind.CALL, id_)

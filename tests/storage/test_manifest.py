"""A manifest says the same after it was written and read, and a damaged one says what is wrong with it."""

import json
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.manifest import (
    ClosedBy,
    GapReason,
    LedgerEntry,
    ManifestError,
    OpenedAfterReason,
    SegmentManifest,
    format_manifest,
    parse_facts,
    parse_manifest,
)
from storage.names import AudioFormat
from storage.presence import PlatformFacts, PlatformFailure, Presence
from tests.storage.segments import NOON, manifest, speech


@st.composite
def manifests(draw: st.DrawFn) -> SegmentManifest:
    length = draw(st.integers(0, 4000))
    edges = sorted(draw(st.sets(st.integers(0, length), max_size=6)))
    ledger = [
        LedgerEntry(start=start, samples=end - start, reason=draw(st.sampled_from(GapReason)))
        for start, end in zip(edges[::2], edges[1::2], strict=False)
    ]
    return manifest(
        speech(length),
        NOON + timedelta(microseconds=draw(st.integers(0, 10**12))),
        number=draw(st.integers(0, 10**9)),
        name=draw(st.none() | st.text()),
        opened_after=draw(st.none() | st.sampled_from(OpenedAfterReason)),
        closed_by=draw(st.sampled_from(ClosedBy)),
        ledger=ledger,
    )


@given(manifests())
def test_what_was_written_is_read(written: SegmentManifest) -> None:
    assert parse_manifest(format_manifest(written)) == written


def test_it_is_the_documented_json() -> None:
    gap = LedgerEntry(start=4, samples=2, reason=GapReason.DISCONNECTED)
    written = json.loads(format_manifest(manifest(speech(16), name="board", ledger=[gap])))

    assert written["schema"] == 1
    assert written["watch"] == {
        "kind": "conference",
        "id": "1ed12456-eb4b-11ee-bba8-1bfb2838807a",
        "name": "board",
        "legal_hold": False,
    }
    assert written["started_at"] == "2026-11-22T12:00:00.000000Z"
    assert written["ledger"] == [{"start": 4, "samples": 2, "reason": "disconnected"}]
    assert written["closed_by"] == "stopped"


def test_a_time_of_another_zone_is_written_as_utc() -> None:
    zone = timezone(timedelta(hours=-5))

    assert b'"2026-11-22T12:00:00.000000Z"' in format_manifest(manifest(speech(1), NOON.astimezone(zone)))


def test_it_ends_where_its_last_sample_ends() -> None:
    assert manifest(speech(4001)).ended_at - NOON == timedelta(microseconds=500_125)


def test_it_says_what_its_audio_is_stored_as() -> None:
    for audio_format in AudioFormat:
        assert manifest(speech(9), audio_format=audio_format).audio_format is audio_format


def test_a_manifest_from_before_there_was_a_choice_is_of_a_wav() -> None:
    written = json.loads(format_manifest(manifest(speech(100))))
    del written["audio"]["pcm_sha256"]

    assert parse_manifest(json.dumps(written).encode()) == manifest(speech(100))


def test_one_of_which_the_platform_said_nothing_is_byte_for_byte_what_it_was_before_it_was_asked() -> None:
    assert b"platform" not in format_manifest(manifest(speech(100)))


def test_what_the_platform_said_is_read_as_it_was_written() -> None:
    at = NOON.astimezone(timezone(timedelta(hours=-5)))
    platform = PlatformFacts(
        name="Board 🎉",
        type="conference",
        status_at_start="progressing",
        seen_until=at,
        participants=(Presence(at=at, after=NOON, count=1, joined=("a",)), Presence(at=at, count=None)),
        failures=(PlatformFailure(at=at, setback="throttled", request_id="req_abc"),),
    )
    told = manifest(speech(100), name="board").model_copy(update={"platform": platform})

    data = format_manifest(told)

    assert parse_manifest(data) == told
    assert format_manifest(parse_manifest(data)) == data, "or a tombstone could not be checked"
    assert told.names == ("board", "Board 🎉")
    assert b"left_out" not in data


def damaged(**changes: Any) -> bytes:
    return json.dumps({**json.loads(format_manifest(manifest(speech(100)))), **changes}).encode()


def test_a_reader_ignores_what_a_later_recorder_adds() -> None:
    assert parse_manifest(damaged(mood="cheerful")) == manifest(speech(100))


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "manifest"),
        (b"\xff\xfe", "manifest"),
        (b"[]", "manifest"),
        (damaged(schema=2), "schema"),
        (damaged(samples=-1), "samples"),
        (damaged(started_at="2026-11-22T12:00:00"), "started_at"),
        (damaged(watch={"kind": "conference", "id": "board"}), "watch.id"),
        (damaged(audio={"key": "a.wav", "sha256": "abc", "size": 1}), "audio.sha256"),
        (damaged(ledger=[{"start": 90, "samples": 11, "reason": "lost"}]), "reaches sample 101 of a segment"),
        (
            damaged(
                ledger=[
                    {"start": 0, "samples": 10, "reason": "lost"},
                    {"start": 9, "samples": 1, "reason": "lost"},
                ]
            ),
            "overlaps",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_manifest_says_what_is_wrong(data: bytes, named: str) -> None:
    with pytest.raises(ManifestError, match=named):
        parse_manifest(data)


@given(st.binary())
def test_any_bytes_are_a_manifest_or_a_manifest_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(data)


def test_the_facts_of_an_open_segment_are_a_manifest_without_its_file() -> None:
    sealed = manifest(speech(100))

    facts = parse_facts(format_manifest(sealed))

    assert facts.name == sealed.name
    assert SegmentManifest.seal(facts, audio=sealed.audio, levels=sealed.levels, previous=None) == sealed

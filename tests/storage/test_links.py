"""Links and playlists: audio for whoever has the URL, and for nobody else."""

import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from recorder.simulator.seaweedfs import SeaweedFS
from storage import links
from storage.catalog import Catalog, NothingRecorded
from storage.directory import DirectoryStore
from storage.errors import NotOffered, ObjectNotFound
from storage.manifest import ClosedBy, OpenedAfterReason, SegmentManifest
from storage.names import AudioFormat
from storage.playlist import NotForStreaming, entries, format_playlist
from storage.s3 import S3Store
from tests.fakes import MemoryStore
from tests.storage.recorders import Ear, Hole, record
from tests.storage.segments import BOARD, NOON, RATE, Samples, manifest, seconds, speech, store_segment
from tests.storage.test_recordings_command import recordings

HOUR = timedelta(hours=1)


def fill(store: S3Store | MemoryStore | DirectoryStore, audio_format: AudioFormat) -> list[Samples]:
    """Two segments that follow each other to the sample, and a third after an idle minute."""
    heard = [speech(3 * RATE, seed) for seed in range(3)]
    first = manifest(heard[0], name="board, of \x1b[1mus", closed_by=ClosedBy.GRID, audio_format=audio_format)
    second = manifest(
        heard[1],
        NOON + seconds(3),
        number=1,
        opened_after=None,
        closed_by=ClosedBy.IDLE,
        previous=first,
        audio_format=audio_format,
    )
    third = manifest(
        heard[2],
        NOON + seconds(66),
        number=2,
        opened_after=OpenedAfterReason.IDLE,
        away=60.0,
        previous=second,
        audio_format=audio_format,
    )
    for samples, segment in zip(heard, (first, second, third), strict=True):
        store_segment(store, samples, segment)
    return heard


@pytest.fixture
def memory() -> MemoryStore:
    store = MemoryStore()
    fill(store, AudioFormat.WAV)
    return store


def bucket(server: SeaweedFS, prefix: str) -> S3Store:
    return S3Store(
        server.bucket,
        prefix,
        endpoint_url=server.endpoint_url,
        region="us-east-1",
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


@pytest.fixture(scope="module", params=AudioFormat)
def prefix(request: pytest.FixtureRequest, seaweedfs: SeaweedFS) -> str:
    """Where the three segments are in a real bucket, once in each format."""
    with closing(bucket(seaweedfs, f"links-{request.param}")) as store:
        fill(store, request.param)
    return f"links-{request.param}"


@pytest.fixture
def real(seaweedfs: SeaweedFS, prefix: str) -> Iterator[S3Store]:
    with closing(bucket(seaweedfs, prefix)) as store:
        yield store


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 -- of a server of ours
        body: bytes = answer.read()
        return body


def test_a_link_needs_no_credential(real: S3Store) -> None:
    segment = links.segment_at(Catalog(real), BOARD, NOON + seconds(4))

    link = links.link(real, segment, HOUR)

    with real.open(segment.audio.key) as stream:
        assert get(link.url) == stream.read()
    assert segment.number == 1
    query = parse_qs(urlsplit(link.url).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["3600"]
    assert timedelta(minutes=59) < link.expires_at - datetime.now(UTC) <= HOUR
    assert not link.ends_with_credentials


def test_nobody_can_make_a_link_last_longer(real: S3Store) -> None:
    link = links.link(real, links.segment_at(Catalog(real), BOARD, NOON), HOUR)

    with pytest.raises(urllib.error.HTTPError) as refused:
        get(link.url.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"))

    with refused.value:
        assert refused.value.code == 403


def test_a_link_with_temporary_credentials_says_that_it_ends_with_them(
    seaweedfs: SeaweedFS, memory: MemoryStore
) -> None:
    segment = links.segment_at(Catalog(memory), BOARD, NOON)
    signed = links.Link(segment, f"{seaweedfs.endpoint_url}/a?X-Amz-Security-Token=x", NOON)

    assert signed.ends_with_credentials


@pytest.mark.parametrize(("at", "number"), [(0.0, 0), (2.9999, 0), (3.0, 1), (66.0, 2), (68.9, 2)])
def test_a_segment_is_found_by_an_instant(memory: MemoryStore, at: float, number: int) -> None:
    assert links.segment_at(Catalog(memory), BOARD, NOON + seconds(at)).number == number


def test_where_nothing_was_recorded_there_is_no_link(memory: MemoryStore) -> None:
    for at in (-1, 30, 69):
        with pytest.raises(NothingRecorded, match="nothing was recorded"):
            links.segment_at(Catalog(memory), BOARD, NOON + seconds(at))


@pytest.mark.parametrize("suffix", ["", ".wav", ".json"])
@pytest.mark.parametrize("folders", ["", f"{BOARD.prefix}2026/11/22/"])
def test_a_segment_is_found_by_its_name(memory: MemoryStore, folders: str, suffix: str) -> None:
    found = links.segment_named(Catalog(memory), BOARD, f"{folders}20261122T120003.000Z_rec-a_1{suffix}")

    assert found.number == 1


@pytest.mark.parametrize(
    "text", ["", "rec-a", "20261122T120003.000Z_rec-b_1", "20261122T120004.000Z_rec-a_1"]
)
def test_a_name_of_no_segment_is_said(memory: MemoryStore, text: str) -> None:
    with pytest.raises(NothingRecorded, match="segment"):
        links.segment_named(Catalog(memory), BOARD, text)


def test_a_damaged_manifest_is_told(memory: MemoryStore) -> None:
    memory.objects[f"{BOARD.prefix}2026/11/22/20261122T120003.000Z_rec-a_1.json"] = b"{"

    with pytest.raises(NothingRecorded, match="damaged"):
        links.segment_named(Catalog(memory), BOARD, "20261122T120003.000Z_rec-a_1")


def test_there_is_no_link_to_what_is_not_there(memory: MemoryStore) -> None:
    segment = links.segment_at(Catalog(memory), BOARD, NOON)
    del memory.objects[segment.audio.key]

    with pytest.raises(ObjectNotFound):
        links.link(memory, segment, HOUR)


@pytest.mark.parametrize("expires", [timedelta(0), timedelta(days=7, seconds=1)])
def test_no_store_takes_an_expiry_that_s3_has_not(
    memory: MemoryStore, seaweedfs: SeaweedFS, tmp_path: Path, expires: timedelta
) -> None:
    with closing(bucket(seaweedfs, "none")) as store:
        for each in (memory, store, DirectoryStore(tmp_path)):
            with pytest.raises(ValueError, match="7 days"):
                each.link("a", expires)


def test_a_folder_has_no_links_and_says_what_instead(tmp_path: Path) -> None:
    with pytest.raises(
        NotOffered, match=r"a/b\.wav: a folder has no links that expire; give the file itself"
    ):
        DirectoryStore(tmp_path).link("a/b.wav", HOUR)


def parsed(text: str) -> list[tuple[float, str]]:
    """Durations and URLs, as players read them: a line of `#EXTINF`, and the next one without `#`."""
    found, duration = [], None
    for line in text.splitlines():
        if line.startswith("#EXTINF:"):
            duration = float(line.removeprefix("#EXTINF:").partition(",")[0])
        elif not line.startswith("#"):
            assert duration is not None
            found.append((duration, line))
            duration = None
    return found


def test_a_playlist_has_the_segments_of_the_range_in_order(memory: MemoryStore) -> None:
    layout = Catalog(memory).layout(BOARD, NOON + seconds(1), NOON + seconds(67))

    text = format_playlist(layout, lambda segment: f"https://store/{segment.number}")

    assert parsed(text) == [(3.0, "https://store/0"), (3.0, "https://store/1"), (3.0, "https://store/2")]
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert "#EXTINF:3.000,board  of �[1mus 2026-11-22 12:00:00 UTC" in lines
    assert "# 2026-11-22T12:00:06.000000Z: 0:01:00.000 not recorded: idle" in lines
    assert not any(line.startswith("#EXT-X-") for line in lines)  # by which players would take it for HLS


def test_a_playlist_of_a_part_has_that_part_only(memory: MemoryStore) -> None:
    layout = Catalog(memory).layout(BOARD, NOON + seconds(4), NOON + seconds(5))

    assert parsed(format_playlist(layout, lambda segment: str(segment.number))) == [(3.0, "1")]


def test_what_another_recorder_has_already_is_said() -> None:
    store = MemoryStore()
    for recorder, start in (("rec-a", 0), ("rec-b", 2)):
        samples = speech(3 * RATE, start)
        store_segment(store, samples, manifest(samples, NOON + seconds(start), recorder=recorder))
    layout = Catalog(store).layout(BOARD)

    listed = entries(layout)
    text = format_playlist(layout, lambda segment: segment.recorder)

    assert [(entry.segment.recorder, entry.repeats) for entry in listed] == [("rec-a", 0), ("rec-b", RATE)]
    assert "# of another recorder: its first 0:00:01.000 are in the one before" in text


def test_recorders_that_take_turns_are_listed_once() -> None:
    store = MemoryStore()
    conference = speech(60 * RATE)
    gaps = [Hole(10 * RATE, 20 * RATE), Hole(50 * RATE, 55 * RATE)]
    record(store, conference, Ear("rec-a", holes=gaps))
    record(store, conference, Ear("rec-b", holes=[Hole(30 * RATE, 40 * RATE)]))
    layout = Catalog(store).layout(BOARD)

    listed = entries(layout)

    assert len(layout.pieces) > 2
    assert sorted(entry.segment.recorder for entry in listed) == ["rec-a", "rec-b"]
    assert all(not entry.pauses for entry in listed)


def test_as_hls_it_has_dates_and_discontinuities() -> None:
    store = MemoryStore()
    fill(store, AudioFormat.FLAC)
    layout = Catalog(store).layout(BOARD)

    text = format_playlist(layout, lambda segment: str(segment.number), streaming=True)

    tags = [line for line in text.splitlines() if not line.startswith(("# ", "#EXTINF"))]
    assert tags == [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:3",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T12:00:00.000Z",
        "0",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T12:00:03.000Z",
        "1",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T12:01:06.000Z",
        "2",
        "#EXT-X-ENDLIST",
    ]


def test_there_is_no_hls_of_wav(memory: MemoryStore) -> None:
    def never(_: SegmentManifest) -> str:
        raise AssertionError

    with pytest.raises(NotForStreaming, match=r"rec-a_0\.wav is stored as WAV"):
        format_playlist(Catalog(memory).layout(BOARD), never, streaming=True)


def command(server: SeaweedFS, prefix: str, *arguments: str | Path) -> tuple[int, str, str]:
    result = recordings(
        *arguments,
        *("--store", f"s3://{server.bucket}/{prefix}", "--endpoint-url", server.endpoint_url),
        environment=server.environment,
    )
    return result.code, result.out, result.err


def test_the_command_prints_a_link_and_nothing_else(seaweedfs: SeaweedFS, prefix: str) -> None:
    code, out, err = command(seaweedfs, prefix, "link", "1ed1", "--at", "2026-11-22T12:00:04")

    assert (code, err[:11]) == (0, "valid until")
    assert get(out.strip())[:4] in (b"RIFF", b"fLaC")


def test_a_playlist_without_a_whole_segment_ends_with_1(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    """Though another recorder has that time."""
    conference = speech(30 * RATE)
    with closing(bucket(seaweedfs, "lost")) as store:
        _, lost, third = record(store, conference, Ear("rec-a", segment=10 * RATE))
        record(store, conference, Ear("rec-b", segment=30 * RATE))
        store.delete(lost.audio.key)
        store.delete(lost.key)

    code, _, err = command(seaweedfs, "lost", "playlist", "1ed1", "-o", tmp_path / "board.m3u8")

    assert code == 1
    message = "the segment that its recorder sealed before it is not in the store"
    assert err.splitlines()[1:] == [f"{third.key}: {message}"]
    assert (tmp_path / "board.m3u8").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["link", "1ed1"], 2, "Give --at TIME or --segment NAME"),
        (["link", "1ed1", "--at", "2026-11-22T12:00", "--expires", "8d"], 2, "7 days"),
        (["link", "1ed1", "--at", "2026-11-22T12:00", "--expires", "0s"], 2, "7 days"),
        (["link", "1ed1", "--at", "2026-11-22T12:00", "--expires", "soon"], 2, "as in 1h"),
        (["link", "1ed1", "--at", "2026-11-22T12:00:30"], 1, "nothing was recorded at"),
        (["link", "1ed1", "--at", "2026-11-22T12:00"], 1, "a folder has no links"),
        (["playlist", "1ed1"], 1, "a folder has no links"),
        (["playlist", "1ed1", "--hls"], 1, "stored as WAV"),
        (["playlist", "1ed1", "--from", "2027-01-01"], 1, "nothing was recorded"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_in_words(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    fill(DirectoryStore(tmp_path), AudioFormat.WAV)

    failed = recordings(*arguments, "--store", tmp_path.as_uri())

    assert failed.code == code
    assert said in failed.err
    assert failed.out == ""


def heard_by(program: list[str | Path], output: Path) -> Samples:
    subprocess.run(program, check=True, capture_output=True, timeout=60)
    return np.frombuffer(output.read_bytes(), "<i2")


def test_mpv_plays_a_playlist(seaweedfs: SeaweedFS, prefix: str, tmp_path: Path) -> None:
    mpv = shutil.which("mpv")
    if mpv is None:
        pytest.skip("mpv is not installed")
    playlist, pcm = tmp_path / "board.m3u8", tmp_path / "heard"
    assert command(seaweedfs, prefix, "playlist", "1ed1", "-o", playlist)[0] == 0

    to_file = ["--ao=pcm", f"--ao-pcm-file={pcm}", "--ao-pcm-waveheader=no", "--ao-pcm-append=yes"]
    heard = heard_by([mpv, "--no-config", "--no-terminal", *to_file, playlist], pcm)

    assert np.array_equal(heard, np.concatenate([speech(3 * RATE, seed) for seed in range(3)]))


def test_ffmpeg_plays_hls(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    with closing(bucket(seaweedfs, "hls")) as store:
        fill(store, AudioFormat.FLAC)
    playlist, pcm = tmp_path / "board.m3u8", tmp_path / "heard"
    assert command(seaweedfs, "hls", "playlist", "1ed1", "--hls", "-o", playlist)[0] == 0

    heard = heard_by(
        [ffmpeg, "-protocol_whitelist", "file,http,tcp", "-i", playlist, "-f", "s16le", pcm], pcm
    )

    assert np.array_equal(heard, np.concatenate([speech(3 * RATE, seed) for seed in range(3)]))


def test_a_playlist_in_a_file_is_not_replaced_unasked(
    seaweedfs: SeaweedFS, prefix: str, tmp_path: Path
) -> None:
    output = tmp_path / "board.m3u8"
    output.write_text("before")

    refused, _, said = command(seaweedfs, prefix, "playlist", "1ed1", "-o", output)
    assert (refused, output.read_text()) == (2, "before")
    assert "--force" in said

    replaced, out, _ = command(seaweedfs, prefix, "playlist", "1ed1", "-o", output, "--force")
    assert replaced == 0
    assert "3 segments, from 2026-11-22 12:00:00.000 to 2026-11-22 12:01:09.000" in out
    assert len(parsed(output.read_text())) == 3

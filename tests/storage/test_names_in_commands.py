"""The commands take a name for an id, and never the wrong one: what they print, and how they end."""

import hashlib
import json
import tarfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from storage.directory import DirectoryStore
from storage.erasure import erase, plan_erasure
from storage.manifest import SegmentManifest
from storage.names import WatchId, WatchKind
from storage.presence import PlatformFacts, Presence
from storage.register import REGISTER, Entry, fold, format_entry
from tests.storage.segments import BOARD, NOON, RATE, manifest, speech, store_segment
from tests.storage.test_recordings_command import Result, recordings

OTHER = WatchId(WatchKind.CONFERENCE, "cafe0000-0000-4000-8000-000000000001")
TWIN = WatchId(WatchKind.CALL, BOARD.id)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


def record(
    bucket: Path,
    name: str | None,
    watch: WatchId = BOARD,
    *,
    days: int = 0,
    platform: PlatformFacts | None = None,
    entered: bool = True,
) -> SegmentManifest:
    store, samples = DirectoryStore(bucket), speech(RATE) * 0
    segment = manifest(samples, NOON + timedelta(days=days), watch=watch, number=days, name=name)
    segment = store_segment(store, samples, segment.model_copy(update={"platform": platform}))
    for each in segment.names if entered else ():
        data = format_entry(fold(each))
        digest = hashlib.sha256(data).hexdigest()
        store.put(Entry(fold(each), watch).key, data, sha256=digest, content_type="application/json")
    return segment


def run(bucket: Path, *arguments: str | Path) -> Result:
    return recordings(*arguments, "--store", bucket.as_uri())


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("list", "--by", "day"),
        ("fetch", "-o", "OUT.wav"),
        ("verify",),
        ("export", "-o", "OUT.tar"),
        ("delete", "--from", "2026-11-22", "--to", "2026-11-23", "--why", "x", "--dry-run"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_name_does_for_an_id(bucket: Path, tmp_path: Path, command: Sequence[str]) -> None:
    record(bucket, "Board Room")
    record(bucket, "sales", OTHER)

    words = [word.replace("OUT", str(tmp_path / "out")) for word in command]
    done = run(bucket, words[0], "board room", *words[1:])
    same = run(bucket, words[0], "1ed12456", *words[1:], *(["--force"] if "-o" in command else []))

    assert (done.code, done.out, done.err) == (0, same.out, "")
    assert OTHER.id not in done.out


@pytest.mark.parametrize("command", [("link", "--at", "2026-11-22T12:00"), ("playlist",)])
def test_a_name_is_known_where_a_folder_has_no_links(bucket: Path, command: Sequence[str]) -> None:
    record(bucket, "board")

    done = run(bucket, command[0], "BOARD", *command[1:])

    assert (done.code, "a folder has no links" in done.err) == (1, True)


def test_a_name_that_several_had_is_refused_and_says_which_and_when(bucket: Path) -> None:
    record(bucket, "board", BOARD)
    record(bucket, "board", BOARD, days=2)
    record(bucket, "Board", OTHER, days=1, entered=False)

    refused = run(bucket, "fetch", "board", "-o", "x.wav")

    assert refused.code == 2
    assert f"conference {BOARD.id}  2026-11-22 12:00:00.000 to 2026-11-24 12:00:00.000" in refused.err
    assert f"conference {OTHER.id}  2026-11-23 12:00:00.000 to 2026-11-23 12:00:00.000" in refused.err
    assert "1 are not in the register of names" in refused.err


def test_a_conference_and_a_call_of_one_name_are_told_apart_by_kind(bucket: Path) -> None:
    record(bucket, "board", BOARD)
    record(bucket, "board", TWIN)

    assert "--kind" in run(bucket, "list", "board").err
    assert run(bucket, "list", "board", "--kind", "call").out.startswith(
        f"call {BOARD.id} (board): 1 segments"
    )


def test_a_name_that_begins_as_an_id_does_is_never_guessed(bucket: Path) -> None:
    record(bucket, "board", OTHER)
    record(bucket, "cafe", BOARD)

    refused = run(bucket, "list", "cafe")
    assert refused.code == 2
    assert OTHER.id in refused.err
    assert BOARD.id in refused.err
    assert run(bucket, "list", "cafe0").out.startswith(f"conference {OTHER.id}")
    assert run(bucket, "list", BOARD.id).code == 0


def test_a_name_that_looks_like_an_id_and_is_none_is_a_name(bucket: Path) -> None:
    record(bucket, "deadbeef")

    assert run(bucket, "list", "deadbeef").out.startswith(f"conference {BOARD.id} (deadbeef)")


def test_a_pattern_lists_all_that_it_fits_and_fetches_what_is_the_only_one(
    bucket: Path, tmp_path: Path
) -> None:
    record(bucket, "board", BOARD)
    record(bucket, "board games", OTHER)

    listed = run(bucket, "list", "board*", "--json")
    assert [watch["id"] for watch in listed.json["watches"]] == [BOARD.id, OTHER.id]
    assert run(bucket, "fetch", "board*", "-o", tmp_path / "x.wav").code == 2
    assert run(bucket, "fetch", "*games", "-o", tmp_path / "x.wav").code == 0


PLATFORM = PlatformFacts(
    name="Board of Directors",
    type="conference",
    status_at_start="progressing",
    status_at_end="terminating",
    seen_until=NOON,
    participants_at_start=2,
    participants_at_end=0,
    participants_most=3,
    participants=(
        Presence(at=NOON, count=2, present=("a", "b")),
        Presence(at=NOON, after=NOON, count=3, joined=("c",)),
        Presence(at=NOON, after=NOON, count=0, left=("a", "b", "c")),
    ),
)


def test_what_the_platform_said_is_shown_where_it_is_looked_for(bucket: Path, tmp_path: Path) -> None:
    record(bucket, "board", platform=PLATFORM)
    names, said = ["board", "Board of Directors"], json.loads(PLATFORM.model_dump_json())

    title, heading, row = run(bucket, "list", "board").out.splitlines()
    assert title == f"conference {BOARD.id} (board, Board of Directors): 1 segments"
    assert heading.split()[-1] == "participants"
    assert row.endswith("2 to 0, 3 at most")

    (segment,) = run(bucket, "list", "board", "--json").json["segments"]
    assert segment["platform"] == said
    (watch,) = run(bucket, "list", "--json").json["watches"]
    assert watch["names"] == names

    fetched = run(bucket, "fetch", "board", "-o", tmp_path / "x.wav", "--json").json
    assert fetched["names"] == names
    assert fetched["platform"] == [{"segment": segment["audio"]["key"], **said}]

    (verified,) = run(bucket, "verify", "board", "--json").json["watches"]
    assert (verified["names"], verified["sound"]) == (names, True)

    assert run(bucket, "export", "board", "-o", tmp_path / "x.tar").code == 0
    with tarfile.open(tmp_path / "x.tar") as archive:
        certificate = next(member for member in archive if member.name.endswith("CERTIFICATE.txt"))
        file = archive.extractfile(certificate)
        text = file.read().decode() if file else ""
    assert f"What       conference {BOARD.id} (board, Board of Directors)" in text
    assert "participants 2 to 0, 3 at most, as the platform said" in text


def test_where_the_platform_was_not_asked_nothing_is_shown_of_it(bucket: Path) -> None:
    record(bucket, "board")

    assert "participants" not in run(bucket, "list", "board").out
    (segment,) = run(bucket, "list", "board", "--json").json["segments"]
    assert "platform" not in segment


def test_when_all_audio_is_erased_no_key_has_the_name_any_more(bucket: Path) -> None:
    record(bucket, "Jane Doe")
    record(bucket, "Jane Doe", days=1)
    record(bucket, "board", OTHER)
    erase = ("delete", "jane doe", "--why", "request 17", "--yes", "--from", "2026-11-22T12:00")

    part = run(bucket, *erase, "--to", "2026-11-23T00:00")
    register = [item.key for item in DirectoryStore(bucket).list(REGISTER)]
    rest = run(bucket, *erase, "--to", "2026-11-24T00:00")

    assert (part.code, rest.code) == (0, 0)
    assert Entry("jane doe", BOARD).key in register
    assert [item.key for item in DirectoryStore(bucket).list(REGISTER)] == [Entry("board", OTHER).key]
    assert "erased" in run(bucket, "list", "jane doe").out, "its manifests go on to say what it was"


def test_an_erasure_that_broke_off_before_the_names_were_gone_is_finished_by_the_next(bucket: Path) -> None:
    record(bucket, "Jane Doe")
    store, end = DirectoryStore(bucket), NOON + timedelta(days=1)
    assert erase(store, plan_erasure(store, BOARD, NOON, end), who="dana", why="request 17", at=end) == ()
    command = ["delete", BOARD.id, "--why", "request 17", "--from", "2026-11-22T12:00", "--to", "2026-11-23"]

    asked = run(bucket, *command, "--dry-run")
    left = [item.key for item in store.list(REGISTER)]
    again = run(bucket, *command, "--yes")

    assert (asked.code, left) == (0, [Entry("jane doe", BOARD).key])
    assert (again.code, list(store.list(REGISTER))) == (0, [])

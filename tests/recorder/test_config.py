"""Settings are right as a whole, or every mistake is told at once with its file, line and key."""

import os
import re
import traceback
from pathlib import Path

import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st

from recorder.config import (
    AuthForm,
    ConfigurationError,
    Problem,
    RecordingSettings,
    StorageSettings,
    VoipbinSettings,
    WhenFull,
    fit_recorder,
    load_settings,
)
from recorder.core.media import CodecChoice, Encapsulation
from recorder.shard import Shard
from recorder.values import format_duration, parse_duration, parse_size
from storage.keeping import Encryption, Keeping, LockMode
from storage.names import AudioFormat, WatchId, WatchKind, check_recorder
from tests.recorder.configurations import (
    ACCESSKEY,
    BOARD,
    CALL,
    CONFIG,
    TOKEN,
    WATCHLIST,
    WRONG_CONFIG,
    WRONG_PLACES,
    WRONG_WATCHLIST,
    unreadable_credential,
    write_configuration,
)

ENVIRON = {"VOIPBIN_TOKEN": TOKEN}
EXAMPLES = Path(__file__).parents[2] / "systemd"


def refusal(path: Path, environ: dict[str, str] = ENVIRON) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, environ)
    return caught.value


def sharded(shard: str) -> str:
    return CONFIG.replace("[recording]", f'[recording]\nshard = "{shard}"')


# Values


@given(
    st.integers(0, 10**6), st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)])
)
def test_a_duration_is_a_number_and_a_unit(amount: int, unit: tuple[str, float]) -> None:
    assert parse_duration(f"{amount}{unit[0]}") == pytest.approx(amount * unit[1])


@given(st.integers(1, 10**9).map(lambda milliseconds: milliseconds / 1000))
def test_a_written_duration_reads_back(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds)


@given(st.text())
@example("")
@example("5")
@example("5 m")
@example("-5m")
@example("5M")
@example("\N{ARABIC-INDIC DIGIT FIVE}m")
@example("1e3s")
@example("9" * 400 + "d")
@example("5m\n")
def test_any_other_text_is_refused_as_a_duration(text: str) -> None:
    if re.fullmatch(r"[0-9]{1,300}(\.[0-9]+)?(ms|s|m|h|d)", text):
        assert parse_duration(text) >= 0
        return

    with pytest.raises(ValueError, match="write a number and its unit"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1000000", 10**6), ("7B", 7), ("500MB", 5 * 10**8), ("1.5 GiB", 3 << 29), ("2kB", 2000)],
)
def test_a_size_is_a_number_of_bytes_or_one_with_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1gb", "1 Gib", "9" * 400, "1e9", "ten", "1GB\n"])
def test_any_other_text_is_refused_as_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="write bytes, or a number and its unit"):
        parse_size(text)


def test_a_size_may_be_a_number_in_the_file_and_nothing_else_is_taken(tmp_path: Path) -> None:
    def least(value: str) -> Path:
        return write_configuration(
            tmp_path, CONFIG.replace("[recording]", f"[recording]\nmin_free = {value}")
        )

    assert load_settings(least("1048576"), ENVIRON).recording.min_free == 1 << 20
    for value in ("-1", "1.5", "true", '"much"', "[1]"):
        assert "recording.min_free: " in str(refusal(least(value)))


@given(st.text())
@example("")
@example("_host_")
@example("-.-")
@example("a" * 300)
def test_any_host_name_is_made_fit_for_names(host: str) -> None:
    check_recorder(fit_recorder(host))
    assert check_recorder(fit_recorder(host, Shard(2, 4))).endswith("-2of4")


# A configuration in order


def test_what_is_not_written_has_its_default(tmp_path: Path) -> None:
    settings = load_settings(write_configuration(tmp_path), ENVIRON)

    assert settings.voipbin == VoipbinSettings(
        url="wss://voipbin.example/v1.0",
        encapsulation=Encapsulation.RTP,
        codec=CodecChoice.AUTO,
        allow_insecure=False,
        connect_rate=15,
        ca_file=None,
        auth=AuthForm.HEADER,
        no_audio_after=20,
    )
    assert settings.recording == RecordingSettings(
        spool=tmp_path / "spool",
        recorder=fit_recorder(os.uname().nodename),
        format=AudioFormat.WAV,
        segment=300,
        gap_limit=60,
        idle_after=10,
        sync_interval=5,
        min_free=512 * 1024 * 1024,
        when_full=WhenFull.STOP,
        drain_timeout=30,
    )
    assert settings.storage == StorageSettings(url="s3://bucket/prefix", endpoint_url=None, region=None)
    assert [str(watch.watch_id) for watch in settings.watches] == [
        "conference 1ed12456-eb4b-11ee-bba8-1bfb2838807a",
        "call 652af662-eb45-11ee-b1a5-6fde165f9226",
    ]
    assert settings.watchlist == tmp_path / "watchlist.toml"
    assert settings.warnings == ()


def test_every_key_is_taken(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    config = f"""
        watchlist = "{tmp_path}/watchlist.toml"
        [voipbin]
        url = "ws://127.0.0.1:8080/v1.0/"
        encapsulation = "audiosocket"
        codec = "alaw"
        allow_insecure = true
        connect_rate = 2.5
        ca_file = "ca.pem"
        auth = "query"
        no_audio_after = "45s"
        [recording]
        spool = "{tmp_path}"
        shard = "1/1"
        recorder = "rec-a"
        format = "flac"
        segment = "10s"
        gap_limit = "0s"
        idle_after = "1500ms"
        sync_interval = "10s"
        min_free = "1.5GB"
        when_full = "drop-oldest"
        drain_timeout = "1m"
        [storage]
        url = "file://{tmp_path}/store"
        endpoint_url = "http://127.0.0.1:8333"
        region = "eu-central-1"
    """

    settings = load_settings(write_configuration(tmp_path, config), ENVIRON)

    assert settings.voipbin == VoipbinSettings(
        url="ws://127.0.0.1:8080/v1.0",
        encapsulation=Encapsulation.AUDIOSOCKET,
        codec=CodecChoice.ALAW,
        allow_insecure=True,
        connect_rate=2.5,
        ca_file=tmp_path / "ca.pem",
        auth=AuthForm.QUERY,
        no_audio_after=45,
    )
    assert settings.recording == RecordingSettings(
        spool=tmp_path,
        shard=Shard(1, 1),
        recorder="rec-a",
        format=AudioFormat.FLAC,
        segment=10,
        gap_limit=0,
        idle_after=1.5,
        sync_interval=10,
        min_free=1_500_000_000,
        when_full=WhenFull.DROP_OLDEST,
        drain_timeout=60,
    )
    assert settings.storage == StorageSettings(
        url=f"file://{tmp_path}/store", endpoint_url="http://127.0.0.1:8333", region="eu-central-1"
    )
    assert [watch.encapsulation for watch in settings.watches] == [
        Encapsulation.AUDIOSOCKET,
        Encapsulation.SLN,
    ]
    assert [watch.codec for watch in settings.watches] == [CodecChoice.ALAW, CodecChoice.ULAW]


def test_a_shard_has_its_part_of_the_list_and_of_the_rate_and_a_name_of_its_own(tmp_path: Path) -> None:
    shares = [
        load_settings(write_configuration(tmp_path, sharded(f"{number}/2")), ENVIRON) for number in (1, 2)
    ]

    board, call = WatchId(WatchKind.CONFERENCE, BOARD), WatchId(WatchKind.CALL, CALL)
    assert [[watch.watch_id for watch in share.watches] for share in shares] == [[], [board, call]]
    assert [share.watches.listed for share in shares] == [2, 2]
    assert [share.connect_rate for share in shares] == [7.5, 7.5], "15 is what all of them may do together"
    assert [share.recording.recorder for share in shares] == [
        f"{fit_recorder(os.uname().nodename)}-{number}of2" for number in (1, 2)
    ]


def test_a_name_that_is_written_is_taken_as_it_is_with_a_shard_too(tmp_path: Path) -> None:
    config = sharded("2/4").replace("[storage]", 'recorder = "rec-a"\n[storage]')

    assert load_settings(write_configuration(tmp_path, config), ENVIRON).recording.recorder == "rec-a"


def test_loading_creates_nothing(tmp_path: Path) -> None:
    load_settings(write_configuration(tmp_path), ENVIRON)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["recorder.toml", "watchlist.toml"]


def test_the_example_files_are_in_order(tmp_path: Path) -> None:
    config = (EXAMPLES / "recorder.toml").read_text().replace("/var/lib/conference-recorder", str(tmp_path))

    settings = load_settings(
        write_configuration(tmp_path, config, (EXAMPLES / "watchlist.toml").read_text()), ENVIRON
    )

    assert len(settings.watches) == 3
    assert settings.warnings == ()


def test_the_commented_keys_of_the_example_are_in_order_as_well(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "private-ca.pem"))
    config = (EXAMPLES / "recorder.toml").read_text().replace("/var/lib/conference-recorder", str(tmp_path))
    config, uncommented = re.subn(r"^# (\w+ = |\[)", r"\1", config, flags=re.MULTILINE)

    settings = load_settings(write_configuration(tmp_path, config), ENVIRON)

    assert uncommented == 19
    assert str(settings.metrics.listen) == "127.0.0.1:9464"
    assert settings.storage.retain_days == 365
    assert [hook.label for hook in settings.hooks] == ["true"]
    assert settings.recording.recorder == "rec-a"


def test_the_commented_pattern_of_the_example_is_in_order_as_well(tmp_path: Path) -> None:
    example = (EXAMPLES / "watchlist.toml").read_text()
    listed, uncommented = re.subn(r"^# (\w+ = |\[)", r"\1", example, flags=re.MULTILINE)
    config = 'watchlist = "watchlist.toml"\n[storage]\nurl = "s3://bucket/p"\n[recording]\nspool = "spool"\n'
    config += '[voipbin]\nurl = "wss://api.voipbin.net/v1.0"\n'

    (pattern,) = load_settings(write_configuration(tmp_path, config, listed), ENVIRON).watches.patterns

    assert uncommented == 6
    assert (pattern.name, pattern.exclude, pattern.encapsulation) == ("board*", ("*test*",), "sln")


def test_the_service_gives_the_drain_its_time(tmp_path: Path) -> None:
    config = (EXAMPLES / "recorder.toml").read_text().replace("/var/lib/conference-recorder", str(tmp_path))
    settings = load_settings(write_configuration(tmp_path, config), ENVIRON)
    service = (EXAMPLES / "conference-recorder.service").read_text()

    timeout = re.search(r"^TimeoutStopSec=(.+)$", service, re.MULTILINE)

    assert timeout is not None
    assert parse_duration(timeout[1]) > settings.recording.drain_timeout
    assert "RestartPreventExitStatus=2\n" in service


def test_a_rate_above_the_platforms_is_allowed_and_told(tmp_path: Path) -> None:
    at_limit = write_configuration(tmp_path, CONFIG.replace("[recording]", "connect_rate = 17\n[recording]"))
    assert load_settings(at_limit, ENVIRON).warnings == ()

    above = write_configuration(tmp_path, CONFIG.replace("[recording]", "connect_rate = 18\n[recording]"))
    (warning,) = load_settings(above, ENVIRON).warnings

    assert (warning.line, warning.key) == (6, "voipbin.connect_rate")


# Mistakes


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, WRONG_CONFIG, WRONG_WATCHLIST)

    error = refusal(path, unreadable_credential(tmp_path))

    *in_files, credential = map(str, error.problems)
    told = [line.removeprefix(f"{tmp_path}/") for line in in_files]
    assert len(told) == len(WRONG_PLACES)
    for line, place in zip(told, WRONG_PLACES, strict=True):
        assert line.startswith(place)
    assert credential.startswith(f"{tmp_path}/credentials/voipbin-token: the credential cannot be read")
    assert "never here" not in str(error)


@pytest.mark.parametrize(
    ("written", "place", "advice"),
    [
        ('[voipbin]\nurl = "https://h/v1.0"', "voipbin.url", "write wss://"),
        ('[voipbin]\nurl = "voipbin.example"', "voipbin.url", "write wss://"),
        ('[voipbin]\nurl = "wss://user:hunter2@h"', "voipbin.url", "remove it"),
        ('[voipbin]\nurl = "wss://h?token=hunter2"', "voipbin.url", "remove all from ? or # on"),
        ('[voipbin]\nurl = "wss://h:99999"', "voipbin.url", "write one such as wss://"),
        ('[voipbin]\nurl = "wss://[h"', "voipbin.url", "write one such as wss://"),
        ('[voipbin]\nurl = "wss://"', "voipbin.url", "names no host"),
        ('[voipbin]\nurl = "wss://h ost"', "voipbin.url", "has a space"),
        ("[voipbin]\nurl = 5", "voipbin.url", "put it in quotes"),
        ('[voipbin]\nallow_insecure = "yes"', "voipbin.allow_insecure", "without quotes"),
        ('[voipbin]\nencapsulation = "mediasocket"', "voipbin.encapsulation", 'did you mean "audiosocket"?'),
        ('[voipbin]\nencapsulation = "RTP"', "voipbin.encapsulation", 'did you mean "rtp"?'),
        ("[voipbin]\nencapsulation = true", "voipbin.encapsulation", "write one of them, in quotes"),
        ('[voipbin]\ncodec = "PCMU"', "voipbin.codec", 'did you mean "ulaw"?'),
        ("[voipbin]\nconnect_rate = 0", "voipbin.connect_rate", "such as 15"),
        ("[voipbin]\nconnect_rate = nan", "voipbin.connect_rate", "such as 15"),
        ("[voipbin]\nconnect_rate = true", "voipbin.connect_rate", "is not a number"),
        ('[voipbin]\nauth = "cookie"', "voipbin.auth", "header, query"),
        ('[voipbin]\nca_file = "watchlist.toml"', "voipbin.ca_file", "no certificate in PEM form"),
        ('[voipbin]\nca_file = "."', "voipbin.ca_file", "a file this user may read"),
        ('[voipbin]\ntoken = "hunter2"', "voipbin.token", "never in this file"),
        (
            '[voipbin]\nheaders = {Authorization = "hunter2"}',
            "voipbin.headers.Authorization",
            "never in this file",
        ),
        ('[voipbin]\nsegment = "5m"', "voipbin.segment", "it belongs in the table [recording]"),
        ('[recording]\nspool = "watchlist.toml"', "recording.spool", "is not a folder"),
        ('[recording]\nspool = "watchlist.toml/spool"', "recording.spool", "is not a folder"),
        ('[recording]\nspool = "a\\u0000b"', "recording.spool", "is not a path"),
        (f'[recording]\nspool = "{"a" * 300}/b"', "recording.spool", "name a folder"),
        ('[recording]\nspool = ""', "recording.spool", "is not a path"),
        ('[recording]\nrecorder = "rec_a"', "recording.recorder", "letters, digits, dots or hyphens"),
        ('[recording]\nshard = "5/4"', "recording.shard", "use 1/4 to 4/4"),
        ('[recording]\nshard = "2 of 4"', "recording.shard", 'such as "2/4"'),
        ("[recording]\nshard = 0.5", "recording.shard", "which of how many in quotes"),
        ('[voipbin]\nno_audio_after = "1s"', "voipbin.no_audio_after", "use 5s to 1h"),
        ('[voipbin]\nshard = "2/4"', "voipbin.shard", "it belongs in the table [recording]"),
        ('[recording]\nformat = "FLAC"', "recording.format", 'did you mean "flac"?'),
        ('[recording]\nformat = "mp3"', "recording.format", "is not one of wav, flac; write one of them"),
        ("[recording]\nformat = 16", "recording.format", "is not one of wav, flac; write one of them"),
        ('[recording]\nsegment = "7m"', "recording.segment", "use 5m, 10m or another that does"),
        ('[recording]\nsegment = "4s"', "recording.segment", "use 5s to 1d"),
        ('[recording]\nsegment = "0s"', "recording.segment", "use 5s to 1d"),
        ('[recording]\nsegment = "2d"', "recording.segment", "use 5s to 1d"),
        ('[recording]\nsegment = "7.5s"', "recording.segment", "is no whole number of seconds"),
        ('[recording]\ngap_limit = "2h"', "recording.gap_limit", "use 0s to 1h"),
        ('[recording]\nidle_after = "10ms"', "recording.idle_after", "use 1s to 1h"),
        ('[recording]\nwatchlist = "w"', "recording.watchlist", "above the first [table]"),
        ('[storage]\nurl = "s3://"', "storage.url", "expected s3://bucket/prefix"),
        ('[storage]\nendpoint_url = "s3.example"', "storage.endpoint_url", "expected https://"),
        ('[storage]\nregion = ""', "storage.region", "remove the key"),
        ('[storage]\nobject_lock = "complience"', "storage.object_lock", 'did you mean "compliance"?'),
        ("[storage]\nretain_days = 0", "storage.retain_days", "write a whole number from 1"),
        ('[storage]\nstorage_class = "DEEP_ARCHIVE"', "storage.storage_class", "lifecycle rule"),
        ('[storage]\nstorage_class = "cold storage"', "storage.storage_class", "such as STANDARD_IA"),
        ('[storage]\ntags = "a=b"', "storage.tags", "table"),
        ("[storage]\ntags = {a = 5}", "storage.tags.a", "put it in quotes"),
        ('[storage]\nencryption = "aes256"', "storage.encryption", "sse-s3, sse-kms"),
        ('[storage]\naccess_key_id = "hunter2"', "storage.access_key_id", "AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_mistake_has_its_line_its_key_and_what_to_do(
    tmp_path: Path, written: str, place: str, advice: str
) -> None:
    table, line = written.split("\n")
    key = line.split(" = ")[0]
    kept = re.sub(rf"(\[{table[1:-1]}\]\n)(?:{key} = .*\n)?", r"\1@@\n", CONFIG)
    path = write_configuration(tmp_path, kept.replace("@@", line))

    problems = [p for p in refusal(path).problems if p.key.startswith(place)]

    (problem,) = problems
    assert problem.key == place
    assert problem.file == str(path)
    assert path.read_text().splitlines()[(problem.line or 0) - 1] == line
    assert advice in problem.message
    assert "hunter2" not in str(problem)
    assert "\n" not in str(problem)


def test_all_that_is_missing_is_told_with_an_example(tmp_path: Path) -> None:
    error = refusal(write_configuration(tmp_path, ""))

    assert [(problem.line, problem.key) for problem in error.problems] == [
        (None, "watchlist"),
        (None, "voipbin.url"),
        (None, "recording.spool"),
        (None, "storage.url"),
    ]
    assert 'write for example url = "wss://' in error.problems[1].message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_spool_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    path = write_configuration(tmp_path)
    tmp_path.chmod(0o500)

    (problem,) = refusal(path).problems
    tmp_path.chmod(0o700)

    assert problem.key == "recording.spool"
    assert "cannot be written to by this user" in problem.message


def test_a_table_that_is_none_is_told(tmp_path: Path) -> None:
    error = refusal(
        write_configuration(tmp_path, "voipbin = 5\n" + CONFIG.replace("[voipbin]\nurl", "[x]\nurl"))
    )

    assert "recorder.toml:1: voipbin: 5 is not a table; write [voipbin] above its keys" in str(error)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a = 1\nb = nonsense\n", 2),
        (b"a = 1\na = 2\n", 2),
        (b"a = [\n1,\n", 2),
        (b"a = 1\nb = '\xff'\n", 2),
        (b"a = " + b"[" * 5000, None),
        (b"a = " + b"9" * 5000, None),
    ],
)
def test_what_is_not_toml_has_its_line(tmp_path: Path, content: bytes, line: int | None) -> None:
    path = tmp_path / "recorder.toml"
    path.write_bytes(content)

    (problem,) = refusal(path).problems

    assert problem.line == line
    assert problem.file == str(path)


def test_a_file_saved_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, "\ufeff" + CONFIG.replace("\n", "\r\n"))

    assert load_settings(path, ENVIRON).path == path


def test_missing_files_are_told(tmp_path: Path) -> None:
    assert "there is no such file" in str(refusal(tmp_path / "recorder.toml"))

    path = write_configuration(tmp_path)
    (tmp_path / "watchlist.toml").unlink()
    (problem,) = refusal(path).problems

    assert (problem.line, problem.key) == (1, "watchlist")
    assert "there is no file" in problem.message


def test_the_watch_list_is_checked_whatever_is_wrong_with_the_rest(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, 'watchlist = "watchlist.toml"', 'watch = "x"')

    assert f"{tmp_path}/watchlist.toml:1: watch: unknown key" in str(refusal(path))


# Secrets


@pytest.mark.parametrize("environ", [ENVIRON, {"VOIPBIN_ACCESSKEY": ACCESSKEY}])
def test_settings_never_show_the_secret(tmp_path: Path, environ: dict[str, str]) -> None:
    settings = load_settings(write_configuration(tmp_path), environ)

    assert settings.credential.secret in environ.values()
    for shown in (repr(settings), str(settings), f"{settings.credential}", repr(settings.credential)):
        assert settings.credential.secret not in shown


def test_a_secret_in_a_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    misplaced = CONFIG.replace(
        "[voipbin]", f'[voipbin]\ncodec = "{TOKEN[:40]}"\nauth = "{ACCESSKEY}"\ntoken = "x"'
    )
    path = write_configuration(tmp_path, misplaced, f'[[call]]\nid = "{ACCESSKEY}"')

    error = refusal(path, {"VOIPBIN_ACCESSKEY": ACCESSKEY})

    assert {problem.key for problem in error.problems} >= {"voipbin.codec", "voipbin.auth", "call[1].id"}
    assert ACCESSKEY not in "".join(traceback.format_exception(error))


# Whatever a file holds

LINES = st.sampled_from(
    [
        *CONFIG.splitlines(),
        *WRONG_CONFIG.splitlines(),
        *WATCHLIST.splitlines(),
        *WRONG_WATCHLIST.splitlines(),
        'voipbin.url = "wss://h"',
        "voipbin = {url = 'wss://h'}",
        "storage = [{}, 5]",
        "recording.spool = 1979-05-27T07:32:00Z",
        "[[voipbin]]",
        "[storage.token]",
        'a = """',
        '"""',
        "segment = inf",
        "conference = [1]",
        "call = {}",
        "'' = 1",
        ".".join("a" * 300) + " = 1",
        "{",
        "]",
    ]
)


def problems_of(path: Path) -> tuple[Problem, ...] | None:
    try:
        load_settings(path, ENVIRON)
    except ConfigurationError as error:
        return error.problems
    return None


def assert_loaded_or_refused(path: Path) -> None:
    problems = problems_of(path)

    assert problems != ()
    for problem in problems or ():
        assert problem.message
        assert str(problem).isprintable()
        assert problem.line is None or problem.line >= 1


@given(data=st.data())
def test_whatever_a_file_holds_it_is_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    text = st.one_of(st.lists(LINES, max_size=12).map("\n".join), st.text())
    assert_loaded_or_refused(write_configuration(folder, data.draw(text), data.draw(text)))


@given(st.binary())
def test_whatever_bytes_a_file_holds_it_is_loaded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    assert_loaded_or_refused(path)


@pytest.mark.parametrize("scheme", ["ws", "WS", "Ws"])
def test_an_insecure_address_needs_permission_however_it_is_written(tmp_path: Path, scheme: str) -> None:
    path = write_configuration(tmp_path, CONFIG.replace("wss://", f"{scheme}://"))

    (problem,) = refusal(path).problems

    assert problem.key == "voipbin.url"
    assert "allow_insecure" in problem.message


def test_what_is_asked_of_the_store_with_every_object(tmp_path: Path) -> None:
    asked = """
        object_lock = "governance"
        retain_days = 30
        storage_class = "STANDARD_IA"
        tags = {department = "legal", "cost centre" = "12"}
        encryption = "sse-kms"
        kms_key_id = "alias/recordings"
    """

    settings = load_settings(write_configuration(tmp_path, CONFIG + asked), {"VOIPBIN_TOKEN": TOKEN})

    assert settings.storage.keeping == Keeping(
        object_lock=LockMode.GOVERNANCE,
        retain_days=30,
        storage_class="STANDARD_IA",
        tags={"department": "legal", "cost centre": "12"},
        encryption=Encryption.SSE_KMS,
        kms_key_id="alias/recordings",
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('object_lock = "compliance"', "storage: object_lock and retain_days belong together"),
        ("retain_days = 30", "storage: object_lock and retain_days belong together"),
        ('kms_key_id = "k"', 'storage: kms_key_id is for encryption = "sse-kms"'),
    ],
)
def test_what_is_asked_of_the_store_must_fit_together(tmp_path: Path, written: str, said: str) -> None:
    error = refusal(write_configuration(tmp_path, CONFIG + written), {"VOIPBIN_TOKEN": TOKEN})

    assert said in str(error)


def test_a_folder_is_asked_for_nothing(tmp_path: Path) -> None:
    config = CONFIG.replace("s3://bucket/prefix", tmp_path.as_uri()) + 'tags = {a = "b"}'

    error = refusal(write_configuration(tmp_path, config), {"VOIPBIN_TOKEN": TOKEN})

    assert "storage.tags: a folder has no tags; remove that, or use s3://" in str(error)


def test_a_folder_can_hold_nothing(tmp_path: Path) -> None:
    held = WATCHLIST.replace('name = "board"', "legal_hold = true")
    config = CONFIG.replace("s3://bucket/prefix", tmp_path.as_uri())

    error = refusal(write_configuration(tmp_path, config, held), {"VOIPBIN_TOKEN": TOKEN})

    (problem,) = error.problems
    assert (problem.key, problem.line) == ("conference[1].legal_hold", 3)
    assert "a folder has no legal hold" in problem.message
    watches = load_settings(write_configuration(tmp_path, CONFIG, held), {"VOIPBIN_TOKEN": TOKEN}).watches
    assert [watch.legal_hold for watch in watches] == [True, False]

"""Where the daemon may be asked, and where it is found by who asks."""

from pathlib import Path

import pytest

from recorder.config import load_settings
from recorder.listening import Address, parse_address, status_socket
from recorder.problems import ConfigurationError
from tests.recorder.configurations import CONFIG, TOKEN, write_configuration


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", Address("127.0.0.1", 9464)),
        ("localhost:80", Address("127.0.0.1", 80)),
        ("[::1]:0", Address("::1", 0)),
    ],
)
def test_an_address_of_this_machine_is_taken(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.0.0.0:9464", "others could reach"),
        ("192.0.2.1:9464", "put a proxy in front of it"),
        ("example.net:9464", "names no address"),
        ("127.0.0.1", "is not an address with a port"),
        ("127.0.0.1:65536", "is not an address with a port"),
        ("", "is not an address with a port"),
    ],
)
def test_any_other_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_address(text)


def test_a_wrong_address_is_told_with_its_place(tmp_path: Path) -> None:
    config = CONFIG + '\n[metrics]\nlisten = "0.0.0.0:9464"\n\n[status]\nsokcet = "s"\n'

    with pytest.raises(ConfigurationError) as caught:
        load_settings(write_configuration(tmp_path, config), {"VOIPBIN_TOKEN": TOKEN})

    places = [(problem.key, problem.message) for problem in caught.value.problems]
    assert [key for key, _ in places] == ["metrics.listen", "status.sokcet"]
    assert 'did you mean "socket"?' in places[1][1]


def test_nothing_listens_for_http_unless_it_is_asked_for(tmp_path: Path) -> None:
    settings = load_settings(write_configuration(tmp_path), {"VOIPBIN_TOKEN": TOKEN})

    assert settings.metrics.listen is None
    assert settings.status.path(settings.recording.spool) == tmp_path / "spool" / ".status"


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (CONFIG, "spool/.status"),
        (CONFIG + '\n[status]\nsocket = "run/s"\n', "run/s"),
        ('[status]\nsocket = "/run/recorder/s"\n', "/run/recorder/s"),
    ],
)
def test_who_asks_finds_the_socket_without_a_credential(tmp_path: Path, config: str, path: str) -> None:
    (tmp_path / "recorder.toml").write_text(config)

    assert status_socket(tmp_path / "recorder.toml") == tmp_path / path


@pytest.mark.parametrize(
    "config", ["", "recording = 7", "[recording]\nspool = 7", "[status]\nsocket = 7", "= ="]
)
def test_who_asks_is_told_where_the_file_does_not_say_it(tmp_path: Path, config: str) -> None:
    (tmp_path / "recorder.toml").write_text(config)

    with pytest.raises(ConfigurationError):
        status_socket(tmp_path / "recorder.toml")

"""`[[hooks]]` in recorder.toml: what it may say, and what is said of mistakes."""

from pathlib import Path

import pytest

from recorder.config import ConfigurationError, Settings, load_settings
from recorder.hooks.event import Event
from tests.recorder.configurations import CONFIG, TOKEN, write_configuration

KEY = "the-key-of-the-board"
ENVIRON = {"VOIPBIN_TOKEN": TOKEN, "BOARD_KEY": KEY}
URL = "https://example.net/hooks/a-secret-path"


def load(folder: Path, *lines: str, environ: dict[str, str] = ENVIRON) -> Settings:
    text = "\n".join([CONFIG, "[[hooks]]", *lines])
    return load_settings(write_configuration(folder, text), environ)


def refusal(folder: Path, *lines: str, environ: dict[str, str] = ENVIRON) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, *lines, environ=environ)
    return "\n".join(map(str, caught.value.problems))


def test_a_post_and_a_program_can_be_told(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        f'url = "{URL}"',
        'key = "board-key"',
        'on = ["watch-blocked"]',
        "[[hooks]]",
        'command = ["/bin/true", "an argument"]',
        'timeout = "3s"',
    )

    post, program = settings.hooks
    assert post.on == [Event.WATCH_BLOCKED]
    assert settings.hook_keys == {"board-key": KEY}
    assert program.on == list(Event)
    assert program.command == ["/bin/true", "an argument"]
    assert (program.timeout, program.give_up_after) == (3.0, 900.0)
    assert (post.label, program.label) == ("example.net", "true")


def test_a_key_comes_from_the_credentials_of_the_service_first(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "board-key").write_text("of-the-service\n")

    settings = load(
        tmp_path,
        f'url = "{URL}"',
        'key = "board-key"',
        environ={**ENVIRON, "CREDENTIALS_DIRECTORY": str(credentials)},
    )

    assert settings.hook_keys == {"board-key": "of-the-service"}


def test_nothing_shows_a_key_or_the_url(tmp_path: Path) -> None:
    settings = load(tmp_path, f'url = "{URL}"', 'key = "board-key"')

    assert KEY not in repr(settings)
    assert {KEY, URL, TOKEN} == set(settings.secrets)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['command = ["/bin/true"]', 'on = ["segment-upload"]'], 'did you mean "segment-uploaded"?'),
        (['command = ["/bin/true"]', 'on = ["all"]'], "write some of"),
        (['command = ["/bin/true"]', f'url = "{URL}"'], "either a command or a url"),
        ([], "either a command or a url"),
        ([f'url = "{URL}"'], "is signed; write the name of a credential as key"),
        (['command = ["/bin/true"]', 'key = "board-key"'], "remove key"),
        (['command = ["no-such-program"]'], '"no-such-program" is no program'),
        (["command = []"], "is no program"),
        (['url = "example.net"', 'key = "board-key"'], "this is no URL"),
        (['url = "https://me:pass@example.net"', 'key = "board-key"'], "does not belong in a URL"),
        ([f'url = "{URL}"', 'key = "other-key"'], "give it as OTHER_KEY"),
        ([f'url = "{URL}"', 'key = "../key"'], "without a slash"),
        (['command = ["/bin/true"]', "timeout = 3"], "hooks[1].timeout"),
        (['command = ["/bin/true"]', 'colour = "red"'], "unknown key"),
        (['command = ["/bin/true"]', 'secret = "x"'], "a credential is never in this file"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, lines: list[str], said: str) -> None:
    message = refusal(tmp_path, *lines)

    assert said in message
    assert "recorder.toml:" in message
    assert "hooks" in message
    assert "pass@" not in message

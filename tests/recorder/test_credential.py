"""There is exactly one credential, it can be right, and it is shown to nobody."""

import traceback
from pathlib import Path

import pytest

from recorder.credential import Credential, CredentialKind, load_credential
from recorder.problems import ConfigurationError
from tests.recorder.configurations import ACCESSKEY, TOKEN, unreadable_credential


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_credential(environ)

    (problem,) = caught.value.problems
    for secret in (TOKEN, ACCESSKEY):
        assert secret not in "".join(traceback.format_exception(caught.value))
    return str(problem)


def directory(folder: Path, **files: str | bytes) -> dict[str, str]:
    for name, content in files.items():
        path = folder / f"voipbin-{name}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return {"CREDENTIALS_DIRECTORY": str(folder)}


@pytest.mark.parametrize(
    ("kind", "secret"), [(CredentialKind.TOKEN, TOKEN), (CredentialKind.ACCESSKEY, ACCESSKEY)]
)
def test_it_comes_from_the_environment_or_the_credentials_directory(
    tmp_path: Path, kind: CredentialKind, secret: str
) -> None:
    assert load_credential({f"VOIPBIN_{kind.upper()}": secret}) == Credential(kind, secret)
    assert load_credential(directory(tmp_path, **{kind: secret})) == Credential(kind, secret)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_the_newline_that_an_editor_adds_does_not_belong_to_it(tmp_path: Path, end: str) -> None:
    assert load_credential(directory(tmp_path, token=TOKEN + end)).secret == TOKEN
    assert load_credential({"VOIPBIN_TOKEN": TOKEN + end}).secret == TOKEN


def test_a_directory_with_other_credentials_leaves_it_to_the_environment(tmp_path: Path) -> None:
    environ = directory(tmp_path, other="x") | {"VOIPBIN_TOKEN": TOKEN}

    assert load_credential(environ).secret == TOKEN


def test_a_variable_set_to_nothing_is_no_second_credential(tmp_path: Path) -> None:
    nothing = {"VOIPBIN_TOKEN": "", "VOIPBIN_ACCESSKEY": ""}

    assert load_credential(nothing | {"VOIPBIN_ACCESSKEY": ACCESSKEY}).secret == ACCESSKEY
    assert load_credential(nothing | directory(tmp_path, token=TOKEN)).secret == TOKEN
    assert "VOIPBIN_TOKEN: is empty" in refusal(nothing)


def test_there_must_be_one(tmp_path: Path) -> None:
    assert "neither VOIPBIN_TOKEN nor VOIPBIN_ACCESSKEY is set" in refusal({})
    assert f"is in {tmp_path}" in refusal({"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_there_must_not_be_two(tmp_path: Path) -> None:
    both = refusal({"VOIPBIN_TOKEN": TOKEN, "VOIPBIN_ACCESSKEY": ACCESSKEY})
    places = refusal(directory(tmp_path, token=TOKEN) | {"VOIPBIN_TOKEN": TOKEN})

    assert "VOIPBIN_TOKEN and VOIPBIN_ACCESSKEY; keep one of them" in both
    assert f"{tmp_path}/voipbin-token and VOIPBIN_TOKEN; keep one of them" in places


@pytest.mark.parametrize(
    "secret", ["", "\n", f"{TOKEN} x", f"Bearer {TOKEN}", f" {TOKEN}", f"{TOKEN}\t", "tök"]
)
def test_it_must_be_bare(tmp_path: Path, secret: str) -> None:
    assert "and nothing else" in refusal({"VOIPBIN_TOKEN": secret})
    assert "and nothing else" in refusal(directory(tmp_path, token=secret))


def test_it_must_be_readable_text(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in refusal(unreadable_credential(tmp_path))
    assert "bytes that are not text" in refusal(directory(tmp_path, token=b"\xff"))


def test_a_key_in_the_place_of_a_token_is_refused_before_the_platform_does() -> None:
    assert "give it as VOIPBIN_ACCESSKEY" in refusal({"VOIPBIN_TOKEN": ACCESSKEY})
    assert "give it as VOIPBIN_TOKEN" in refusal({"VOIPBIN_ACCESSKEY": TOKEN})


def test_it_shows_its_kind_only() -> None:
    credential = Credential(CredentialKind.ACCESSKEY, ACCESSKEY)

    assert repr(credential) == str(credential) == f"{credential}" == "Credential(accesskey, ***)"

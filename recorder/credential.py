"""The credential for the platform: where it is found, and how it is kept out of every text.

It comes from systemd's credentials directory or from the environment, never from a file of ours.
Knows nothing of URLs, headers or logging.
"""

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from recorder.problems import ConfigurationError, KeyPath, Problem
from recorder.redaction import REDACTED
from recorder.toml_source import TomlSource, reason

ENVIRONMENT = "environment"
"""Stands for the file in a problem with a variable."""

_CREDENTIAL_WORDS = (
    "accesskey",
    "apikey",
    "authorization",
    "bearer",
    "credential",
    "jwt",
    "passphrase",
    "password",
    "secret",
    "token",
)
_ACCESSKEY_PREFIX = "vb_"
_DOTS_OF_A_JWT = 2
_JWT = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]*")


class CredentialKind(StrEnum):
    """The two things VoIPBIN lets a client in with."""

    TOKEN = "token"  # noqa: S105 - the word, not a secret
    """A JWT, as a login gives it."""
    ACCESSKEY = "accesskey"
    """`vb_` and 32 characters. The platform takes it from the query only."""


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """What the platform lets us in with. Never shows its secret unless asked for `secret`."""

    kind: CredentialKind
    secret: str

    def __repr__(self) -> str:
        return f"Credential({self.kind.value}, {REDACTED})"

    @property
    def looks_right(self) -> bool:
        """Whether it has the form of its kind. What has not may still be one, to an older platform."""
        if self.kind is CredentialKind.ACCESSKEY:
            return self.secret.startswith(_ACCESSKEY_PREFIX)
        return self.secret.count(".") == _DOTS_OF_A_JWT

    @property
    def ends_at(self) -> datetime | None:
        """When a JWT ends, in UTC; None where it does not say. To verify it is the platform's.

        VoIPBIN writes `expire`, as text; others write `exp`, in seconds.
        """
        part = self.secret.split(".")[1] if self.kind is CredentialKind.TOKEN and self.looks_right else ""
        try:
            claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            if "expire" in claims:
                ends = datetime.fromisoformat(claims["expire"])
                return ends.replace(tzinfo=UTC) if ends.tzinfo is None else ends.astimezone(UTC)
            return datetime.fromtimestamp(float(claims["exp"]), UTC)
        except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class _Source:
    """One place that holds a credential: a file, or else a variable with its value."""

    kind: CredentialKind
    path: Path | None = None
    variable: str = ""
    value: str = ""

    def __str__(self) -> str:
        return self.variable or str(self.path)

    def read(self) -> str:
        return self.value if self.path is None else self.path.read_bytes().decode()

    def problem(self, message: str) -> Problem:
        return Problem(str(self.path or ENVIRONMENT), None, self.variable, message)


def load_credential(environ: Mapping[str, str]) -> Credential:
    """Find the one credential there is.

    Looked for as `$CREDENTIALS_DIRECTORY/voipbin-token` and `voipbin-accesskey`, and as `VOIPBIN_TOKEN` and
    `VOIPBIN_ACCESSKEY`. A variable that is set to nothing counts only where there is nothing else.

    Raises:
        ConfigurationError: there is none, more than one, or the one cannot be read or cannot be right.
    """
    found = list(_sources(environ))
    if len(found) > 1:
        found = [source for source in found if source.path or source.value] or found[:1]
    match found:
        case []:
            raise ConfigurationError([_none_found(environ)])
        case [source]:
            return Credential(source.kind, _checked(source))
        case _:
            places = " and ".join(map(str, found))
            message = f"there is more than one credential for the platform: {places}; keep one of them"
            raise ConfigurationError([found[-1].problem(message)])


def credentials_in_file(source: TomlSource) -> dict[KeyPath, Problem]:
    """The keys of a file whose names say that they hold a credential, each with the problem that it is."""
    return {
        path: source.problem(path, _never_in_file(path))
        for path in source.paths()
        if isinstance(path[-1], str) and _names_credential(path[-1])
    }


def _names_credential(key: str) -> bool:
    letters = "".join(filter(str.isalnum, key.lower()))
    return any(word in letters for word in _CREDENTIAL_WORDS)


def _never_in_file(path: KeyPath) -> str:
    if path[0] == "storage":
        place = "boto3 finds it in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or in ~/.aws"
    else:
        place = "give it as VOIPBIN_TOKEN or VOIPBIN_ACCESSKEY, or as a systemd credential of the service"
    return f"a credential is never in this file; remove it: {place}"


def _sources(environ: Mapping[str, str]) -> Iterator[_Source]:
    if directory := environ.get("CREDENTIALS_DIRECTORY"):
        for kind in CredentialKind:
            path = Path(directory, f"voipbin-{kind}")
            if _is_there(path):
                yield _Source(kind, path=path)
    for kind in CredentialKind:
        name = f"VOIPBIN_{kind.upper()}"
        if name in environ:
            yield _Source(kind, variable=name, value=environ[name])


def _is_there(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # reading it will say why it cannot be
    return True


def _none_found(environ: Mapping[str, str]) -> Problem:
    directory = environ.get("CREDENTIALS_DIRECTORY")
    looked = f" and neither voipbin-token nor voipbin-accesskey is in {directory}" if directory else ""
    return Problem(
        ENVIRONMENT,
        None,
        "VOIPBIN_TOKEN",
        f"no credential for the platform: neither VOIPBIN_TOKEN nor VOIPBIN_ACCESSKEY is set{looked};"
        " give one of them (systemd: LoadCredential=voipbin-token:/path/of/the/file)",
    )


def _checked(source: _Source) -> str:
    try:
        secret = source.read().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError(
            [source.problem("has bytes that are not text; put the bare credential there")]
        ) from None
    except OSError as error:
        message = f"the credential cannot be read: {reason(error)}; it must be a file this user may read"
        raise ConfigurationError([source.problem(message)]) from None
    objection = _objection(source.kind, secret)
    if objection is not None:
        raise ConfigurationError([source.problem(objection)])
    return secret


def _objection(kind: CredentialKind, secret: str) -> str | None:
    """What cannot be right about a secret, said without showing it."""
    if not secret:
        return f"is empty; put the {kind} there, and nothing else"
    if not all("!" <= character <= "~" for character in secret):
        return (
            f"has a space or a character beyond printable ASCII; put the bare {kind} there, and nothing else"
        )
    if kind is CredentialKind.TOKEN and secret.startswith(_ACCESSKEY_PREFIX):
        return (
            'this is an access key (it begins with "vb_"), and the platform answers 401 to one given as'
            " a token; give it as VOIPBIN_ACCESSKEY (systemd: LoadCredential=voipbin-accesskey:...)"
        )
    if kind is CredentialKind.ACCESSKEY and _JWT.fullmatch(secret):
        return (
            "this is a JWT, and the platform answers 401 to one that is given as an access key; give it as"
            " VOIPBIN_TOKEN (systemd: LoadCredential=voipbin-token:...)"
        )
    return None

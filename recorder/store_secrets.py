"""The secrets of the store, so that no text of ours holds one.

boto3 finds them by itself, where it looks first. Knows no store.
"""

import configparser
from collections.abc import Iterator, Mapping
from pathlib import Path

_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_FILES = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}


def store_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Secret keys and session tokens of the environment and of the files it names."""
    return tuple(dict.fromkeys(secret for secret in _secrets(environ) if secret))


def _secrets(environ: Mapping[str, str]) -> Iterator[str]:
    for name in _VARIABLES:
        yield environ.get(name, "")
    for variable, usual in _FILES.items():
        file = configparser.RawConfigParser(strict=False)
        try:
            file.read(Path(environ.get(variable, usual)).expanduser())
        except (configparser.Error, OSError, UnicodeDecodeError, RuntimeError):
            continue  # boto3 will say what is wrong with it
        for section in file.sections():
            for name in _VARIABLES:
                yield file.get(section, name.lower(), fallback="").strip()

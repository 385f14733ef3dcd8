"""How credentials are kept out of every text that leaves the process: logs, tracebacks, messages.

Pure: knows neither where a credential comes from nor where a text goes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

REDACTED = "***"


class Redaction:
    """Takes credentials out of text: the secrets it is told, and whatever stands where one is expected.

    Expected are `token=...` and `accesskey=...` of a URL and `Authorization: Bearer ...` of a header, also in
    the way Python writes them in a mapping or a list.
    """

    _PLACES = re.compile(
        r"""
        ( \b (?: token | accesskey ) ["']? \s* = \s* ["']? ) [^\s&"'<>)\]};,]+
        |
        ( \b authorization ["']? \s* [:=,] \s* (?: b?["'] )?  # as a header, a mapping or a pair
          (?: (?: bearer | basic | token ) \s+ )? ) [^\s"',)\]}]+
        |
        ( \b bearer \s+ ) [\w.~+/=-]{16,}
        """,
        re.VERBOSE | re.IGNORECASE,
    )
    _KEYS = frozenset({"accesskey", "authorization", "cookie", "password", "secret", "token"})

    def __init__(self, *secrets: str) -> None:
        forms = {form for secret in secrets if secret for form in _written_forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)", re.IGNORECASE)

    def text(self, text: str) -> str:
        """The same text without credentials."""
        text = self._secrets.sub(REDACTED, text)
        return self._PLACES.sub(lambda match: f"{match[1] or match[2] or match[3]}{REDACTED}", text)

    def value(self, value: object, *, depth: int = 6) -> object:
        """The same value without credentials, containers included, `depth` levels down.

        What is neither text, number nor container is replaced by its redacted `repr` only when that shows a
        credential.
        """
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                redacted = self.text(value)
                return value if redacted == value else redacted
            case Mapping() if depth:
                return {self._key(k): self._of_key(k, v, depth - 1) for k, v in value.items()}
            case list() | tuple() | set() | frozenset() if depth:
                return [self.value(item, depth=depth - 1) for item in value]
            case _:
                written = repr(value)
                redacted = self.text(written)
                return value if redacted == written else redacted

    def _key(self, key: object) -> object:
        """A key that JSON can write."""
        return key if isinstance(key, bool | int | float | None) else self.text(str(key))

    def _of_key(self, key: object, value: object, depth: int) -> object:
        if isinstance(key, str) and key.lower() in self._KEYS:
            return REDACTED
        return self.value(value, depth=depth)


def _written_forms(secret: str) -> Iterator[str]:
    """The secret as it is, and as URLs, Python and JSON write it."""
    yield secret
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]

"""From a URL to a store: which schemes there are, and what each URL must look like."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from storage.directory import DirectoryStore
from storage.keeping import Keeping
from storage.store import ObjectStore

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")
"""Wider than Amazon's rule, which forbids capitals and underscores; other stores have older buckets."""

EXPECTED = "expected s3://bucket/prefix or file:///folder"


@dataclass(frozen=True, slots=True)
class _Place:
    """A store's URL, taken apart. `path` is decoded and begins with a slash, if there is any."""

    host: str
    path: str


class _Backend(NamedTuple):
    """What a scheme stands for: whether a URL is well formed, how to open it, and if it knows `keeping`."""

    check: Callable[[str, _Place], None]
    open: Callable[[_Place, str | None, str | None, Keeping], ObjectStore]
    keeps: bool


def open_store(
    url: str, *, endpoint_url: str | None = None, region: str | None = None, keeping: Keeping | None = None
) -> ObjectStore:
    """Open the store at `url`. Nothing is asked of it yet: a missing bucket shows at the first call.

    Args:
        url: `s3://bucket/prefix` or `file:///folder`.
        endpoint_url: of an S3-compatible store; None for Amazon's.
        region: of the bucket; None leaves it to boto3's own chain.
        keeping: what is asked of the store with every object.

    Raises:
        ValueError: a URL is malformed, with what was expected; or a folder is asked for what it has not.
        StoreRejected: boto3's own configuration is.
    """
    scheme, place = _split(url)
    if endpoint_url is not None:
        check_endpoint_url(endpoint_url)
    keeping = keeping or Keeping()
    check_keeping(url, keeping.asked)
    return _BACKENDS[scheme].open(place, endpoint_url, region, keeping)


def can_hold(url: str) -> bool:
    """Whether stores of this kind know legal hold. Whether this one does, only it can tell.

    Raises:
        ValueError: it is no store.
    """
    return _BACKENDS[_split(url)[0]].keeps


def check_keeping(url: str, asked: Collection[str]) -> None:
    """See that a store at `url` can be asked for that (keys of `[storage]`).

    Raises:
        ValueError: it cannot, with what to do.
    """
    if asked and not can_hold(url):
        raise ValueError(f"a folder has no {', '.join(asked)}; remove that, or use s3://")


def check_store_url(url: str) -> str:
    """Return `url` if `open_store` takes it; opens nothing.

    Raises:
        ValueError: with what was expected.
    """
    _split(url)
    return url


def check_endpoint_url(url: str) -> str:
    """Return `url` if it can be the endpoint of an S3-compatible store; connects nowhere.

    Raises:
        ValueError: with what was expected. Does not quote credentials in the URL.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"the endpoint is no URL: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "credentials do not belong in the endpoint: boto3 reads them from the environment or ~/.aws"
        )
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no endpoint: expected https://host or https://host:port")
    return url


def _split(url: str) -> tuple[str, _Place]:
    try:
        parts = urlsplit(url)
        has_credentials = parts.username is not None or parts.password is not None
    except ValueError as error:
        raise ValueError(f"the store is no URL ({error}): {EXPECTED}") from None
    if has_credentials:
        raise ValueError(f"credentials do not belong in the URL of a store: {EXPECTED}")
    if parts.query or parts.fragment or parts.scheme not in _BACKENDS:
        raise ValueError(f"{url!r} is no store: {EXPECTED}")
    path = unquote(parts.path)
    place = _Place(parts.netloc, path.rstrip("/") or path[:1])
    _BACKENDS[parts.scheme].check(url, place)
    return parts.scheme, place


def _check_s3(url: str, place: _Place) -> None:
    if not _BUCKET.fullmatch(place.host):
        raise ValueError(f"{url!r} names no bucket: expected s3://bucket/prefix")
    prefix = place.path[1:]
    if prefix and any(not part or part.startswith(".") for part in prefix.split("/")):
        raise ValueError(f"{url!r}: a part of the prefix is empty or begins with a dot")


def _check_file(url: str, place: _Place) -> None:
    if place.host not in {"", "localhost"} or not place.path.startswith("/"):
        raise ValueError(f"{url!r} names no folder: expected file:///folder, with three slashes")


def _open_s3(place: _Place, endpoint_url: str | None, region: str | None, keeping: Keeping) -> ObjectStore:
    # A third of a second of CPU for boto3, which a check of the URL, `--help` and a folder can do without.
    from storage.s3 import S3Store  # noqa: PLC0415

    return S3Store(place.host, place.path[1:], endpoint_url=endpoint_url, region=region, keeping=keeping)


def _open_file(
    place: _Place, _endpoint_url: str | None, _region: str | None, _keeping: Keeping
) -> ObjectStore:
    return DirectoryStore(Path(place.path))


_BACKENDS = {
    "file": _Backend(_check_file, _open_file, keeps=False),
    "s3": _Backend(_check_s3, _open_s3, keeps=True),
}

"""Where the recordings are, as an operator says it: by options, a configuration file or the environment."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from storage.backends import open_store
from storage.keeping import Keeping
from storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Place:
    """A store and how to reach it, as far as it has been said. Credentials are found by boto3's own chain."""

    store: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    keeping: Keeping = field(default_factory=Keeping)

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """What the table `[storage]` of a `recorder.toml` says; the rest of the file is not looked at.

        Raises:
            ValueError: the file cannot be read, or says no store.
        """
        try:
            table = tomllib.loads(path.read_text()).get("storage")
        except (OSError, ValueError) as error:  # of TOML and of UTF-8 too
            raise ValueError(f"{path} cannot be read: {error}") from None
        if not isinstance(table, dict) or not isinstance(table.get("url"), str):
            raise ValueError(f"{path} has no table [storage] with a url")  # noqa: TRY004  the file is wrong
        url, endpoint_url, region = (table.get(key) for key in ("url", "endpoint_url", "region"))
        if not all(value is None or isinstance(value, str) for value in (url, endpoint_url, region)):
            raise ValueError(f"{path}: url, endpoint_url and region of [storage] are strings")
        try:
            return cls(url, endpoint_url, region, Keeping.of_table(table))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Self:
        """What `RECORDINGS_STORE` and `RECORDINGS_ENDPOINT_URL` say."""
        return cls(environ.get("RECORDINGS_STORE"), environ.get("RECORDINGS_ENDPOINT_URL"))

    def over(self, other: "Place") -> "Place":
        """This, completed by `other`."""
        return Place(
            self.store or other.store,
            self.endpoint_url or other.endpoint_url,
            self.region or other.region,
            # What a file says of its own store is not meant for another.
            self.keeping if self.store or self.keeping.asked else other.keeping,
        )

    def open(self) -> ObjectStore:
        """The store.

        Raises:
            ValueError: none has been said, or it is no store.
        """
        if self.store is None:
            raise ValueError("which store? Give --store URL or --config FILE, or set RECORDINGS_STORE")
        return open_store(
            self.store, endpoint_url=self.endpoint_url, region=self.region, keeping=self.keeping
        )

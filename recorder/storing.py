"""The table `[storage]` of `recorder.toml`: where finished segments go, and how they are to be kept there."""

from dataclasses import fields
from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from recorder.problems import shown
from recorder.table import Table
from recorder.values import choice
from storage.backends import check_endpoint_url, check_keeping, check_store_url, open_store
from storage.keeping import Encryption, Keeping, LockMode, check_retain_days, check_storage_class, check_tags
from storage.store import ObjectStore


def _plain_word(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{shown(text)} is not a name; write one in printable characters, or remove the key")
    return text


class StorageSettings(Table):
    """Where finished segments go. Credentials are found by boto3 itself.

    Attributes:
        url: `s3://bucket/prefix` or `file:///folder`.
        endpoint_url: of an S3-compatible server that is not Amazon's.
        region: of the bucket.

    What follows is asked of the store with every object: see `storage.keeping`.
    """

    url: Annotated[str, AfterValidator(check_store_url)] = Field(examples=["s3://bucket/prefix"])
    endpoint_url: Annotated[str, AfterValidator(check_endpoint_url)] | None = None
    region: Annotated[str, AfterValidator(_plain_word)] | None = None
    retain_days: Annotated[int, AfterValidator(check_retain_days)] | None = None
    object_lock: Annotated[LockMode, choice(LockMode)] | None = None
    storage_class: Annotated[str, AfterValidator(check_storage_class)] | None = None
    tags: Annotated[dict[str, str], AfterValidator(check_tags)] = Field(default_factory=dict)
    encryption: Annotated[Encryption, choice(Encryption)] | None = None
    kms_key_id: Annotated[str, AfterValidator(_plain_word)] | None = None

    @property
    def keeping(self) -> Keeping:
        """What is asked of the store with every object."""
        return Keeping(**{key.name: getattr(self, key.name) for key in fields(Keeping)})

    def open(self) -> ObjectStore:
        """The store. Nothing is asked of it yet: see `storage.backends.open_store`."""
        return open_store(self.url, endpoint_url=self.endpoint_url, region=self.region, keeping=self.keeping)

    @model_validator(mode="after")
    def _fits_together(self) -> "StorageSettings":
        _ = self.keeping
        return self

    @field_validator(*(key.name for key in fields(Keeping)))
    @classmethod
    def _is_to_be_had(cls, value: object, info: ValidationInfo) -> object:
        """Only where the URL is right: else nothing is known of the store."""
        if value and "url" in info.data:
            check_keeping(info.data["url"], (str(info.field_name),))
        return value

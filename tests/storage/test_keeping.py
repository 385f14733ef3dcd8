"""Locks, holds, classes, tags and encryption: what a real store does with them, and what is said if not."""

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import botocore.exceptions
import pytest

from recorder.simulator.seaweedfs import SeaweedFS
from storage.backends import open_store
from storage.errors import NotOffered, ObjectConflict, StoreError, StoreRejected
from storage.keeping import Encryption, Keeping, LockMode
from storage.lookup import forget, registered
from storage.place import Place
from storage.register import Entry, format_entry
from storage.s3 import S3Store
from tests.storage.dialects import Dialect, speaking
from tests.storage.segments import BOARD, manifest, speech, store_segment

LOCKED = "locked"

GOVERNANCE = Keeping(object_lock=LockMode.GOVERNANCE, retain_days=2)


def client(server: SeaweedFS) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )


@pytest.fixture(scope="module")
def locking(seaweedfs: SeaweedFS) -> Iterator[Any]:
    """A client of a store with a bucket that has Object Lock, beside the usual one."""
    s3 = client(seaweedfs)
    with closing(s3):
        try:
            s3.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "BucketAlreadyOwnedByYou"  # noqa: PT017 -- or it is ours
        yield s3


@contextmanager
def opened(server: SeaweedFS, bucket: str, keeping: Keeping, prefix: str | None = None) -> Iterator[S3Store]:
    store = S3Store(
        bucket,
        prefix or f"keeping/{uuid4()}",
        endpoint_url=server.endpoint_url,
        region="us-east-1",
        access_key=server.access_key,
        secret_key=server.secret_key,
        keeping=keeping,
    )
    with closing(store):
        yield store


def put(store: S3Store, key: str, content: bytes = b"content") -> None:
    store.put(key, content, sha256=hashlib.sha256(content).hexdigest(), content_type="text/plain")


def place(store: S3Store, key: str) -> dict[str, str]:
    bucket, _, prefix = store.url.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": f"{prefix}/{key}"}


@pytest.mark.parametrize("mode", LockMode)
def test_a_locked_object_is_locked_for_as_long_as_was_said(
    seaweedfs: SeaweedFS, locking: Any, mode: LockMode
) -> None:
    keeping = Keeping(object_lock=mode, retain_days=2)
    with opened(seaweedfs, LOCKED, keeping) as store:
        put(store, "a.wav")

        found = locking.get_object_retention(**place(store, "a.wav"))["Retention"]
        version = locking.head_object(**place(store, "a.wav"))["VersionId"]

    assert found["Mode"] == mode.upper()
    assert timedelta(days=1, hours=23) < found["RetainUntilDate"] - datetime.now(UTC) < timedelta(days=2)
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        locking.delete_object(**place(store, "a.wav"), VersionId=version)


def test_putting_the_same_again_is_no_error_under_a_lock(seaweedfs: SeaweedFS, locking: Any) -> None:
    with opened(seaweedfs, LOCKED, GOVERNANCE) as store:
        put(store, "a.wav")
        put(store, "a.wav")

        versions = locking.list_object_versions(Bucket=LOCKED, Prefix=place(store, "a.wav")["Key"])

    assert len(versions["Versions"]) <= 2  # the first put asks whether the store refuses to overwrite


def test_what_was_there_before_the_lock_was_asked_for_is_locked(seaweedfs: SeaweedFS, locking: Any) -> None:
    prefix = f"keeping/{uuid4()}"
    with opened(seaweedfs, LOCKED, Keeping(), prefix) as store:
        put(store, "a.wav")
    with opened(seaweedfs, LOCKED, GOVERNANCE, prefix) as store:
        put(store, "a.wav")

        assert locking.get_object_retention(**place(store, "a.wav"))["Retention"]["Mode"] == "GOVERNANCE"


@pytest.mark.usefixtures("locking")
def test_a_register_of_names_can_be_locked_and_is_found_and_hidden(seaweedfs: SeaweedFS) -> None:
    keeping = Keeping(object_lock=LockMode.GOVERNANCE, retain_days=2, tags={"department": "legal"})
    with opened(seaweedfs, LOCKED, keeping) as store:
        segment = store_segment(store, speech(8), manifest(speech(8), name="Board"))
        put(store, Entry("board", BOARD).key, format_entry(segment.key))
        with pytest.raises(ObjectConflict):
            put(store, Entry("board", BOARD).key, format_entry("of the life after"))

        assert [named.watch for named in registered(store, "board")] == [BOARD]
        forget(store, BOARD)
        assert registered(store, "board") == ()


def test_a_bucket_without_object_lock_is_refused_before_anything_is_stored(seaweedfs: SeaweedFS) -> None:
    with opened(seaweedfs, seaweedfs.bucket, GOVERNANCE) as store:
        with pytest.raises(StoreRejected, match="the bucket has no Object Lock: create one that has"):
            put(store, "a.wav")

        assert list(store.list()) == []


def test_a_hold_holds_until_it_is_lifted(seaweedfs: SeaweedFS, locking: Any) -> None:
    with opened(seaweedfs, LOCKED, Keeping()) as store:
        put(store, "a.wav")
        store.hold("a.wav")
        store.hold("a.wav")
        where, version = place(store, "a.wav"), locking.head_object(**place(store, "a.wav"))["VersionId"]

        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            locking.delete_object(**where, VersionId=version)

        locking.put_object_legal_hold(**where, LegalHold={"Status": "OFF"})
        locking.delete_object(**where, VersionId=version)


def test_where_there_is_no_object_lock_there_is_no_hold(seaweedfs: SeaweedFS) -> None:
    with opened(seaweedfs, seaweedfs.bucket, Keeping()) as store:
        put(store, "a.wav")

        with pytest.raises(StoreRejected, match="the bucket has no Object Lock"):
            store.hold("a.wav")


def test_class_tags_and_encryption_are_those_asked_for(seaweedfs: SeaweedFS, locking: Any) -> None:
    keeping = Keeping(
        storage_class="STANDARD_IA", tags={"cost centre": "a&b=c", "ä": ""}, encryption=Encryption.SSE_S3
    )
    with opened(seaweedfs, seaweedfs.bucket, keeping) as store:
        put(store, "a.wav")

        found = locking.head_object(**place(store, "a.wav"))
        tags = locking.get_object_tagging(**place(store, "a.wav"))["TagSet"]
        with store.open("a.wav") as stream:
            assert stream.read() == b"content"

    assert (found["StorageClass"], found["ServerSideEncryption"]) == ("STANDARD_IA", "AES256")
    assert {tag["Key"]: tag["Value"] for tag in tags} == keeping.tags


def test_a_class_that_the_store_has_not_is_named(seaweedfs: SeaweedFS) -> None:
    with (
        opened(seaweedfs, seaweedfs.bucket, Keeping(storage_class="NO_SUCH")) as store,
        pytest.raises(StoreRejected, match="no such class: correct `storage_class`"),
    ):
        put(store, "a.wav")


def test_a_key_service_that_the_store_has_not_is_hinted_at(seaweedfs: SeaweedFS) -> None:
    """This one answers 500 and says no more."""
    keeping = Keeping(encryption=Encryption.SSE_KMS, kms_key_id="alias/recordings")
    with (
        opened(seaweedfs, seaweedfs.bucket, keeping) as store,
        pytest.raises(StoreError, match=r"\[storage\] asks for encryption, kms_key_id: see that the store"),
    ):
        put(store, "a.wav")


@pytest.mark.parametrize(
    "keeping",
    [Keeping(storage_class="STANDARD_IA"), Keeping(encryption=Encryption.SSE_S3)],
    ids=lambda keeping: keeping.asked[0],
)
def test_a_store_that_ignores_what_is_asked_is_found_out(keeping: Keeping) -> None:
    with speaking(Dialect.PLAIN) as server:
        store = S3Store(
            "recordings", endpoint_url=server.url, region="x", access_key="k", secret_key="s", keeping=keeping
        )
        with closing(store), pytest.raises(StoreRejected, match=f"is stored, and without {keeping.asked[0]}"):
            put(store, "a.wav")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"object_lock": LockMode.COMPLIANCE}, "belong together"),
        ({"object_lock": LockMode.COMPLIANCE, "retain_days": 0}, "whole number from 1"),
        ({"storage_class": "GLACIER"}, "lifecycle rule"),
        ({"tags": dict.fromkeys("abcdefghijk", "")}, "an object can have 10"),
        ({"tags": {"a" * 129: ""}}, "too long"),
        ({"tags": {"": "a"}}, "too long"),
        ({"kms_key_id": "a"}, 'encryption = "sse-kms"'),
    ],
)
def test_what_no_store_takes_is_refused_at_once(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Keeping(**values)


def test_a_folder_says_what_it_cannot_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("store").as_uri()

    with pytest.raises(
        ValueError, match=r"a folder has no object_lock, retain_days; remove that, or use s3://"
    ):
        open_store(folder, keeping=GOVERNANCE)
    with pytest.raises(NotOffered, match="a folder has no legal hold"):
        open_store(folder).hold("a.wav")


def test_what_recordings_writes_is_kept_as_what_the_daemon_writes(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    config = tmp_path_factory.mktemp("config") / "recorder.toml"
    config.write_text(
        '[storage]\nurl = "s3://b"\ntags = {a = "b"}\nobject_lock = "governance"\nretain_days = 2\n'
    )

    place = Place().over(Place.of_file(config))

    assert place.keeping == Keeping(tags={"a": "b"}, object_lock=LockMode.GOVERNANCE, retain_days=2)
    assert Place("file:///elsewhere").over(place).keeping == Keeping()

    config.write_text('[storage]\nurl = "s3://b"\nretain_days = "2"\n')
    with pytest.raises(ValueError, match="retain_days"):
        Place.of_file(config)

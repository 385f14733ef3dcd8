"""What is asked of an S3 store with every object, and whether it has done it. Makes no client.

Stores that do not know a header mostly ignore it, and some repeat it as if they did: rclone shows a lock that
it does not keep. So a lock is believed only where the bucket says that it has Object Lock, and everything
else where the object says so afterwards.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from storage.errors import StoreRejected
from storage.keeping import Encryption, Keeping

_ENCRYPTIONS: Final = {Encryption.SSE_S3: "AES256", Encryption.SSE_KMS: "aws:kms"}
_USUAL_CLASS: Final = "STANDARD"
"""Of which stores say nothing."""

_Errors = Callable[[str], AbstractContextManager[None]]
"""A context for a call to the store, by what it does, in which its errors become ours."""


class S3Keeping:
    """`keeping` for the objects of one bucket."""

    def __init__(self, client: Any, bucket: str, keeping: Keeping) -> None:
        self._client = client
        self._bucket = bucket
        self._keeping = keeping
        self._locks = False

    @property
    def note(self) -> str:
        """What to add to a refusal that may be due to what is asked."""
        asked = ", ".join(self._keeping.asked)
        return f"; [storage] asks for {asked}: see that the store and the bucket have it" if asked else ""

    def arguments(self) -> dict[str, Any]:
        """What to say with a put."""
        keeping = self._keeping
        said: dict[str, Any] = {}
        if keeping.object_lock and keeping.retain_days:
            said |= {
                "ObjectLockMode": keeping.object_lock.upper(),
                "ObjectLockRetainUntilDate": self._until(keeping.retain_days),
            }
        if keeping.storage_class:
            said["StorageClass"] = keeping.storage_class
        if keeping.tags:
            said["Tagging"] = urlencode(dict(keeping.tags))
        if keeping.encryption:
            said["ServerSideEncryption"] = _ENCRYPTIONS[keeping.encryption]
        if keeping.kms_key_id:
            said["SSEKMSKeyId"] = keeping.kms_key_id
        return said

    def check_before(self, errors: _Errors) -> None:
        """See that the bucket has Object Lock, if objects are to be locked.

        Raises:
            StoreRejected: it has not.
        """
        if self._keeping.object_lock:
            self.check_bucket(errors)

    def check_bucket(self, errors: _Errors) -> None:
        """See that the bucket has Object Lock.

        Raises:
            StoreRejected: it has not.
        """
        if self._locks:
            return
        with errors("look up the Object Lock of"):
            answer = self._client.get_object_lock_configuration(Bucket=self._bucket)
        if answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            raise StoreRejected(
                f"s3://{self._bucket} has no Object Lock: create a bucket that has, in a store that has it,"
                " or remove object_lock and legal_hold"
            )
        self._locks = True

    def check_after(self, place: dict[str, str], errors: _Errors) -> None:
        """See that an object is kept as asked for; lock it, if it was there before that was asked for.

        Raises:
            StoreRejected: it is not.
        """
        if not self._keeping.asked:
            return
        ignored = self._ignored(place, errors)
        if "object_lock" in ignored and self._keeping.object_lock and self._keeping.retain_days:
            retention = {
                "Mode": self._keeping.object_lock.upper(),
                "RetainUntilDate": self._until(self._keeping.retain_days),
            }
            with errors("lock"):
                self._client.put_object_retention(**place, Retention=retention)
            ignored = self._ignored(place, errors)
        if ignored:
            raise StoreRejected(
                f"s3://{self._bucket}/{place['Key']} is stored, and without {', '.join(ignored)}: the store"
                " does not have it, these credentials may not see it, or the object was there before: remove"
                " it from [storage], or choose another store or bucket"
            )

    def hold(self, place: dict[str, str], errors: _Errors) -> None:
        """Put an object on legal hold.

        Raises:
            StoreRejected: the bucket has no Object Lock, or it is not held afterwards.
        """
        self.check_bucket(errors)
        with errors("hold"):
            self._client.put_object_legal_hold(**place, LegalHold={"Status": "ON"})
            status = self._client.get_object_legal_hold(**place)["LegalHold"].get("Status")
        if status != "ON":
            raise StoreRejected(f"s3://{self._bucket}/{place['Key']} was put on legal hold, and is not held")

    def _ignored(self, place: dict[str, str], errors: _Errors) -> list[str]:
        """The keys that were asked for and that the object does not show."""
        keeping = self._keeping
        with errors("head"):
            found = self._client.head_object(**place)
        shown = {
            "object_lock": _is_locked(found, keeping),
            "storage_class": found.get("StorageClass", _USUAL_CLASS) == keeping.storage_class,
            "tags": bool(keeping.tags) and self._tags(place, errors) == dict(keeping.tags),
            "encryption": keeping.encryption is not None
            and found.get("ServerSideEncryption") == _ENCRYPTIONS[keeping.encryption],
            # A store gives the key's full name back for the short one that it was told.
            "kms_key_id": str(found.get("SSEKMSKeyId", "")).endswith(keeping.kms_key_id or ""),
        }
        return [key for key in keeping.asked if not shown.get(key, True)]

    def _tags(self, place: dict[str, str], errors: _Errors) -> dict[str, str]:
        with errors("get the tags of"):
            answer = self._client.get_object_tagging(**place)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def _until(self, days: int) -> datetime:
        return datetime.now(UTC) + timedelta(days=days)


def _is_locked(found: dict[str, Any], keeping: Keeping) -> bool:
    """Whether an object is locked in the mode asked for, or a stricter one, and for some time to come."""
    mode, until = found.get("ObjectLockMode"), found.get("ObjectLockRetainUntilDate")
    allowed = {"COMPLIANCE", (keeping.object_lock or "").upper()}
    return mode in allowed and until is not None and until > datetime.now(UTC)

"""A bucket of any S3-compatible store, over boto3. Nothing else imports boto3.

"S3-compatible" is a family of dialects. What is asked for here is what works on all that were tried: one
`put_object` per object with explicit checksums, no multipart, no trailers, no bulk deletion. Knows no audio
and no manifest. `s3errors` has the table of what can go wrong.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import boto3
import botocore.session
from botocore.config import Config

from storage import deadline
from storage.errors import ObjectConflict, ObjectNotFound, StoreRejected, StoreUnavailable
from storage.keeping import Keeping
from storage.s3errors import RangeUnsatisfiable, TakenAlready, UnknownCondition, translated
from storage.s3keeping import S3Keeping
from storage.s3session import Session
from storage.store import ObjectStat, check_expiry, check_key
from storage.streams import RangeReader, open_source

CONNECT_TIMEOUT = 5.0
"""Seconds. A store that does not accept in that time is down or far too busy; the spool has time."""

READ_TIMEOUT = 30.0
"""Seconds without a byte. Some stores fsync before they answer; anything in 10 to 60 would do."""

ATTEMPTS = 2
"""One more than needed: an idle connection that the store has just closed fails once. Callers that must
succeed retry for hours, with their own backoff, and more attempts here would only hide trouble from them."""

CONNECTIONS = 16
"""Kept open per store; more threads than that open connections of their own."""

_DIGEST_SIZE = hashlib.sha256().digest_size
_BLOCK = 1 << 20


class S3Store:
    """The bucket `bucket`, below `prefix`, as an `ObjectStore`.

    Args:
        bucket: it must exist.
        prefix: what stands before every key, without slashes at its ends; may be empty.
        endpoint_url: the store, if it is not Amazon's. Buckets are then addressed by path, not by host name.
        region: as the store names it; None leaves it to boto3's own chain.
        access_key: with `secret_key`, credentials; None leaves them to boto3's own chain.
        secret_key: see above.
        ca_file: certificates to trust instead of the system's; None leaves it to boto3 and `AWS_CA_BUNDLE`.
        keeping: what is asked of the store with every object that is put.

    Raises:
        StoreRejected: no client can be made of that: an endpoint that is no URL, an unknown profile ...
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        ca_file: Path | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self.conditional_put: bool | None = None
        """Whether the store refuses to overwrite when asked to; None until the first `put` has shown it."""
        config = Config(
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            # The default sends checksums as aws-chunked trailers over https. Three stores of five answer 411,
            # and two others were seen to store the chunk framing inside the object.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            signature_version="s3v4",  # presigning falls back to version 2 on other endpoints without this
            s3={"addressing_style": "path" if endpoint_url else "auto"},
        )
        with translated("open", self.url):
            settings = botocore.session.get_session()
            self._client: Any = boto3.session.Session(botocore_session=settings).client(
                "s3",
                endpoint_url=endpoint_url,
                region_name=region,
                aws_access_key_id=access_key,
                aws_secret_access_key=secret_key,
                verify=str(ca_file) if ca_file else None,
                config=config,
            )
            self._session = Session(
                verify=str(ca_file) if ca_file else settings.get_config_variable("ca_bundle"),
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                connections=CONNECTIONS,
                url=self._client.meta.endpoint_url,
            )
        self._keeping = S3Keeping(self._client, bucket, keeping or Keeping())
        self._client.meta.events.register("before-send.s3", self._session.answer)

    @property
    def url(self) -> str:
        """Where this is, for messages and logs."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(self, key: str, source: Path | bytes, *, sha256: str, content_type: str) -> None:
        """See `ObjectStore`."""
        check_key(key)

        def errors(operation: str) -> AbstractContextManager[None]:
            return self._errors(operation, key)

        self._keeping.check_before(errors)
        self._put_if_free(key, source, sha256, content_type)
        self._keeping.check_after(self._at(key), errors)

    def hold(self, key: str) -> None:
        """See `ObjectStore`."""
        check_key(key)
        self._keeping.hold(self._at(key), lambda operation: self._errors(operation, key))

    def _put_if_free(self, key: str, source: Path | bytes, sha256: str, content_type: str) -> None:
        with open_source(source) as content:
            arguments = self._put_arguments(key, content, sha256, content_type)
            size = content.tell()
            # Until it is known that the store refuses to overwrite, look before writing. After that the
            # answer to the put itself says whether the key was free, without a race.
            if not self.conditional_put and self._is_there(key, size, sha256):
                return
            try:
                self._put(key, content, arguments, conditional=self.conditional_put is not False)
            except TakenAlready:
                self.conditional_put = True
                if not self._is_there(key, size, sha256):
                    raise ObjectConflict(
                        f"put {self._describe(key)}: the key is taken, but by no object: is it a folder?"
                    ) from None
            except UnknownCondition:
                # It may be something else that is not known: then this is refused as well.
                self._put(key, content, arguments, conditional=False)
                self.conditional_put = False
            if self.conditional_put is None:
                self.conditional_put = self._refuses_to_overwrite(key, content, arguments)

    def _put_arguments(self, key: str, content: BinaryIO, sha256: str, content_type: str) -> dict[str, Any]:
        """What to say with a put; `content` is read to its end."""
        # Some stores verify only one of the two checksums, some neither: hence also the check here.
        ours, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        while block := content.read(_BLOCK):
            ours.update(block)
            md5.update(block)
        if ours.hexdigest() != sha256:
            raise StoreUnavailable(f"put {self._describe(key)}: its content is not that of its SHA-256")
        return {
            "ContentType": content_type,
            "ContentMD5": base64.b64encode(md5.digest()).decode(),
            "ChecksumSHA256": base64.b64encode(ours.digest()).decode(),
            "Metadata": {"sha256": sha256},
            **self._keeping.arguments(),
        }

    def _put(self, key: str, content: BinaryIO, arguments: dict[str, Any], *, conditional: bool) -> None:
        content.seek(0)
        condition = {"IfNoneMatch": "*"} if conditional else {}
        with self._errors("put", key, self._keeping.note):
            self._client.put_object(**self._at(key), Body=content, **arguments, **condition)

    def _refuses_to_overwrite(self, key: str, content: BinaryIO, arguments: dict[str, Any]) -> bool:
        """Put the same bytes once more: some stores take `If-None-Match` and overwrite nevertheless.

        It is the object itself that is put again, so that nothing needs to be cleaned up and no right is
        needed beyond that to write recordings.
        """
        try:
            self._put(key, content, arguments, conditional=True)
        except TakenAlready:
            return True
        return False

    def _is_there(self, key: str, size: int, sha256: str) -> bool:
        """Whether the object is there already.

        Raises:
            ObjectConflict: another one is.
        """
        try:
            stat = self.stat(key)
        except ObjectNotFound:
            return False
        except StoreRejected:
            # Amazon answers 403 and not 404 to those who may read objects but not list them. If it is another
            # refusal, the put that follows will meet it too.
            return False
        if stat.size != size or (stat.sha256 or self._digest(key)) != sha256:
            raise ObjectConflict(f"put {self._describe(key)}: there is another object of that key already")
        return True

    def _digest(self, key: str) -> str:
        digest = hashlib.sha256()
        with self.open(key) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        """See `ObjectStore`."""
        check_key(key)
        wanted = {"Range": f"bytes={start}-"} if start else {}
        if length:
            wanted = {"Range": f"bytes={start}-{start + length - 1}"}
        try:
            with self._errors("get", key):
                answer = self._client.get_object(**self._at(key), **wanted)
        except RangeUnsatisfiable:  # HTTP has no empty range: asked for bytes beyond the end, it refuses
            yield RangeReader(lambda _: 0, 0, lambda: self._errors("get", key)).buffered()
            return
        with closing(answer["Body"]) as body:
            stream = RangeReader(body.readinto, None, lambda: self._errors("get", key)).buffered()
            if wanted and "ContentRange" not in answer:  # a store that ignores ranges sends everything
                stream.read(start)
            yield RangeReader(stream.readinto1, length, lambda: self._errors("get", key)).buffered()

    def stat(self, key: str) -> ObjectStat:
        """See `ObjectStore`. A SHA-256 is given only where the store says it is one of the whole object."""
        check_key(key)
        with self._errors("head", key):
            answer = self._client.head_object(**self._at(key), ChecksumMode="ENABLED")
        # Without the type it may be what a client sent, kept like any other header and never checked.
        checksum = answer.get("ChecksumSHA256", "") if answer.get("ChecksumType") == "FULL_OBJECT" else ""
        return ObjectStat(key, answer["ContentLength"], _hexadecimal(checksum))

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """See `ObjectStore`."""
        for page in self._pages(prefix):
            for item in page.get("Contents", ()):
                key = item["Key"].removeprefix(self._prefix)
                if key and not key.endswith("/"):  # some consoles leave an empty object to show a folder
                    yield ObjectStat(key, item["Size"])

    def folders(self, prefix: str = "") -> Iterator[str]:
        """See `ObjectStore`."""
        for page in self._pages(prefix, Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield item["Prefix"].removeprefix(self._prefix)

    def _pages(self, prefix: str, **arguments: str) -> Iterator[dict[str, Any]]:
        with self._errors("list", prefix):
            pages = self._client.get_paginator("list_objects_v2")
            yield from pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix, **arguments)

    def delete(self, key: str) -> None:
        """See `ObjectStore`."""
        check_key(key)
        with self._errors("delete", key):
            self._client.delete_object(**self._at(key))

    def link(self, key: str, expires: timedelta) -> str:
        """See `ObjectStore`. Signed as SigV4; ends with temporary credentials, if they end sooner."""
        check_key(key)
        seconds = check_expiry(expires)
        with self._errors("link", key):
            url: str = self._client.generate_presigned_url("get_object", self._at(key), seconds)
            return url

    def close(self) -> None:
        """See `ObjectStore`."""
        self._client.close()
        self._session.close()

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _describe(self, key: str) -> str:
        return f"{self.url}/{key}"

    @contextmanager
    def _errors(self, operation: str, key: str, note: str = "") -> Iterator[None]:
        place = self._describe(key)
        deadline.check(f"{operation} {place}")
        try:
            with translated(operation, place, note):
                yield
        finally:
            # A connection that was cut looks like one that the store has closed, and half a head of an answer
            # like a whole one.
            deadline.check(f"{operation} {place}")


def _hexadecimal(checksum: str) -> str | None:
    """A SHA-256 in base64 as S3 gives it, in hex; None where it is none, as of several parts."""
    try:
        digest = base64.b64decode(checksum, validate=True)
    except binascii.Error:
        return None
    return digest.hex() if len(digest) == _DIGEST_SIZE else None

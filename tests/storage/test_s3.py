"""S3 where it is more than what every store promises: dialects, and what is said when something is wrong."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from recorder.simulator.seaweedfs import SeaweedFS
from storage.errors import ObjectConflict, ObjectNotFound, StoreError, StoreRejected, StoreUnavailable
from storage.s3 import S3Store
from tests.storage.dialects import Dialect, speaking

SECRET = "hush-hush-hush"


@contextmanager
def opened(endpoint_url: str, bucket: str = "recordings", **changes: str | Path | None) -> Iterator[S3Store]:
    arguments: dict[str, str | Path | None] = {
        "region": "us-east-1",
        "access_key": "key",
        "secret_key": SECRET,
        **changes,
    }
    store = S3Store(bucket, f"s3/{uuid4()}", endpoint_url=endpoint_url, **arguments)  # type: ignore[arg-type]
    with closing(store):
        yield store


def put(store: S3Store, key: str, content: bytes) -> None:
    store.put(key, content, sha256=hashlib.sha256(content).hexdigest(), content_type="text/plain")


def test_learns_with_the_first_object_that_the_store_refuses_to_overwrite(seaweedfs: SeaweedFS) -> None:
    with opened(
        seaweedfs.endpoint_url, access_key=seaweedfs.access_key, secret_key=seaweedfs.secret_key
    ) as store:
        assert store.conditional_put is None
        put(store, "one", b"content")

        assert store.conditional_put is True
        assert [item.key for item in store.list()] == ["one"]  # nothing was left over from learning it


@pytest.mark.parametrize("dialect", [Dialect.OVERWRITES, Dialect.UNKNOWN_CONDITION])
def test_never_overwrites_even_where_the_store_would(dialect: Dialect) -> None:
    with speaking(dialect) as server, opened(server.url) as store:
        put(store, "one", b"the first")
        put(store, "one", b"the first")
        put(store, "two", b"second")
        assert store.conditional_put is False

        for other in (b"something", b"another thing"):
            with pytest.raises(ObjectConflict, match="one"):
                put(store, "one", other)

        with store.open("one") as stream:
            assert stream.read() == b"the first"


@pytest.mark.parametrize("dialect", [Dialect.OVERWRITES, Dialect.UNKNOWN_CONDITION])
def test_a_first_put_does_not_overwrite_either(dialect: Dialect) -> None:
    with speaking(dialect) as server, opened(server.url) as store:
        server.objects[f"/recordings/{store.url.removeprefix('s3://recordings/')}/one"] = b"before us"

        with pytest.raises(ObjectConflict):
            put(store, "one", b"something")

        with store.open("one") as stream:
            assert stream.read() == b"before us"


def test_reads_a_range_from_a_store_that_knows_none() -> None:
    with speaking(Dialect.IGNORES_RANGES) as server, opened(server.url) as store:
        put(store, "digits", b"0123456789")

        with store.open("digits", start=3, length=4) as stream:
            assert stream.read() == b"3456"


def test_a_body_that_breaks_off_is_no_end() -> None:
    with speaking(Dialect.BREAKS_OFF) as server, opened(server.url) as store:
        put(store, "long", bytes(100_000))

        with pytest.raises(StoreUnavailable), store.open("long") as stream:  # noqa: PT012
            while stream.read(1000):
                pass


def test_sends_no_trailers_over_https(seaweedfs_tls: SeaweedFS) -> None:
    """Over https boto3's default wraps the body in chunks; some stores then keep the wrapping."""
    server = seaweedfs_tls
    with opened(
        server.endpoint_url,
        access_key=server.access_key,
        secret_key=server.secret_key,
        ca_file=server.ca_file,
    ) as store:
        put(store, "one", b"content")

        assert store.stat("one").size == len(b"content")


@pytest.mark.parametrize(
    ("status", "code", "kind", "hint"),
    [
        (403, "InvalidAccessKeyId", StoreRejected, "does not know the access key"),
        (403, "SignatureDoesNotMatch", StoreRejected, "the secret key is wrong"),
        (403, "RequestTimeTooSkewed", StoreRejected, "clock"),
        (403, "AccessDenied", StoreRejected, "allow these credentials"),
        (400, "ExpiredToken", StoreRejected, "renew"),
        (404, "NoSuchBucket", StoreRejected, "no such bucket"),
        (301, "PermanentRedirect", StoreRejected, "region"),
        (400, "EntityTooLarge", StoreRejected, "shorter segments"),
        (400, "SomethingNew", StoreRejected, "SomethingNew"),
        (400, "BadDigest", StoreUnavailable, "not those that were sent"),
        (409, "ConditionalRequestConflict", StoreUnavailable, "another writer"),
        (503, "SlowDown", StoreUnavailable, "fewer requests"),
        (429, "TooManyRequests", StoreUnavailable, "fewer requests"),
        (500, "InternalError", StoreUnavailable, "in trouble"),
        (507, "InsufficientStorage", StoreUnavailable, "full"),
    ],
)
def test_an_answer_becomes_an_error_with_a_hint(
    status: int, code: str, kind: type[StoreError], hint: str
) -> None:
    with speaking(Dialect.PLAIN) as server, opened(server.url) as store:
        server.refusal = status, code

        with pytest.raises(kind, match=hint) as caught:
            put(store, "a/b.wav", b"content")

    assert type(caught.value) is kind
    assert f"put {store.url}/a/b.wav" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_of_what_is_not_allowed_the_right_is_named() -> None:
    with speaking(Dialect.PLAIN) as server, opened(server.url) as store:
        server.refusal = 403, "AccessDenied"

        with pytest.raises(StoreRejected, match=r"delete .*allow these credentials to delete in this bucket"):
            store.delete("a/b.wav")
        with pytest.raises(StoreRejected, match="allow these credentials to get, put and list in this"):
            list(store.list())


def test_a_wrong_secret_is_named_and_not_shown(seaweedfs: SeaweedFS) -> None:
    with (
        opened(seaweedfs.endpoint_url, access_key=seaweedfs.access_key) as store,
        pytest.raises(StoreRejected, match="the secret key is wrong") as caught,
    ):
        put(store, "one", b"content")

    assert SECRET not in str(caught.value)


def test_a_bucket_that_is_not_there_is_named(seaweedfs: SeaweedFS) -> None:
    with (
        opened(
            seaweedfs.endpoint_url,
            "elsewhere",
            access_key=seaweedfs.access_key,
            secret_key=seaweedfs.secret_key,
        ) as store,
        pytest.raises(StoreRejected, match=r"s3://elsewhere.*no such bucket"),
    ):
        list(store.list())


def test_a_missing_object_is_not_a_missing_bucket(seaweedfs: SeaweedFS) -> None:
    with (
        opened(
            seaweedfs.endpoint_url, access_key=seaweedfs.access_key, secret_key=seaweedfs.secret_key
        ) as store,
        pytest.raises(ObjectNotFound),
    ):
        store.stat("one")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_store_that_is_down_may_come_back() -> None:
    with (
        opened(f"http://127.0.0.1:{free_port()}") as store,
        pytest.raises(StoreUnavailable, match=r"Connection refused.*endpoint_url"),
    ):
        list(store.list())


def test_a_host_without_an_address_is_named() -> None:
    with (
        opened("http://store.invalid") as store,
        pytest.raises(StoreUnavailable, match="cannot be reached: check `endpoint_url`"),
    ):
        list(store.list())


def test_a_private_certificate_needs_its_authority(seaweedfs_tls: SeaweedFS) -> None:
    with (
        opened(seaweedfs_tls.endpoint_url) as store,
        pytest.raises(StoreRejected, match=r"(?i)certificate.*AWS_CA_BUNDLE"),
    ):
        list(store.list())


def test_https_to_a_port_of_http_is_no_tls(seaweedfs: SeaweedFS) -> None:
    with (
        opened(seaweedfs.endpoint_url.replace("http:", "https:")) as store,
        pytest.raises(StoreRejected, match="no trusted TLS"),
    ):
        list(store.list())


def test_a_web_server_is_no_s3() -> None:
    with (
        speaking(Dialect.WEB_SITE) as server,
        opened(server.url) as store,
        pytest.raises(StoreRejected, match="endpoint_url"),
    ):
        list(store.list())


def test_no_client_without_an_endpoint() -> None:
    with pytest.raises(StoreRejected, match="correct `endpoint_url`"):
        S3Store("bucket", endpoint_url="nowhere")


def test_tls_is_verified_by_default(seaweedfs_tls: SeaweedFS) -> None:
    """What the others rest on: the server's certificate is really one that nobody trusts."""
    host, port = "127.0.0.1", seaweedfs_tls.ports["https"]
    with (
        socket.create_connection((host, port)) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
        ssl.create_default_context().wrap_socket(plain, server_hostname=host),
    ):
        pass

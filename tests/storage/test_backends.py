"""From URLs to stores, and what is said of URLs that lead nowhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from storage.backends import check_endpoint_url, check_store_url, open_store


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://bucket/", "s3://my.bucket-1/a/b", "file:///srv/recordings", "file:///"]
)
def test_a_good_url_is_returned(url: str) -> None:
    assert check_store_url(url) == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "s3://bucket/prefix or file:///folder"),
        ("bucket/prefix", "s3://bucket/prefix or file:///folder"),
        ("/srv/recordings", "s3://bucket/prefix or file:///folder"),
        ("gs://bucket", "s3://bucket/prefix or file:///folder"),
        ("s3://[bucket", "s3://bucket/prefix or file:///folder"),
        ("s3://bucket?versionId=1", "s3://bucket/prefix or file:///folder"),
        ("s3:///prefix", "names no bucket"),
        ("s3://bucket:9000/prefix", "names no bucket"),
        ("s3://bucket/a//b", "empty or begins with a dot"),
        ("s3://bucket/../b", "empty or begins with a dot"),
        ("file://srv/recordings", "three slashes"),
        ("file:recordings", "three slashes"),
    ],
)
def test_a_bad_url_says_what_was_expected(url: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        check_store_url(url)


@pytest.mark.parametrize("url", ["https://s3.example.net", "http://127.0.0.1:8333", "https://host:9000/path"])
def test_a_good_endpoint_is_returned(url: str) -> None:
    assert check_endpoint_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["s3.example.net", "s3.example.net:9000", "ftp://host", "https://", "https://host:x", "https://h/?a=b"],
)
def test_a_bad_endpoint_says_what_was_expected(url: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        check_endpoint_url(url)


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    for check, url in (
        (check_endpoint_url, "https://key:hush-hush@host"),
        (check_store_url, "s3://key:hush-hush@bucket/prefix"),
    ):
        with pytest.raises(ValueError, match="credentials do not belong") as caught:
            check(url)
        assert "hush-hush" not in str(caught.value)


def test_opens_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "object").write_bytes(b"content")

    store = open_store(folder.as_uri())

    assert store.stat("object").size == 7
    assert store.url == folder.as_uri()


def test_checks_the_endpoint_before_opening() -> None:
    with pytest.raises(ValueError, match="endpoint"):
        open_store("s3://bucket", endpoint_url="nowhere")


def test_boto3_is_imported_only_to_open_a_bucket() -> None:
    code = (
        "import sys, storage.backends as b; b.check_store_url('s3://bucket'); print('boto3' in sys.modules)"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"

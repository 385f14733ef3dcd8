"""`Carrier` that posts to a server, over httpx, whose only importer it is.

What is posted is signed: the receiver computes HMAC-SHA256 of the timestamp, a full stop and the body with
the key that both have, compares it with the signature, and refuses what is old.
"""

import hashlib
import hmac
import time
from collections.abc import Callable

import httpx

from recorder import __version__
from recorder.hooks.carrier import NotTaken
from recorder.hooks.event import Occurrence

TIMESTAMP, SIGNATURE = "X-Recorder-Timestamp", "X-Recorder-Signature"


class Webhook:
    """Posts to `url`, which appears in no message: a secret may stand in it."""

    def __init__(self, url: str, key: str, wall_time: Callable[[], float] = time.time) -> None:
        self._url = url
        self._key = key.encode()
        self._wall_time = wall_time
        # No timeout of its own: whoever calls has one for all of it.
        self._client = httpx.AsyncClient(
            timeout=None,  # noqa: S113
            follow_redirects=False,
            headers={"User-Agent": f"conference-recorder/{__version__}"},
        )

    async def __call__(self, occurrence: Occurrence) -> None:
        """Post it; any answer of 200 to 299 is a yes, and its body is not read. See `Carrier`."""
        timestamp = str(int(self._wall_time()))
        headers = {
            "Content-Type": "application/json",
            "X-Recorder-Event": occurrence.event.value,
            "X-Recorder-Id": occurrence.id,
            TIMESTAMP: timestamp,
            SIGNATURE: signature(self._key, timestamp, occurrence.body),
        }
        try:
            async with self._client.stream(
                "POST", self._url, content=occurrence.body, headers=headers
            ) as answer:
                status = answer.status_code
        # Of what failed the kind alone: words of the library may quote the URL.
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise NotTaken(f"it cannot be reached ({type(error).__name__})") from None
        if not httpx.codes.is_success(status):
            raise NotTaken(f"it answered HTTP {status}")

    async def close(self) -> None:
        """See `Carrier`."""
        await self._client.aclose()


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """`sha256=` and the HMAC in hex."""
    return f"sha256={hmac.new(key, timestamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"

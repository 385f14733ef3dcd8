"""The HTTP session of botocore, with connections that can be cut at a deadline. Knows no bucket.

botocore makes its own and takes none, but asks before each request whether somebody else will send it.
"""

import os
import socket
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
    AWSResponse,
)
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from storage import deadline

_KEEPALIVE = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]


class _Watched:
    """A connection whose socket is watched from its first byte, of TLS too, and again with each request."""

    def _new_conn(self) -> socket.socket:
        deadline.check("connect")  # a second attempt of botocore's own, most likely
        made: socket.socket = super()._new_conn()  # type: ignore[misc]  # of urllib3's connections
        deadline.watch(made.fileno())
        return made

    def request(self, *args: Any, **kwargs: Any) -> Any:
        sock = getattr(self, "sock", None)
        if sock is not None:  # from the pool
            deadline.watch(sock.fileno())
        return super().request(*args, **kwargs)  # type: ignore[misc]  # of urllib3's connections


class _Plain(_Watched, AWSHTTPConnection):  # type: ignore[misc]  # as its own bases
    pass


class _Secure(_Watched, AWSHTTPSConnection):  # type: ignore[misc]  # as its own bases
    pass


class _PlainPool(AWSHTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(AWSHTTPSConnectionPool):
    ConnectionCls = _Secure


class Session(URLLib3Session):
    """Sends what botocore has prepared, as botocore would have.

    Args:
        verify: a file of certificates to trust, or None for the usual ones.
        timeout: seconds to connect, and without a byte.
        connections: kept open.
        url: where most requests go; which proxy leads there is read from the environment.
    """

    def __init__(
        self, *, verify: str | None, timeout: tuple[float, float], connections: int, url: str
    ) -> None:
        usual = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        # The stubs know less than the class takes.
        arguments: dict[str, Any] = {
            "verify": verify or usual,
            "proxies": get_environ_proxies(url),
            "timeout": timeout,
            "max_pool_connections": connections,
            "socket_options": _KEEPALIVE,
        }
        super().__init__(**arguments)
        # The dictionary that the pools of all managers, those of proxies too, are made by.
        pools: dict[str, type] = vars(self)["_pool_classes_by_scheme"]
        pools.update({"http": _PlainPool, "https": _SecurePool})

    def answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Send a request; for botocore's event `before-send`."""
        answer: AWSResponse = self.send(request)
        return answer

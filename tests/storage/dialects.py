"""An S3 server of a few lines that speaks as some stores do: for what no well-behaved store can show.

It checks no signature and keeps objects in memory. It proves nothing about any store; it shows what ours does
when a store answers in that way.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Dialect(Enum):
    PLAIN = auto()
    OVERWRITES = auto()
    """Takes `If-None-Match` and overwrites nevertheless, as rclone and JuiceFS do."""
    UNKNOWN_CONDITION = auto()
    """Answers 501 to `If-None-Match`."""
    IGNORES_RANGES = auto()
    """Answers 200 and everything."""
    BREAKS_OFF = auto()
    """Closes the connection in the middle of a body."""
    WEB_SITE = auto()
    """Is no S3 at all."""


class Server(ThreadingHTTPServer):
    """`objects` by path; `refusal`, while set, is the status and the code of every answer but to HEAD."""

    daemon_threads = True

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.dialect = dialect
        self.objects: dict[str, bytes] = {}
        self.refusal: tuple[int, str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._refused():
            return
        if self.headers.get("If-None-Match"):
            if self.server.dialect is Dialect.UNKNOWN_CONDITION:
                self._answer(501, error("NotImplemented"))
                return
            if self.server.dialect is not Dialect.OVERWRITES and self.path in self.server.objects:
                self._answer(412, error("PreconditionFailed"))
                return
        self.server.objects[self.path] = body
        self._answer(200)

    def do_GET(self) -> None:
        if self._refused():
            return
        if self.server.dialect is Dialect.WEB_SITE:
            self._answer(404, b"<html><body>There is no such page<br></body>")
        elif (content := self.server.objects.get(self.path)) is None:
            self._answer(404, error("NoSuchKey"))
        elif self.server.dialect is Dialect.BREAKS_OFF:
            self._answer(200, content[: len(content) // 2], length=len(content))
            self.close_connection = True
        else:
            self._answer(200, content)

    def do_DELETE(self) -> None:
        if self._refused():
            return
        self.server.objects.pop(self.path, None)
        self._answer(204)

    def do_HEAD(self) -> None:
        content = self.server.objects.get(self.path)
        if content is None:
            self._answer(404)
        else:
            self._answer(200, length=len(content))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- named by its base class
        """Nothing: a test's output is its own."""

    def _refused(self) -> bool:
        if self.server.refusal is None:
            return False
        status, code = self.server.refusal
        self._answer(status, error(code))
        return True

    def _answer(self, status: int, body: bytes = b"", *, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


def error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>In the words of the store</Message></Error>".encode()


@contextmanager
def speaking(dialect: Dialect) -> Iterator[Server]:
    """Run one until the end of the context."""
    with Server(dialect) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

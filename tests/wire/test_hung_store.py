"""A store that accepts and never answers, or gives a byte now and then: no call outlives its deadline."""

import contextlib
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from storage import deadline
from storage.errors import StoreUnavailable
from storage.s3 import S3Store

CONTENT = bytes(1 << 22)  # more than the buffers of a socket take


def never_answer(peer: socket.socket, stop: threading.Event) -> None:
    """Takes the whole request, and says nothing."""
    while not stop.is_set() and peer.recv(1 << 16):
        pass


def never_read(peer: socket.socket, stop: threading.Event) -> None:  # noqa: ARG001  it is there all the same
    """Takes what the kernel takes."""
    stop.wait()


def read_in_trickles(peer: socket.socket, stop: threading.Event) -> None:
    """Takes a little of the request now and then."""
    while not stop.wait(0.05) and peer.recv(100):
        pass


def answer_in_trickles(peer: socket.socket, stop: threading.Event) -> None:
    """Begins an answer whose head never ends."""
    peer.recv(1 << 16)
    peer.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.wait(0.05):
        peer.sendall(b"X")


def body_in_trickles(peer: socket.socket, stop: threading.Event) -> None:
    """Begins a body that takes for ever."""
    peer.recv(1 << 16)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not stop.wait(0.05):
        peer.sendall(b"X")


@contextlib.contextmanager
def serving(
    behave: Callable[[socket.socket, threading.Event], None], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    stop = threading.Event()

    def handle(peer: socket.socket) -> None:
        with contextlib.suppress(OSError), peer:
            if tls:
                with tls.wrap_socket(peer, server_side=True) as secure:
                    behave(secure, stop)
            else:
                behave(peer, stop)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threads.submit(handle, listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(20) as threads:
        threads.submit(accept)
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)


def store_at(url: str, ca_file: Path | None = None) -> S3Store:
    return S3Store(
        "recordings",
        endpoint_url=url,
        region="us-east-1",
        access_key="a",
        secret_key="b",
        ca_file=ca_file,
    )


def put(store: S3Store) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    store.put("calls/one.wav", CONTENT, sha256=digest, content_type="audio/wav")


def read(store: S3Store) -> None:
    with store.open("calls/one.wav") as stream:
        stream.read()


@pytest.mark.parametrize(
    ("behave", "call"),
    [
        (never_answer, put),
        (never_read, put),
        (read_in_trickles, put),
        (answer_in_trickles, put),
        (answer_in_trickles, lambda store: store.stat("calls/one.wav")),
        (body_in_trickles, read),
    ],
)
def test_a_call_ends_at_its_deadline_and_says_so(
    behave: Callable[[socket.socket, threading.Event], None], call: Callable[[S3Store], None]
) -> None:
    with serving(behave) as port, contextlib.closing(store_at(f"http://127.0.0.1:{port}")) as store:
        store.conditional_put = True  # so that a put begins with the body
        began = time.monotonic()
        with deadline.within(0.6), pytest.raises(StoreUnavailable, match="not done within 1 s"):
            call(store)

    assert 0.5 < time.monotonic() - began < 3.0, "it was cut, and not tried again"


@pytest.mark.parametrize("behave", [never_answer, answer_in_trickles])
def test_a_call_over_tls_ends_too(
    behave: Callable[[socket.socket, threading.Event], None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    with (
        serving(behave, context) as port,
        contextlib.closing(store_at(f"https://127.0.0.1:{port}", ca_file=trusted)) as store,
    ):
        store.conditional_put = True
        began = time.monotonic()
        with deadline.within(0.6), pytest.raises(StoreUnavailable, match="not done within"):
            put(store)

    assert time.monotonic() - began < 3.0


def test_a_tls_handshake_that_never_ends_ends_too() -> None:
    with serving(never_answer) as port, contextlib.closing(store_at(f"https://127.0.0.1:{port}")) as store:
        began = time.monotonic()
        with deadline.within(0.6), pytest.raises(StoreUnavailable, match="not done within"):
            store.stat("calls/one.wav")

    assert time.monotonic() - began < 3.0


def test_nothing_is_begun_after_the_deadline() -> None:
    with (
        serving(never_answer) as port,
        contextlib.closing(store_at(f"http://127.0.0.1:{port}")) as store,
        deadline.within(0.0),
        pytest.raises(StoreUnavailable, match="not done within"),
    ):
        store.stat("calls/one.wav")


def test_no_socket_and_no_thread_is_left_behind() -> None:
    with serving(never_answer) as port, contextlib.closing(store_at(f"http://127.0.0.1:{port}")) as store:
        before = set(threading.enumerate())
        for _ in range(5):
            with deadline.within(0.1), contextlib.suppress(StoreUnavailable):
                store.stat("calls/one.wav")
        limit = time.monotonic() + 10
        while len(new := set(threading.enumerate()) - before) > 5 and time.monotonic() < limit:
            time.sleep(0.01)  # for the timers that were cancelled to go
        assert len(new) <= 5, "only those of the server"

"""Whether the store does all that is asked of it, tried on an object that is deleted again. Blocking."""

import hashlib
import secrets
from collections.abc import Iterator

from recorder.config import Settings
from recorder.doctor.finding import Finding, explained, failed, ok, skipped, warning
from storage import deadline
from storage.backends import open_store
from storage.errors import ObjectConflict, ObjectNotFound, StoreError
from storage.store import ObjectStore

PUT, CONDITIONAL, READ, RANGE, LIST, DELETE = (
    f"store {what}" for what in ("put", "conditional put", "read back", "range", "list", "delete")
)

TIMEOUT = 60.0
"""Seconds for all of it."""

_ANY = "see the log of the store"
_TYPE = "application/octet-stream"


def examine_store(settings: Settings) -> Iterator[Finding]:
    """Put, put again, read, read a part, list and delete, over the endpoint that is configured."""
    storage = settings.storage
    key = f"doctor-{settings.recording.recorder}-{secrets.token_hex(8)}"
    try:
        store = open_store(storage.url, endpoint_url=storage.endpoint_url, region=storage.region)
    except (StoreError, ValueError) as error:
        yield explained(PUT, str(error), "correct [storage]")
        return
    try:
        with deadline.within(TIMEOUT):
            yield from _try(store, key, secrets.token_bytes(4096))
    finally:
        store.close()


def _try(store: ObjectStore, key: str, content: bytes) -> Iterator[Finding]:
    try:
        _put(store, key, content)
    except StoreError as error:
        yield explained(PUT, str(error), _ANY)
        _discard(store, key)  # of a put that failed in the end, something may be there
        because = "nothing could be put"
        yield from (skipped(check, because) for check in (CONDITIONAL, READ, RANGE, LIST, DELETE))
        return
    yield ok(PUT, f"{store.url} takes objects")
    try:
        yield _conditional(store, key, content)
        yield _read(store, key, content)
        yield _range(store, key, content)
        yield _list(store, key)
    finally:
        found = _delete(store, key)
    yield found


def _put(store: ObjectStore, key: str, content: bytes) -> None:
    store.put(key, content, sha256=hashlib.sha256(content).hexdigest(), content_type=_TYPE)


def _conditional(store: ObjectStore, key: str, content: bytes) -> Finding:
    remedy = "let no other program write below storage.url, and give every recorder a name of its own"
    try:
        _put(store, key, bytes(reversed(content)))
    except ObjectConflict:
        pass
    except StoreError as error:
        return explained(CONDITIONAL, str(error), _ANY)
    else:
        return failed(CONDITIONAL, "the store overwrote an object", remedy)
    # Only a store that is somebody else's has this, and only of such a one it is in doubt.
    if getattr(store, "conditional_put", True) is False:
        said = "the store does not know If-None-Match: it is looked at before each put"
        return warning(CONDITIONAL, said, remedy)
    return ok(CONDITIONAL, "an object that is there is not overwritten")


def _read(store: ObjectStore, key: str, content: bytes) -> Finding:
    try:
        size = store.stat(key).size
        with store.open(key) as stream:
            same = stream.read() == content and size == len(content)
    except StoreError as error:
        return explained(READ, str(error), _ANY)
    return ok(READ, "the bytes that were put") if same else failed(READ, "other bytes came back", _ANY)


def _range(store: ObjectStore, key: str, content: bytes) -> Finding:
    try:
        with store.open(key, start=100, length=1000) as stream:
            same = stream.read() == content[100:1100]
    except StoreError as error:
        return explained(RANGE, str(error), _ANY)
    return ok(RANGE, "a part of an object") if same else failed(RANGE, "other bytes came back", _ANY)


def _list(store: ObjectStore, key: str) -> Finding:
    try:
        listed = [found.key for found in store.list(key)]
    except StoreError as error:
        # To record, nothing is listed: only to find recordings again.
        said, _, hint = str(error).rpartition(": ")
        return warning(LIST, said, hint)
    return (
        ok(LIST, "what is there") if listed == [key] else failed(LIST, "it was put and is not listed", _ANY)
    )


def _delete(store: ObjectStore, key: str) -> Finding:
    try:
        store.delete(key)
        store.stat(key)
    except ObjectNotFound:
        return ok(DELETE, "nothing of this is left there")
    except StoreError as error:
        # A recorder deletes nothing, and a key that may not is a good one.
        remedy = f"nothing, if these credentials may not delete; {key} is left in the store"
        return warning(DELETE, str(error), remedy)
    return failed(DELETE, "it was deleted and is still there", f"delete {key} in the store")


def _discard(store: ObjectStore, key: str) -> None:
    try:
        store.delete(key)
    except StoreError:
        return

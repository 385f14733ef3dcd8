"""The store is tried once at the start; whatever it does, recording goes on."""

import pytest
from structlog.testing import capture_logs

from recorder.trial import TIMEOUT, try_store
from storage.errors import StoreError, StoreRejected, StoreUnavailable
from tests.fakes import MemoryStore
from tests.virtual import Inline

pytestmark = pytest.mark.anyio


class ForgetfulStore(MemoryStore):
    """Takes everything, and keeps something else."""

    def put(self, key: str, source: object, *, sha256: str, content_type: str) -> None:  # noqa: ARG002
        self.objects[key] = b"something else"


class BrokenStore(MemoryStore):
    """Fails in a way that no store should."""

    def put(self, key: str, source: object, *, sha256: str, content_type: str) -> None:  # noqa: ARG002
        raise ZeroDivisionError(key)


async def test_a_store_that_takes_and_gives_back_is_told_nothing_of_and_left_as_it_was() -> None:
    store = MemoryStore()

    with capture_logs() as said:
        problem = await try_store(store, "rec-a", Inline())

    assert (problem, said, store.objects) == ("", [], {})


async def test_who_may_not_delete_can_record_all_the_same() -> None:
    class KeepingStore(MemoryStore):
        def delete(self, key: str) -> None:
            raise StoreRejected(f"delete {key}: not allowed")

    store = KeepingStore()

    assert await try_store(store, "rec-a", Inline()) == ""
    assert await try_store(store, "rec-a", Inline()) == "", "the same again is no conflict"
    assert list(store.objects) == ["probe-rec-a"]


async def test_what_tries_a_store_that_locks_is_there_once_however_often_it_is_tried() -> None:
    store = MemoryStore()
    for _ in range(3):
        assert await try_store(store, "rec-a", Inline(), locked=True) == ""
    assert list(store.objects) == ["probe-rec-a"]


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), StoreRejected("HTTP 403: not allowed")])
async def test_what_is_wrong_with_a_store_is_told_with_what_to_do(failure: StoreError) -> None:
    store = MemoryStore()
    store.failure = failure

    with capture_logs() as said:
        problem = await try_store(store, "rec-a", Inline())

    (line,) = said
    assert problem == line["error"] == str(failure)
    assert (line["log_level"], line["store"]) == ("error", "memory:")
    assert "[storage]" in line["remedy"]


async def test_a_store_that_gives_back_something_else_is_a_problem() -> None:
    assert "reads back differently" in await try_store(ForgetfulStore(), "rec-a", Inline())


async def test_a_store_that_fails_as_none_should_ends_nothing() -> None:
    assert await try_store(BrokenStore(), "rec-a", Inline()) == "probe-rec-a"


async def test_a_store_that_hangs_is_not_waited_for() -> None:
    assert "no answer within 20 s" in await try_store(MemoryStore(), "rec-a", Inline(seconds=10 * TIMEOUT))

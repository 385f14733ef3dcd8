"""Tries the store once, when the process begins: what is wrong with it is then told before it is needed.

A store that fails is no reason not to record: the spool keeps what is recorded.
"""

from functools import partial
from typing import Final

import anyio
import structlog

from recorder import logs
from recorder.delivery import probe
from recorder.offload import Offload
from storage.errors import StoreError
from storage.store import ObjectStore

TIMEOUT: Final = 20.0
"""Seconds that the store has to show that it takes something and gives it back."""

_log = structlog.stdlib.get_logger(__name__)


async def try_store(store: ObjectStore, recorder: str, network: Offload, *, locked: bool = False) -> str:
    """Why the store does not take something small and give it back; "" if it does. See `delivery.probe`."""
    try:
        with anyio.fail_after(TIMEOUT + 1):
            await network(partial(probe, locked=locked), store, recorder, TIMEOUT)
    except Exception as error:  # noqa: BLE001  whatever it is, recording must not end over it
        problem = str(error) or f"no answer within {TIMEOUT:.0f} s"
        expected = isinstance(error, StoreError | TimeoutError)
        _log.error(
            "the store does not take what is sent to try it; recording goes on, into the spool",
            exc_info=not expected,
            **{
                logs.STORE: store.url,
                logs.ERROR: problem,
                "remedy": "see [storage] and its credentials; it is tried again with each segment",
            },
        )
        return problem
    return ""

"""All that the daemon meets outside of itself: clock, platform, store, and the threads to meet them in.

Names the real ones. Knows nothing of what the daemon does with them.
"""

import itertools
import os
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from recorder.announcement import Announcer
from recorder.api import RestPlatform
from recorder.clock import Clock
from recorder.config import Settings
from recorder.connection import Connector
from recorder.eventsocket import EventSockets
from recorder.hooks.hooks import Hooks
from recorder.hooks.opening import open_hooks
from recorder.offload import Disk, DiskThreads, NetworkThreads, Offload
from recorder.platform import Platform
from recorder.rate import Rate
from recorder.uploader import PARALLEL
from recorder.websocket import WebSocketConnector
from storage.store import ObjectStore

DISK_THREADS: Final = 8
"""Writes under way at once. More would only queue in the disk."""
SEALING_THREADS: Final = 2
"""Segments being hashed or encoded at once: one waits for the disk while the other has the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a simulation has others of.

    Attributes:
        disk: what writes to the spool.
        sealing: what hashes and encodes in it.
        syncing: what sees it onto the disk.
        network: what talks to the store.
        numbers: for the names of segments; never the same one twice, in any life of the daemon.
        chance: random numbers from 0 to 1, by which waiting is spread.
        hooks: who is told of what happens; None for nobody.
        observatory: opens what can be asked and listened to about conferences, at a rate that it shares with
            the streams; None where nobody is.
    """

    clock: Clock
    connector: Connector
    store: ObjectStore
    disk: Disk
    sealing: Disk
    syncing: Disk
    network: Offload
    numbers: Iterator[int]
    chance: Callable[[], float] = random.random
    hooks: Hooks | None = None
    observatory: Callable[[Rate], tuple[Platform, Announcer]] | None = None


def _observatory(settings: Settings, clock: Clock, rate: Rate) -> tuple[Platform, Announcer]:
    voipbin, credential = settings.voipbin, settings.credential
    return RestPlatform(voipbin, credential, rate=rate, clock=clock), EventSockets(
        voipbin, credential, rate=rate
    )


def open_ports(settings: Settings) -> Ports:
    """The real ones.

    Raises:
        OSError, StoreError, ValueError: one of them cannot be had.
    """
    clock = Clock()
    return Ports(
        clock=clock,
        connector=WebSocketConnector(settings.voipbin, settings.credential, clock),
        store=settings.storage.open(),
        disk=DiskThreads(DISK_THREADS),
        sealing=DiskThreads(SEALING_THREADS, hop=1),
        syncing=DiskThreads(1),
        network=NetworkThreads(PARALLEL + 1),  # one for what is no upload, which must not hold up any
        # A random beginning keeps names unique for good, even if the clock is set back and the spool empty.
        numbers=itertools.count(secrets.randbelow(10**9) * 10**6),
        hooks=open_hooks(settings.hooks, settings.hook_keys, os.environ, clock),
        observatory=partial(_observatory, settings, clock) if settings.voipbin.observe else None,
    )

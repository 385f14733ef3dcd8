"""All faults of the campaign, in the order of the table."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.campaign import crowds, deaths, disks, networks, stores, strangers
from tests.campaign.ground import Ground
from tests.campaign.rows import Row

ROOM = 3
"""How much of the machine there is to share: what faults take of it that run at the same time."""
HURRIED_ROOM = 6
"""The same of the quick campaign. The machine is busier then, and more has to be allowed for."""


@dataclass(frozen=True)
class Fault:
    """One of them.

    Attributes:
        name: on the command line.
        inject: makes its rows.
        bound: of what a fault may take of a stream, in words.
        weight: how much of the machine it takes.
        alone: whether it takes all of it.
        long: whether it had better begin first.
        by_arrival: whether its verdict rests on when audio came, to some milliseconds, or on hundreds of
            streams: what a machine that is busy with other tests cannot keep to.
    """

    name: str
    inject: Callable[[Ground], Awaitable[list[Row]]]
    bound: str
    weight: int = 1
    alone: bool = False
    long: bool = False
    by_arrival: bool = False


DEATH = "1 s of audio that had come; half a second more of a stream that has just begun"
NONE = "nothing that had come, to the sample"

FAULTS = (
    Fault("kill", deaths.killed_at_random, DEATH, weight=2, long=True),
    Fault("kill-recovery", deaths.killed_in_recovery, DEATH),
    Fault("kill-sealing", deaths.killed_while_sealing, DEATH),
    Fault("sigterm", deaths.told_to_stop, NONE),
    Fault("power-cut", disks.power_cut, f"sync_interval ({disks.SYNC_INTERVAL} s) + 1 s"),
    Fault("disk-full", disks.full, "what the ledger calls disk"),
    Fault("freeze", crowds.frozen_process, NONE, alone=True, by_arrival=True),
    Fault("disk-stall", crowds.stalled_disk, NONE, alone=True, by_arrival=True),
    Fault("store-away", stores.away, NONE, long=True),
    Fault("store-killed", stores.refused, NONE),
    Fault("store-hangs", stores.hanging, NONE),
    Fault("store-slow", stores.slow, NONE),
    Fault("store-5xx", stores.failing, NONE),
    Fault("store-cut", stores.cutting, NONE),
    Fault("store-refuses-one", stores.one_object_refused, NONE),
    Fault("reset", networks.reset_in_a_frame, NONE, by_arrival=True),
    Fault("close", networks.closed_bare, NONE, by_arrival=True),
    Fault("half-open", networks.half_open, NONE, long=True),
    Fault("stall", networks.stalls, NONE, by_arrival=True),
    Fault("accept-then-close", networks.accepted_and_closed, NONE, by_arrival=True),
    Fault("slow-handshake", networks.slow_handshakes, NONE, by_arrival=True),
    Fault("drop-all", networks.dropped_together, NONE, alone=True, by_arrival=True),
    Fault("huge-messages", strangers.huge_messages, NONE),
    Fault("junk", strangers.junk, NONE),
    Fault("too-fast", strangers.too_fast, NONE, alone=True),  # it takes the loop that all platforms share
)

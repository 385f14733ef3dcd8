"""What the benchmark works out: lag, stages, slopes and verdicts."""

from dataclasses import replace

import pytest

from tests.bench import kernel
from tests.bench.discovery import Found
from tests.bench.growth import drift
from tests.bench.process import Cost
from tests.bench.restart import Return, bound
from tests.bench.stages import shares, stage_of
from tests.bench.tables import slope

COST = Cost(
    way="conference-recorder",
    streams=100,
    microseconds=10.0,
    kernel=2.0,
    share=0.05,
    kib=500.0,
    resident=50_000,
    lag=0.2,
    generator=7.0,
    late=0.001,
)
# Port 8000 is 1F40; the peers have 9C40 (40000) and 9C41 (40001); 0A ends a listening socket's line.
SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F40 0100007F:9C40 01 00000010:00000007 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
   2: 0100007F:9C40 0100007F:1F40 01 00000003:00000100 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   3: 0100007F:9C41 0100007F:1F40 01 00000000:00004000 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1
   4: 0100007F:9C42 0100007F:1F40 06 00000000:00009999 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   5: 0100007F:9C43 0100007F:1F41 01 00000000:00009999 00:00000000 00000000     0        0 5 1 0 20 4 30 10 -1
""".splitlines()


def test_what_is_under_way_is_what_one_side_holds_and_the_other_has_not_read() -> None:
    assert kernel.unread(SOCKETS, 8000) == {40000: 0x10 + 0x100, 40001: 0x4000}


def test_lag_is_that_of_the_stream_furthest_behind() -> None:
    unread = {40000: 1000, 40001: 3000}

    assert kernel.lag(unread, {}, 1000) == 3.0
    assert kernel.lag(unread, {40000: 5000}, 1000) == 6.0
    assert kernel.lag({}, {}, 1000) == 0.0


@pytest.mark.parametrize(
    ("innermost", "stage"),
    [
        ("FrameSplitter.split (/srv/recorder/frames.py:40)", "receive"),
        ("JitterBuffer.push (/srv/recorder/core/jitterbuffer.py:90)", "jitter buffer"),
        ("unpack (/srv/recorder/core/encapsulation/rtp.py:30)", "encapsulation"),
        ("Recording.receive (/srv/recorder/core/recording.py:121)", "core, the rest"),
        ("SSLObject.read (/usr/lib/python3.11/ssl.py:921)", "TLS"),
        ("_perform (/srv/recorder/offload.py:100)", "hops to threads"),
        ("BoundLogger.info (/srv/lib/structlog/stdlib.py:10)", "logging"),
        ("Runner.run (/usr/lib/python3.11/asyncio/runners.py:118)", "event loop"),
        ("mean (/srv/lib/numpy/core/_methods.py:1)", "tasks"),
    ],
)
def test_the_innermost_frame_that_a_stage_knows_decides(innermost: str, stage: str) -> None:
    outer = "thread (7): MainThread;main (/srv/recorder/__main__.py:9);run (/srv/recorder/conference.py:79)"

    assert stage_of(f"{outer};{innermost}") == stage


def test_what_several_stages_share_counts_for_whoever_called_it() -> None:
    durable = "publish (/srv/storage/durable.py:20)"

    assert stage_of(f"thread (8): disk_0;seal (/srv/recorder/spool.py:90);{durable}") == "write"
    assert stage_of(f"thread (9): put;put (/srv/storage/directory.py:60);{durable}") == "upload"
    assert stage_of("thread (9): x;main (/srv/elsewhere.py:1)") == "other"


def test_the_kernel_says_how_much_is_the_main_threads() -> None:
    stacks = [
        "thread (7): MainThread;split (/srv/recorder/frames.py:40) 30",
        "thread (7): MainThread;run (/srv/lib/asyncio/runners.py:1) 10",
        "thread (8): disk_0;write (/srv/recorder/wav.py:40) 500",
        "thread (7): MainThread;take (/srv/recorder/core/recording.py:136);",  # torn: it ran as it was read
    ]

    assert shares(stacks, 0.8) == pytest.approx({"receive": 0.6, "event loop": 0.2, "write": 0.2})


def test_an_added_stream_costs_what_lies_between_two_points() -> None:
    assert slope(COST, replace(COST, streams=300, resident=90_000)) == 200.0


@pytest.mark.parametrize(
    ("microseconds", "resident", "flat"),
    [(10.5, 51_000, True), (8.0, 40_000, True), (12.0, 50_000, False), (10.0, 60_000, False)],
)
def test_a_run_is_flat_when_its_end_costs_no_more_than_its_beginning(
    microseconds: float, resident: int, flat: bool
) -> None:
    between, last = (
        replace(COST, microseconds=99),
        replace(COST, microseconds=microseconds, resident=resident),
    )

    assert drift([COST, between, last]).flat is flat


def test_a_generator_that_is_late_makes_the_figures_void() -> None:
    assert not COST.void
    assert replace(COST, late=0.2).void


def test_other_processes_on_its_core_make_the_figures_void() -> None:
    assert replace(COST, denied=0.3).void


def test_a_return_is_good_in_time_and_without_a_lost_sample() -> None:
    back = Return(seconds=100, bound=bound(2000, 15), up=2000, mean=0.5, most=0.9, lost_before=7)

    assert back.bound == pytest.approx(143.3, abs=0.1)
    assert back.good
    assert not replace(back, seconds=150).good
    assert not replace(back, seconds=None).good
    assert not replace(back, lost_after=1).good


FOUND = Found(
    seconds=18.0,
    requests={"pages": 21, "streams": 200},
    later={},
    busiest=17,
    throttled=0,
    cpu=0.3,
    memory=100.0,
    cpu_later=0.2,
    memory_later=110.0,
    late=[float(n) for n in range(1, 21)],
    unheard=0,
    lost=0,
    platform=0.3,
)


def test_conferences_are_found_well_in_time_within_the_budget_and_without_a_loss() -> None:
    assert FOUND.good
    assert not replace(FOUND, seconds=30.1).good
    assert not replace(FOUND, seconds=None).good
    assert not replace(FOUND, throttled=1).good
    assert not replace(FOUND, unheard=1).good
    assert not replace(FOUND, lost=1).good


def test_of_twenty_the_nineteenth_is_that_of_ninety_five_percent() -> None:
    assert FOUND.spread == (10.5, 19.0, 20.0)
    assert replace(FOUND, late=[2.0]).spread == (2.0, 2.0, 2.0)
    assert replace(FOUND, late=[]).spread == (0.0, 0.0, 0.0)

"""What a scrape says, and that alerts and dashboard name nothing that no scrape has."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from recorder.metrics import exposition
from recorder.state import State
from recorder.status import SpoolStatus, Status, Totals, UploadStatus, WatchStatus, duration, headline
from recorder.tally import LATENCIES, Tally, UploadTally
from storage.manifest import GapReason

SYSTEMD = Path(__file__).parents[2] / "systemd"
OURS = re.compile(r"\b(?:conference_recorder|process)_\w+")


def spool(**values: float) -> SpoolStatus:
    known = {"segments": 12, "bytes": 1000, "seconds": 62.5, "oldest": 40, "aside": 1, "free_bytes": 10**9}
    return SpoolStatus.model_validate({**known, "paused": False, "looked": 1.0} | values)


def watch(state: State) -> WatchStatus:
    return WatchStatus(
        kind="conference",
        id="1ed12456-eb4b-11ee-bba8-1bfb2838807a",
        name="board",
        state=state,
        why="",
        since=datetime(2026, 11, 22, 15, tzinfo=UTC),
        recorded=1,
        silence={},
        gaps=0,
        reconnects=0,
        reopened=0,
        last_audio=None,
        codec=None,
        jitter_ms=None,
        drift_ppm=None,
    )


@pytest.fixture
def scrape() -> str:
    status = Status(
        version="0.1.0",
        recorder="rec-a",
        phase="ready",
        started=datetime(2026, 11, 22, 15, tzinfo=UTC),
        listed=3,
        watches=(watch(State.RECORDING), watch(State.RECORDING), watch(State.BLOCKED)),
        spool=spool(),
        uploads=UploadStatus(
            store="s3://b", away=True, problem="", uploaded=2, failures={}, read_back_failures=1, overdue=0
        ),
        trouble="",
        standstills=(),
    )
    tally = Tally(recorded=80_000)
    tally.silence[GapReason.DISK] = 4000
    tally.reconnects["lost"] = 3
    uploads = UploadTally()
    for seconds in (0.05, 0.2, 500.0):
        uploads.uploaded(seconds)
    uploads.failed("unavailable", read_back=True)
    return exposition(
        status, Totals(tally, uploads, given_up=2.5, hooks={"taken": 4, "given_up": 1, "failed": 6})
    ).decode()


def test_what_was_counted_is_told_in_the_units_of_prometheus(scrape: str) -> None:
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(scrape)
        for sample in family.samples
    }
    prefix = "conference_recorder_"

    assert values[prefix + "streams", "recording"] == 2
    assert {values[prefix + "streams", state.value] for state in State} == {0, 1, 2}
    assert values[prefix + "recorded_seconds_total",] == 10
    assert values[prefix + "silence_seconds_total", "disk"] == 0.5
    assert values[prefix + "silence_seconds_total", "stalled"] == 0
    assert values[prefix + "lost_seconds_total", "given_up"] == 2.5
    assert values[prefix + "reconnects_total", "lost"] == 3
    assert values[prefix + "recorded_minus_uploaded_seconds",] == 62.5
    assert values[prefix + "read_back_failures_total",] == 1
    assert values[prefix + "upload_failures_total", "unavailable"] == 1
    assert values[prefix + "store_away",] == 1
    assert values[prefix + "hook_events_total", "taken"] == 4
    assert values[prefix + "hook_events_total", "given_up"] == 1
    assert values[prefix + "hook_failures_total",] == 6
    assert values["process_resident_memory_bytes",] > 1 << 20


def test_the_times_of_uploads_are_a_histogram(scrape: str) -> None:
    (family,) = (
        family
        for family in text_string_to_metric_families(scrape)
        if family.name == "conference_recorder_upload_seconds"
    )
    buckets = [sample.value for sample in family.samples if sample.name.endswith("_bucket")]

    assert family.type == "histogram"
    assert len(buckets) == len(LATENCIES) + 1
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[2], buckets[-2], buckets[-1]) == (1, 2, 2, 3), "a bound is of its bucket"


def exported(scrape: str) -> set[str]:
    families = text_string_to_metric_families(scrape)
    return {sample.name for family in families for sample in family.samples}


def test_every_metric_of_the_alerts_is_told(scrape: str) -> None:
    rules = yaml.safe_load((SYSTEMD / "conference-recorder.rules.yml").read_text())["groups"][0]["rules"]

    named = {name for rule in rules for name in OURS.findall(rule["expr"])}
    assert named - exported(scrape) == set()
    assert len(rules) == len({rule["alert"] for rule in rules}) >= 9
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_every_metric_of_the_dashboard_is_told_and_every_panel_has_one(scrape: str) -> None:
    dashboard = json.loads((SYSTEMD / "conference-recorder.dashboard.json").read_text())

    named = [OURS.findall(target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
    assert all(named)
    assert {name for names in named for name in names} - exported(scrape) == set()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_metric_of_ours_is_explained(scrape: str) -> None:
    for family in text_string_to_metric_families(scrape):
        assert len(family.documentation) > 10


def test_the_line_for_people() -> None:
    states = {State.RECORDING: 41, State.WAITING: 3}

    assert (
        headline(states, spool(), "ready")
        == "41 recording, 3 waiting, 0 blocked; spool 12 segments, oldest 40 s"
    )
    assert headline({State.DEGRADED: 1}, spool(segments=0), "stopping", away=True) == (
        "stopping: 0 recording, 0 waiting, 0 blocked, 1 degraded; spool 0 segments; the store takes nothing"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min"), (303, "5 min 3 s"), (7200, "2 h"), (90061, "1 d 1 h")],
)
def test_times_are_told_in_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words

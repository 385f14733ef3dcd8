"""Metrics in the text form of Prometheus, from what was counted anyway. The one importer of its client.

Nothing is counted here, and nothing is kept: each scrape is put together when it is asked for.
"""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from recorder.core.media import SAMPLE_RATE
from recorder.state import State
from recorder.status import Status, Totals
from recorder.tally import LATENCIES, UploadTally
from storage.manifest import GapReason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "conference_recorder_"
RECONNECTS = ("lost", "not_live", "refused", "silent", "throttled", "transient")
HOOKS = ("taken", "given_up", "failed")
FAILURES = ("unavailable", "rejected", "timeout", "set_aside", "spool", "error")


def exposition(status: Status, totals: Totals) -> bytes:
    """All metrics. Blocking: it reads of the process what the kernel counts."""
    registry = CollectorRegistry()
    registry.register(_Scrape(status, totals))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Scrape(Collector):
    """What is told at one scrape."""

    def __init__(self, status: Status, totals: Totals) -> None:
        self._status = status
        self._totals = totals

    def describe(self) -> Iterator[Metric]:
        return iter(())  # the names are known here, and nobody else is in the registry

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            PREFIX + "build",
            "Which recorder this is.",
            value={"version": self._status.version, "recorder": self._status.recorder},
        )
        yield from self._of_watches()
        yield from self._of_the_spool()
        yield from self._of_uploads(self._totals.uploads)
        hooks = dict.fromkeys(HOOKS, 0) | dict(self._totals.hooks)
        failed = hooks.pop("failed")
        yield _counters("hook_events", "What became of events that hooks were told of.", "outcome", hooks)
        yield _counter("hook_failures", "Attempts to tell a hook that came to nothing.", failed)

    def _of_watches(self) -> Iterator[Metric]:
        tally = self._totals.tally
        states = {state.value: 0 for state in State}
        for watch in self._status.watches:
            states[watch.state.value] += 1
        yield _gauges("streams", "Watches by state.", "state", states)
        yield _counter(
            "recorded_seconds", "Audio that the disk of the spool took.", tally.recorded / SAMPLE_RATE
        )
        silence = {reason.value: tally.silence[reason] / SAMPLE_RATE for reason in GapReason}
        what = "Silence in place of what was not heard or not written."
        yield _counters("silence_seconds", what, "reason", silence)
        lost = {"disk": silence[GapReason.DISK], "given_up": self._totals.given_up}
        what = "Audio that came, and was not written or was given up to make room."
        yield _counters("lost_seconds", what, "reason", lost)
        yield _counter("gaps", "Times that silence was put in.", tally.gaps)
        reconnects = dict.fromkeys(RECONNECTS, 0) | tally.reconnects
        what = "Streams that were lost or brought nothing, and attempts in vain."
        yield _counters("reconnects", what, "reason", reconnects)
        yield _counter("sealed_segments", "Segments that were finished.", tally.sealed)
        patterns = {each.pattern: each.conferences for each in self._status.patterns}
        what = "Conferences that the platform has now, by the pattern of the watch list that names them."
        yield _gauges("pattern_conferences", what, "pattern", patterns)
        what = "Whether the platform seems to end every stream before it brings audio."
        yield _gauge("platform_trouble", what, int(bool(self._status.trouble)))
        what = "Parts that do not get on though they should; systemd restarts a daemon that has any."
        yield _gauge("standstills", what, len(self._status.standstills))

    def _of_the_spool(self) -> Iterator[Metric]:
        spool = self._status.spool
        yield _gauge("spool_segments", "Sealed segments that wait for their upload.", spool.segments)
        yield _gauge("spool_bytes", "Audio in the spool, that of open segments too.", spool.bytes)
        yield _gauge("spool_oldest_seconds", "How long the oldest sealed segment has waited.", spool.oldest)
        yield _gauge("spool_free_bytes", "Free on the disk of the spool.", spool.free_bytes)
        what = "Whether no audio is written, because less than min_free is free."
        yield _gauge("spool_paused", what, int(spool.paused))
        yield _gauge("spool_aside_files", "Files set aside, which a person must look at.", spool.aside)
        what = "Audio that is on the disk of the spool and not in the bucket."
        yield _gauge("recorded_minus_uploaded_seconds", what, spool.seconds)

    def _of_uploads(self, uploads: UploadTally) -> Iterator[Metric]:
        yield _gauge(
            "store_away", "Whether the store takes nothing at the moment.", int(self._status.uploads.away)
        )
        what = "Attempts to upload a segment that came to nothing."
        yield _counters("upload_failures", what, "reason", dict.fromkeys(FAILURES, 0) | uploads.failures)
        what = "Times that the bucket gave back something else than it was given."
        yield _counter("read_back_failures", what, uploads.read_back_failures)
        yield _histogram(uploads)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, what, value=value)


def _gauges(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, what, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family


def _counter(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, what, value=value)


def _counters(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, what, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family


def _histogram(uploads: UploadTally) -> Metric:
    buckets, so_far = [], 0
    for bound, count in zip((*map(str, LATENCIES), "+Inf"), uploads.within, strict=True):
        so_far += count
        buckets.append((bound, float(so_far)))
    what = "How long a segment took, put and read back."
    return HistogramMetricFamily(PREFIX + "upload_seconds", what, buckets=buckets, sum_value=uploads.seconds)

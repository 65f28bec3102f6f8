"""What Prometheus can ask: what came in, what waits, how the judges answered, how long we took.

Counters live in this process; the queue, the evaluations and the scores are read from the database
at each scrape. A caller sees the numbers of their own project and of the process, never those of
another project. No label holds a word that a user wrote.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from sqlalchemy import Engine
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access import Caller, require
from app.criteria import Criteria
from app.database import reading
from app.requests import current_time
from app.store.evaluations import Coverage, coverage
from app.store.extractions import DAYS, ApplicationTally, recent_tallies
from app.store.rollups import BINS, rollup_points
from app.store.spans import Stored
from app.tables import DailyRollup

INGEST = ("project", "signal")
STATUSES = ("pending", "running", "scored", "abstained", "failed", "skipped")
TALLIED = {
    "traces": "Traces",
    "empty_traces": "Traces without an interaction",
    "spans": "Spans",
    "unmapped": "Spans of no known convention",
}
STATM = Path("/proc/self/statm")
LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

router = APIRouter(tags=["health"])


class Metrics:
    """The counters of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.received = self._ingest("received", "Items that arrived, by signal")
        self.stored = self._ingest("stored", "Items that were new or fuller and are on disk")
        self.duplicate = self._ingest("duplicate", "Items that were on disk already")
        self.rejected = self._ingest("rejected", "Items that no retry can save")
        self.requests = Histogram(
            "touchstone_request_seconds",
            "Time from a request's arrival to the end of its answer",
            ("method", "route", "status"),
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )

    def count(self, project: str, signal: str, stored: Stored, *, rejected: int) -> None:
        """Add what became of one request's items."""
        self.received.labels(project, signal).inc(stored.stored + stored.duplicate + rejected)
        self.stored.labels(project, signal).inc(stored.stored)
        self.duplicate.labels(project, signal).inc(stored.duplicate)
        self.rejected.labels(project, signal).inc(rejected)

    def _ingest(self, name: str, text: str) -> Counter:
        return Counter(f"touchstone_ingest_{name}", text, INGEST, registry=self.registry)


class RequestTimer:
    """ASGI middleware that observes every request by its route's template, never by its path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            seen = self.metrics.requests.labels(scope["method"], route, str(status))
            seen.observe(time.perf_counter() - started)


def install_metrics(app: FastAPI) -> None:
    """Give the application its counters, and time every request."""
    app.state.metrics = Metrics()
    app.add_middleware(RequestTimer, metrics=app.state.metrics)


def metrics_of(request: Request) -> Metrics:
    """The counters of the application that serves the request."""
    metrics: Metrics = request.app.state.metrics
    return metrics


@router.get("/metrics", response_class=Response)
def scrape(
    request: Request,
    caller: Annotated[Caller, Depends(require("read"))],
    now: Annotated[datetime, Depends(current_time)],
) -> Response:
    """The numbers of this process and of the caller's project, in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(metrics_of(request), request, caller.project, now))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Scrape:
    """What one scrape returns, as prometheus-client wants to ask for it."""

    def __init__(self, metrics: Metrics, request: Request, project: str, now: datetime) -> None:
        self.metrics, self.project, self.now = metrics, project, now
        self.engine: Engine = request.app.state.engine
        self.criteria: Criteria = request.app.state.criteria

    def collect(self) -> Iterator[Metric]:
        yield from _of_project(self.metrics.registry.collect(), self.project)
        yield from _process()
        with reading(self.engine) as session:
            covered = coverage(session, self.project)
            names = [criterion.name for criterion in self.criteria]
            points = {name: rollup_points(session, self.project, name) for name in names}
            found = recent_tallies(session, self.project, now=self.now)
        yield from _extraction(found)
        yield from _work(covered, self.now)
        yield _scores(points)


def _of_project(families: Iterable[Metric], project: str) -> Iterator[Metric]:
    for family in families:
        kept = [one for one in family.samples if one.labels.get("project", project) == project]
        family.samples = kept
        yield family


def _extraction(found: Sequence[ApplicationTally]) -> Iterator[Metric]:
    """What was found in the traces of the last days; a sender that changed shows here first."""
    for name, text in TALLIED.items():
        family = GaugeMetricFamily(
            f"touchstone_recent_{name}", f"{text} of the last {DAYS} days", labels=("application",)
        )
        for one in found:
            family.add_metric((one.application,), getattr(one, name))
        yield family


def _work(covered: Coverage, now: datetime) -> Iterator[Metric]:
    open_work = sum(
        counts.get("pending", 0) + counts.get("running", 0) for counts in covered.counts.values()
    )
    oldest = covered.oldest_pending_at
    age = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    yield GaugeMetricFamily("touchstone_queue_depth", "Evaluations without a verdict", open_work)
    yield GaugeMetricFamily("touchstone_queue_oldest_seconds", "Age of the oldest of them", age)
    by_status = GaugeMetricFamily(
        "touchstone_evaluations", "Evaluations by status", labels=("criterion", "status")
    )
    for criterion, counts in sorted(covered.counts.items()):
        for status in STATUSES:
            by_status.add_metric((criterion, status), counts.get(status, 0))
    yield by_status


def _scores(points: dict[str, list[DailyRollup]]) -> Metric:
    family = HistogramMetricFamily("touchstone_score", "Scores by criterion", labels=("criterion",))
    for criterion, rows in points.items():
        if rows:
            total = sum(row.total for row in rows)
            family.add_metric((criterion,), buckets=_buckets(rows), sum_value=total)
    return family


def _buckets(rows: Sequence[DailyRollup]) -> list[tuple[str, float]]:
    """The cumulative counts below each upper edge; the last bin reaches up to infinity."""
    counts = [sum(column) for column in zip(*(row.histogram for row in rows), strict=True)]
    edges = [*(f"{(index + 1) / BINS:g}" for index in range(BINS - 1)), "+Inf"]
    return [(edge, float(count)) for edge, count in zip(edges, accumulate(counts), strict=True)]


def _process() -> Iterator[Metric]:
    if STATM.exists():
        resident = int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        yield GaugeMetricFamily(
            "touchstone_resident_memory_bytes", "Resident memory of the web process", resident
        )

"""`touchstone demo`: synthetic traffic through the whole of Touchstone, with weekly reports."""

import logging
import signal
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.commands.learn import learn_week
from app.database import open_database
from app.demo.events import WEEKS, event_of
from app.demo.issue import issue_reports
from app.demo.review import labels, thumbs
from app.demo.send import otlp_exporter, send
from app.demo.server import (
    DEFAULT_DATABASE,
    DemoFailed,
    DemoServer,
    free_port,
    fresh_database,
    get,
    post,
    running_server,
    wait_for_evaluations,
)
from app.demo.traffic import DemoInteraction, demo_traffic
from app.selection import find_criteria, find_evaluators, load_all
from app.settings import has_display, read_settings

THUMBS_PER_REQUEST = 100
LABELS_PER_REQUEST = 60


def command(
    port: Annotated[int, typer.Option(help="Port of the demo server; another if taken.")] = 8000,
    database: Annotated[
        Path, typer.Option(help="SQLite file to fill; must not exist, but for the default one.")
    ] = DEFAULT_DATABASE,
    out: Annotated[Path, typer.Option(help="Folder for the reports.")] = Path("demo_output"),
    serve: Annotated[
        bool | None,
        typer.Option(help="Keep serving until Ctrl-C; by default only on a terminal."),
    ] = None,
) -> None:
    """Fill a fresh database with synthetic traffic and show the reports.

    Example: touchstone demo --port 8080
    """
    # A demo that is told to stop must not leave its server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with running_server(
            fresh_database(database), free_port(port), out / "server.log"
        ) as server:
            _run(server, console, out, database)
            if sys.stdin.isatty() if serve is None else serve:
                _keep_serving(server, console)
                return
    except DemoFailed as error:
        print(f"touchstone demo: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    console.print(
        f"The server is stopped. To look around, run `touchstone demo --serve`, or serve what is "
        f"there with\nTOUCHSTONE_DATABASE_URL=sqlite:///{database} TOUCHSTONE_OPEN_ACCESS=1 "
        f"touchstone serve",
        highlight=False,
        soft_wrap=True,
    )


def _run(server: DemoServer, console: Console, out: Path, database: Path) -> None:
    started = time.monotonic()
    traffic = demo_traffic()
    console.print(
        f"Sending {len(traffic)} synthetic interactions of {len(WEEKS)} weeks "
        f"to a server of our own at {server.address}.",
        highlight=False,
    )
    with _progress(console) as progress:
        _send(server, traffic, progress)
        counts = _judge(server, traffic, progress)
        _label(server, traffic, progress)
        _study(database, progress)
        reports = _report(server, database, out, progress)
    _tell(console, counts, reports)
    console.print(
        f"Done in {time.monotonic() - started:.0f} s. Reports are in {out / 'reports'}, "
        f"the pages at {server.address}",
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    """Progress bars; nothing moves when the output is not a terminal."""
    with Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        yield progress


def _send(server: DemoServer, traffic: tuple[DemoInteraction, ...], progress: Progress) -> None:
    # The SDK logs every retry; what is lost in the end makes `send` fail.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    task = progress.add_task("Sending over OTLP", total=len(traffic))
    send(
        traffic,
        lambda: otlp_exporter(server.address),
        sent=lambda number: progress.advance(task, number),
    )


def _judge(
    server: DemoServer, traffic: tuple[DemoInteraction, ...], progress: Progress
) -> dict[str, dict[str, int]]:
    task = progress.add_task("Judging", total=None)
    return wait_for_evaluations(
        server,
        len(traffic),
        progress=lambda ended, expected: progress.update(task, completed=ended, total=expected),
    )


def _label(server: DemoServer, traffic: tuple[DemoInteraction, ...], progress: Progress) -> None:
    criteria = get(server, "/api/v1/criteria")["criteria"]
    known = {one["name"]: [label["name"] for label in one["labels"]] for one in criteria}
    ids = _interaction_ids(server)
    made = list(labels(traffic, known))
    starts = range(0, len(made), LABELS_PER_REQUEST)
    for start in progress.track(starts, description="Labels, synthetic"):
        some = made[start : start + LABELS_PER_REQUEST]
        post(server, "/api/v1/annotations", [one.body(ids[one.trace_id]) for one in some])
    said = list(thumbs(traffic))
    for start in range(0, len(said), THUMBS_PER_REQUEST):
        post(server, "/api/v1/feedback", said[start : start + THUMBS_PER_REQUEST])


def _interaction_ids(server: DemoServer) -> dict[str, str]:
    """The id of the interaction of each trace."""
    ids: dict[str, str] = {}
    query: dict[str, Any] = {"limit": 500}
    while True:
        page = get(server, "/api/v1/interactions", **query)
        ids |= {one["trace_id"]: one["id"] for one in page["interactions"]}
        if page["next_cursor"] is None:
            return ids
        query["cursor"] = page["next_cursor"]


def _study(database: Path, progress: Progress) -> None:
    """Group the failures of every week by topic, as a worker does before it issues a report."""
    settings = read_settings(database_url=f"sqlite:///{database}")
    criteria = find_criteria(settings)
    evaluators = find_evaluators(settings)
    load_all(evaluators)
    engine = open_database(settings.database_url)
    for week in progress.track(WEEKS, description="Topics of failures"):
        learn_week(
            engine,
            evaluators,
            criteria,
            settings,
            project="default",
            week=week,
            now=datetime.now(UTC),
        )
    engine.dispose()


def _report(
    server: DemoServer, database: Path, out: Path, progress: Progress
) -> dict[str, dict[str, Any]]:
    weeks = progress.track(WEEKS, description="Weekly reports")
    engine = open_database(f"sqlite:///{database}")

    def read(week: str) -> dict[str, Any]:
        report: dict[str, Any] = get(server, f"/api/v1/reports/{week}")
        return report

    try:
        return issue_reports(read, engine, weeks, out / "reports", datetime.now(UTC))
    finally:
        engine.dispose()


def _tell(
    console: Console, counts: dict[str, dict[str, int]], reports: dict[str, dict[str, Any]]
) -> None:
    table = Table("Week", "What the report says", "What was planted", show_lines=True)
    for week, report in reports.items():
        event = event_of(week)
        table.add_row(week, report["verdict"], event.what if event else "nothing")
    console.print(table)
    for criterion, statuses in counts.items():
        told = ", ".join(f"{n} {status}" for status, n in sorted(statuses.items()) if n)
        console.print(f"{criterion}: {told}", highlight=False)


def _keep_serving(server: DemoServer, console: Console) -> None:
    console.print(f"Serving at {server.address} until Ctrl-C.", highlight=False)
    if has_display():
        webbrowser.open(server.address)
    try:
        while server.process.poll() is None:
            time.sleep(1)
    except KeyboardInterrupt:
        return
    server.check()

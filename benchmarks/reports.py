"""How long the report of a week and the points of a trend take over a long history, on SQLite.

`make bench-reports` writes benchmarks/reports.md. With DATABASES=folder it keeps the databases that
it makes there, and uses those that it finds.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.criteria import read_criteria
from app.database import open_database, reading
from app.reports import build_report, live
from app.reports.counting import count_periods, with_combinations
from app.reports.live import View
from app.reports.tallies import EVERYTHING, Slice
from app.reports.trends import Asked, trend_points
from app.store.rollups import newest_hour
from app.tables import Interaction
from benchmarks.machine import describe
from benchmarks.reading import SIZES, grow

TARGET = Path(__file__).parent / "reports.md"
ROUNDS = 9
MB = 1024
"""A maximum resident set is told in kibibytes."""


@dataclass(frozen=True, slots=True)
class Times:
    """The medians of some rounds, in seconds of the clock and of the processor."""

    name: str
    wall: float
    processor: float


def measured(database: Path, rounds: int = ROUNDS) -> tuple[list[Times], float]:
    """The times of every read, and the largest memory of the process in MB."""
    engine = open_database(f"sqlite:///{database}")
    with reading(engine) as session:
        found = [_timed(name, read, rounds) for name, read in _reads(session).items()]
    engine.dispose()
    return found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MB


def _reads(session: Session) -> dict[str, Callable[[], object]]:
    newest = session.scalar(select(func.max(col(Interaction.started_at))))
    assert newest is not None
    week = f"{newest:%G-W%V}"
    criteria = read_criteria()

    def report() -> object:
        return build_report(
            session,
            project="default",
            criteria=criteria,
            week=week,
            application=None,
            now=datetime.now(UTC),
            time_zone="UTC",
        )

    def trend(bucket: str, days: int, by: str = "") -> object:
        last = newest_hour(session, "default", "groundedness", application=None, by=by)
        assert last is not None
        asked = Asked("default", "groundedness", bucket, from_at=last - timedelta(days=days))
        return trend_points(session, asked, by=by)

    def baseline() -> object:
        periods = view.periods()
        scope, names = view.scope(periods), list(criteria.by_name)
        tallies, chosen = count_periods(session, scope, periods, names, [part.key])
        return with_combinations(session, view.scope(periods[-1:]), tallies, chosen)

    part = Slice("language", "de")
    last = newest.date()
    view = View("default", None, EVERYTHING, last - timedelta(days=6), last, "UTC")
    within = replace(view, part=part)
    now = datetime.now(UTC)
    return {
        "dashboard of a week: scorecard, trend, coverage": lambda: live.overview(
            session, view, criteria, now=now
        ),
        "dashboard: slices": lambda: live.regressions(session, view, criteria),
        "dashboard: trust": lambda: live.confidence(session, view, criteria),
        "dashboard: fairness": lambda: live.groups(session, view, criteria),
        "dashboard of a segment: scorecard, trend, coverage": lambda: live.overview(
            session, within, criteria, now=now
        ),
        "dashboard of a segment: slices": lambda: live.regressions(session, within, criteria),
        "baseline of these: slices from a sample of all segments": baseline,
        "dashboard of a segment: fairness": lambda: live.groups(session, within, criteria),
        "report of a week, with the twelve before it": report,
        "trend of six weeks by day": lambda: trend("day", 42),
        "trend of twelve weeks by week": lambda: trend("week", 84),
        "trend of six weeks by day and language": lambda: trend("day", 42, "language"),
    }


def _timed(name: str, read: Callable[[], object], rounds: int) -> Times:
    read()
    walls, processors = [], []
    for _ in range(rounds):
        wall, processor = time.perf_counter(), time.process_time()
        read()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return Times(name, median(walls), median(processors))


def _lines(results: dict[int, tuple[list[Times], float]]) -> Iterator[str]:
    sizes = list(results)
    yield "# Reports and trends over a long history\n"
    yield (
        f"{' '.join(describe())} SQLite; the history holds 500 interactions an hour with five "
        f"evaluations each. Each figure is the median of {ROUNDS} reads after one that was not "
        "measured: milliseconds of the processor, and in brackets of the clock, which also counts "
        "what other programs on the machine took. `make bench-reports`.\n"
    )
    yield f"| read | {' | '.join(f'{size:,} interactions' for size in sizes)} |"
    yield f"|{'---|' * (len(sizes) + 1)}"
    for place, first in enumerate(results[sizes[0]][0]):
        own = [results[size][0][place] for size in sizes]
        shown = [f"{1000 * one.processor:,.0f} ({1000 * one.wall:,.0f})" for one in own]
        yield f"| {first.name} | {' | '.join(shown)} |"
    memory = [f"{results[size][1]:,.0f} MB" for size in sizes]
    yield f"| largest memory of the process | {' | '.join(memory)} |"


def main(arguments: Sequence[str]) -> None:
    """Write the figures; an argument names the folder of the databases."""
    results = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(arguments[0]) if arguments else Path(made)
        for size in SIZES:
            database = folder / f"{size}.db"
            if not database.exists():
                print(grow(database, size), file=sys.stderr)
            # A process of its own, so that its memory is that of this size alone.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                results[size] = pool.submit(measured, database).result()
    text = "\n".join([*_lines(results), ""])
    TARGET.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])

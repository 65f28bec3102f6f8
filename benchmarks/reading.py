"""How long the hot reads take as the tables grow, through the server, on SQLite."""

import json
import sqlite3
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.criteria import Criteria, read_criteria
from app.database import open_database, transaction
from app.ingest.jsonl import parse_interaction
from app.migrate import migrate
from app.outcomes import Outcome
from app.selection import find_evaluators
from app.settings import read_settings
from app.store.evaluations import claim, record
from app.store.interactions import save_interactions
from app.store.rollups import KEY, VALUES, Sums
from app.workload import realistic_samples, sample_json
from benchmarks.serving import Server, processor_seconds, serving
from benchmarks.tables import Section
from benchmarks.timing import Spread, seconds_of

SEED_INTERACTIONS = 1000
HOURS_PER_COPY = 2
START = datetime(2026, 1, 5, tzinfo=UTC)
SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 9
SECONDS_PER_READ = 4.0


def reading_section(*, quick: bool) -> Section:
    """A row per read, a column per size, and how the time grows from the first to the last."""
    sizes = SIZES[:2] if quick else SIZES
    columns = [f"{size:,} rows, ms" for size in sizes]
    section = Section(
        "Hot reads through the server, milliseconds",
        ("read", *columns, "growth", "ns a row", "processor, ms"),
    )
    medians: dict[str, list[Spread]] = {}
    ran: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            database = Path(folder) / f"{size}.db"
            section.notes.append(grow(database, size))
            with serving(database, "--no-worker", "--no-warm") as server:
                for name, path in _paths(server).items():
                    taken, ran[name] = _measured(server, path)
                    medians.setdefault(name, []).append(taken)
            database.unlink()
    for name, found in medians.items():
        growth = found[-1].median / found[0].median
        per_row = 1e9 * found[-1].median / sizes[-1]
        shown = [f"{1000 * one.median:.1f}" for one in found]
        section.rows.append(
            (name, *shown, f"{growth:.1f} ×", f"{per_row:,.0f}", f"{1000 * ran[name]:.0f}")
        )
    section.notes.append(
        f"Each figure is the median of up to {ROUNDS} requests after one that was not measured. "
        "The last column is what the server ran on a processor for one of them, with most rows: "
        "other programs hardly lengthen it. "
        f"A row is an interaction with five evaluations; more rows are a longer history "
        f"({SEED_INTERACTIONS // HOURS_PER_COPY} interactions an hour)."
    )
    return section


def _measured(server: Server, path: str) -> tuple[Spread, float]:
    """How long a read takes, and how much of that the server runs on a processor, in seconds."""
    first = seconds_of(lambda: server.get(path))
    # A read that takes seconds is not worth minutes.
    rounds = max(1, min(ROUNDS, int(SECONDS_PER_READ / first)))
    before = processor_seconds(server.pid)
    taken = Spread.of([seconds_of(lambda: server.get(path)) for _ in range(rounds)])
    return taken, (processor_seconds(server.pid) - before) / rounds


def _paths(server: Server) -> dict[str, str]:

    first = json.loads(server.get("/api/v1/interactions?limit=500"))
    one, cursor = first["interactions"][0], first["next_cursor"]
    week = f"{datetime.fromisoformat(one['started_at']) - timedelta(days=7):%G-W%V}"
    return {
        "list, newest 50": "/api/v1/interactions",
        "list, after a cursor": f"/api/v1/interactions?cursor={cursor}",
        "list of an application": "/api/v1/interactions?application=shop",
        "list of a criterion and label": (
            "/api/v1/interactions?criterion=groundedness&label=ungrounded"
        ),
        "list of a rare label": "/api/v1/interactions?criterion=bias&label=biased",
        "list of failed evaluations": "/api/v1/interactions?status=failed",
        "list of a segment": "/api/v1/interactions?segment.language=de",
        "list of an hour": f"/api/v1/interactions?from={START:%Y-%m-%d}&to={START:%Y-%m-%d}T01:00",
        "list, words": "/api/v1/interactions?text=warehouse",
        "list, words that nobody said": "/api/v1/interactions?text=xylophone",
        "one interaction": f"/api/v1/interactions/{one['id']}",
        "one trace": f"/api/v1/traces/{one['trace_id']}",
        "trend by day": "/api/v1/trends?criterion=groundedness",
        "trend by week and language": "/api/v1/trends?criterion=toxicity&bucket=week&by=language",
        "coverage": "/api/v1/coverage",
        "metrics": "/metrics",
        "page: home": "/",
        "page: list": "/interactions",
        "page: list of a label": "/interactions?criterion=groundedness&label=ungrounded",
        "page: trends": "/trends",
        "page: interaction": f"/interactions/{one['id']}",
        "report of a week": f"/api/v1/reports/{week}",
    }


def grow(database: Path, size: int) -> str:
    """A database of that many judged interactions: a thousand, copied into later hours."""
    started = time.perf_counter()
    _seed(database)
    connection = sqlite3.connect(database)
    # Nobody needs what is half made, so nothing is written twice.
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
        connection.execute(f"PRAGMA {pragma}")
    copies = size // SEED_INTERACTIONS
    connection.execute("CREATE TEMP TABLE copy (number_of_copy INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO copy VALUES (?)", [(n,) for n in range(1, copies)])
    later = "strftime('%Y-%m-%d %H:%M:%f000', {0}, '+' || ({1} * copy.number_of_copy) || ' hours')"
    moved = {name: later.format(name, HOURS_PER_COPY) for name in TIMES}
    keyed = {name: f"substr({name}, 1, 26) || printf('%06d', copy.number_of_copy)" for name in KEYS}
    for table in ("trace", "span", "interaction", "evaluation", "rollup"):
        changed = {**moved, **keyed}
        if table == "evaluation":
            changed["id"] = "NULL"
        _copy(connection, table, changed)
    for statement in WORDS:
        connection.execute(statement)
    _add_up_days(connection)
    connection.execute("ANALYZE")
    connection.commit()
    connection.close()
    took, mb = time.perf_counter() - started, database.stat().st_size / 1e6
    return f"{size:,} interactions: a file of {mb:,.0f} MB, made in {took:.0f} s."


TIMES = ("started_at", "bucket_at")
KEYS = ("trace_id", "interaction_id")


WORDS = (
    "INSERT INTO search_entry (interaction_id, project, started_at) SELECT id, project, started_at "
    "FROM interaction WHERE id NOT IN (SELECT interaction_id FROM search_entry) "
    "ORDER BY started_at, id",
    "INSERT INTO search_words (rowid, prompt, response) SELECT search_entry.id, prompt, response "
    "FROM search_entry JOIN interaction ON interaction.id = search_entry.interaction_id "
    "WHERE search_entry.id NOT IN (SELECT id FROM search_words_docsize) ORDER BY search_entry.id",
)


def _add_up_days(connection: sqlite3.Connection) -> None:
    """The counts of the days as the sums of the hours that were copied."""
    connection.execute("DELETE FROM daily_rollup")
    sums: dict[tuple[str, ...], Sums] = {}
    keys, values = ", ".join(KEY), ", ".join(VALUES)
    for row in connection.execute(f"SELECT {keys}, {values} FROM rollup"):
        project, hour, *rest = row[: len(KEY)]
        key = (project, f"{hour[:10]} 00:00:00.000000", *rest)
        counted = dict(zip(VALUES, row[len(KEY) :], strict=True))
        counted["histogram"] = json.loads(counted["histogram"])
        sums.setdefault(key, Sums()).merge(Sums(**counted))
    connection.executemany(
        f"INSERT INTO daily_rollup ({keys}, {values}) "
        f"VALUES ({', '.join('?' * (len(KEY) + len(VALUES)))})",
        (
            (*key, *list(asdict(one).values())[:-1], json.dumps(one.histogram))
            for key, one in sums.items()
        ),
    )


def _copy(connection: sqlite3.Connection, table: str, changed: dict[str, str]) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    chosen = dict.fromkeys(columns) | {n: v for n, v in changed.items() if n in columns}
    if table == "interaction":
        chosen["id"] = "substr(id, 1, 26) || printf('%06d', copy.number_of_copy)"
    values = ", ".join(value or name for name, value in chosen.items())
    names = ", ".join(chosen)
    connection.execute(f"INSERT INTO {table} ({names}) SELECT {values} FROM {table}, copy")


def _seed(database: Path) -> None:
    """A thousand interactions of two hours with outcomes for every criterion."""
    engine = open_database(f"sqlite:///{database}")
    migrate(engine)
    specs = [one.spec for one in find_evaluators(read_settings())]
    rows = [
        parse_interaction(line, where="benchmark", project="default", now=START)
        for line in _lines()
    ]
    criteria = read_criteria()
    with transaction(engine) as session:
        save_interactions(session, rows, specs=specs, now=START)
        taken = claim(
            session,
            specs=specs,
            now=START,
            interactions=SEED_INTERACTIONS,
            lease_seconds=60,
            max_attempts=3,
        )
        judged = [
            (one, _outcome(criteria, one.evaluation.criterion, n // len(specs)))
            for n, one in enumerate(taken)
        ]
        record(session, judged, specs=specs, now=START)
    engine.dispose()


def _lines() -> list[dict[str, object]]:
    step = timedelta(hours=HOURS_PER_COPY) / SEED_INTERACTIONS
    return [
        {
            "id": str(n),
            **sample_json(one),
            "application": ("shop", "clinic", "city")[n % 3],
            "segments": {"language": ("en", "de", "es")[n % 3], "channel": ("web", "app")[n % 2]},
            "started_at": (START + n * step).isoformat(),
        }
        for n, one in enumerate(realistic_samples(SEED_INTERACTIONS))
    ]


def _outcome(criteria: Criteria, name: str, number: int) -> Outcome:
    criterion = criteria.get(name)
    if name == "toxicity" and number % 500 == 0:
        return Outcome(status="failed", error_type="Timeout", explanation="It failed.")
    good = number % (499 if name == "bias" else 20) != 0
    score = 0.9 if good == criterion.higher_is_better else 0.05
    return Outcome(
        status="scored",
        score=score,
        label=criterion.label_for(score),
        passed=criterion.passes(score),
        threshold=criterion.threshold,
        explanation="Every claim has support.",
        seconds=0.01,
    )

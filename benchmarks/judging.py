"""How fast the judges judge: in batches, from traces to stored verdicts, and one on demand."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from app.api.health import FINE
from app.criteria import read_criteria
from app.database import open_database, transaction
from app.guardrail import judge_samples
from app.ingest.jsonl import parse_interaction
from app.migrate import migrate
from app.selection import find_evaluators, load_all
from app.settings import read_settings
from app.store.interactions import save_interactions
from app.worker import work_once
from app.workload import COPIED, realistic_samples, sample_json
from benchmarks.serving import Server, serving
from benchmarks.tables import Section
from benchmarks.timing import Spread, percentile, seconds_of
from evaluators.heads.packed import Embeddings, Group
from evaluators.protocol import Evaluator, Sample

STARTING_SECONDS = 300.0


def judging_section(*, quick: bool) -> Section:
    """`touchstone bench speed`, the tokens behind it, and the worker's whole way."""
    count, rounds = (32, 3) if quick else (128, 5)
    figures = _bench_speed(count, rounds, COPIED)
    section = Section("Five criteria on realistic interactions", ("what", "figure"))
    section.rows.append(("interactions a second, judged in batches", f"**{_rate(figures)}**"))
    plain = _rate(_bench_speed(count, rounds, 0.0))
    section.rows.append(("the same, no sentence of an answer copied", plain))
    for name, seconds in figures["seconds_per_interaction"].items():
        section.rows.append((f"{name}, milliseconds an interaction", f"{1000 * seconds:.1f}"))
    tokens, parts = _tokens_per_interaction(COPIED)
    section.rows.append(("encoder tokens an interaction, all criteria", f"{tokens:,.0f}"))
    unquoted, _ = _tokens_per_interaction(0.0)
    section.rows.append(("the same, no sentence of an answer copied", f"{unquoted:,.0f}"))
    section.rows.append(("words an interaction (prompt, response, contexts)", parts))
    section.rows.append(("interactions a second, claimed, judged and recorded", _worker(count, 3)))
    section.notes = [
        f"{figures['rounds']} rounds of {count} interactions, each different: three contexts of "
        "150 words, answers of 60 to 200 words, so that no text is encoded for two interactions. "
        f"{COPIED:.0%} of the sentences of the answers stand in a context word for word, and those "
        "groundedness need not read; other answers cost more, as the second line shows.",
        "Wanted are at least 8 interactions a second, at best 25: the tokens that the encoders "
        "read of an interaction, times the figures of the encoder above, bound it.",
    ]
    return section


def latency_section(*, quick: bool) -> Section:
    """`POST /api/v1/score` with one item, one request after the other, on an idle server."""
    section = Section(
        "POST /api/v1/score, one item, five criteria", ("server", "p50 ms", "p95 ms", "first ms")
    )
    count = 20 if quick else 100
    bodies = _bodies(realistic_samples(count))
    unquoted = _bodies(realistic_samples(count, seed=2, copied=0.0))
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "bench.db"
        with serving(database, "--no-worker") as server:
            section.rows.append(("no worker beside it", *_latencies(server, bodies)))
            again = _latencies(server, unquoted)
            section.rows.append(("the same, no sentence of an answer copied", *again))
        with serving(database) as server:
            _wait_for_worker(server)
            section.rows.append(("with an idle worker", *_latencies(server, bodies)))
    section.notes = [
        "Each item is different. The first request includes whatever the judges still need to "
        "start: it is sent as soon as the server is ready, or the worker where there is one, which "
        "takes both cores while it loads its judges.",
        "Wanted are at most 150 ms at p95 on an idle server, at best 60. In bf16 nine tenths of "
        "a single item were products of matrices.",
    ]
    return section


def _bodies(samples: Sequence[Sample]) -> list[dict[str, object]]:
    return [{"items": [sample_json(one)]} for one in samples]


def _latencies(server: Server, bodies: Sequence[object]) -> tuple[str, str, str]:
    first = seconds_of(lambda: _until_answered(server, bodies[0]))
    taken = []
    for body in bodies[1:]:
        started = time.perf_counter()
        server.post("/api/v1/score", body)
        taken.append(time.perf_counter() - started)
    shown = (percentile(taken, 0.5), percentile(taken, 0.95), first)
    return tuple(f"{1000 * one:.0f}" for one in shown)  # type: ignore[return-value]


def _wait_for_worker(server: Server) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while json.loads(server.get("/readyz"))["checks"]["worker"] != FINE:
        if time.monotonic() > deadline:
            raise RuntimeError(f"no worker was ready within {STARTING_SECONDS:g} s")
        time.sleep(0.1)


def _until_answered(server: Server, body: object) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            server.post("/api/v1/score", body)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
        else:
            return


def _rate(figures: dict[str, Any]) -> str:
    return f"{figures['interactions_per_second']} ({figures['lowest']} to {figures['highest']})"


def _bench_speed(count: int, rounds: int, copied: float) -> dict[str, Any]:
    options = ("--interactions", str(count), "--rounds", str(rounds), "--copied", str(copied))
    command = [sys.executable, "-m", "app", "bench", "speed", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _tokens_per_interaction(copied: float) -> tuple[float, str]:
    samples = realistic_samples(64, seed=99, copied=copied)
    criteria = read_criteria()
    judges = _judges()
    with counted_tokens() as counts:
        judge_samples(judges, criteria, samples, None)
    words = [
        sum(len(text.split()) for text in texts) / len(samples)
        for texts in (
            [one.prompt for one in samples],
            [one.response for one in samples],
            [text for one in samples for text in one.contexts],
        )
    ]
    return sum(counts) / len(samples), " + ".join(f"{one:.0f}" for one in words)


@contextmanager
def counted_tokens() -> Iterator[list[int]]:
    """A list that grows by the number of tokens of each batch that any encoder computes."""
    counts: list[int] = []
    embed = Embeddings.__call__

    def counting(
        self: Embeddings, ids: torch.Tensor, types: torch.Tensor, groups: Sequence[Group]
    ) -> torch.Tensor:
        counts.append(len(ids))
        return embed(self, ids, types, groups)

    Embeddings.__call__ = counting  # type: ignore[method-assign]
    try:
        yield counts
    finally:
        Embeddings.__call__ = embed  # type: ignore[method-assign]


def _worker(count: int, rounds: int) -> str:
    """Interactions a second from waiting rows to stored verdicts, in one process."""
    judges, criteria = _judges(), read_criteria()
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings(database_url=f"sqlite:///{folder}/bench.db")
        engine = open_database(settings.database_url)
        migrate(engine)
        for number in range(rounds):
            _enqueue(engine, judges, count, seed=number)
            started = time.perf_counter()
            while not work_once(engine, judges, criteria, settings, now=_now).idle:
                pass
            rates.append(count / (time.perf_counter() - started))
        engine.dispose()
    return f"{Spread.of(rates):.1f}"


def _enqueue(engine: object, judges: list[Evaluator], count: int, *, seed: int) -> None:
    samples = realistic_samples(count, seed=1000 + seed)
    lines = [{"id": f"{seed}-{n}", **sample_json(one)} for n, one in enumerate(samples)]
    rows = [
        parse_interaction(line, where="benchmark", project="default", now=_now()) for line in lines
    ]
    with transaction(engine) as session:  # type: ignore[arg-type]
        save_interactions(session, rows, specs=[one.spec for one in judges], now=_now())


def _judges() -> list[Evaluator]:
    criteria = read_criteria()
    judges = [
        one for one in find_evaluators(read_settings()) if one.spec.criterion in criteria.by_name
    ]
    load_all(judges)
    return judges


def _now() -> datetime:
    return datetime.now(UTC)

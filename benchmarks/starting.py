"""Memory and start-up of the server and of its worker."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.workload import realistic_samples, sample_json
from benchmarks.serving import Server, children_of, command_of, memory_mb, serving
from benchmarks.tables import Section
from benchmarks.timing import Spread

JUDGED_SECONDS = 180.0


def starting_section(*, quick: bool) -> Section:
    """Ready after start, worker ready, resident memory idle and after work."""
    section = Section("Start-up and memory", ("what", "figure"))
    rounds = 1 if quick else 3
    ready, judged, idle, busy = [], [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "bench.db") as server:
            ready.append(server.ready_seconds)
            judged.append(server.ready_seconds + _until_judged(server, 1))
            _until_judged(server, 64)
            idle.append(memory_mb(server.pid))
            busy.append(sum(memory_mb(one) for one in _workers(server)))
    section.rows = [
        ("server answers /readyz, seconds after start", f"{Spread.of(ready):.2f}"),
        (
            "first interaction judged on all criteria, seconds after start",
            f"{Spread.of(judged):.2f}",
        ),
        ("`import app.main`, seconds", f"{Spread.of([_import() for _ in range(3)]):.2f}"),
        ("web process, MB", f"{Spread.of(idle):.0f}"),
        ("worker with all judges, after judging 64 interactions, MB", f"{Spread.of(busy):.0f}"),
    ]
    section.notes = ["Memory is the proportional set size: a shared page counts by its share."]
    return section


def _until_judged(server: Server, count: int) -> float:
    """Seconds until so many new interactions have all their verdicts."""
    started = time.perf_counter()
    samples = realistic_samples(count, seed=count)
    lines = [{"id": f"{count}-{n}", **sample_json(one)} for n, one in enumerate(samples)]
    server.post("/api/v1/interactions", lines)
    while time.perf_counter() - started < JUDGED_SECONDS:
        waiting = server.get("/api/v1/coverage")
        if b'"pending"' not in waiting and b'"running"' not in waiting:
            return time.perf_counter() - started
        time.sleep(0.05)
    raise RuntimeError(f"{count} interactions were not judged after {JUDGED_SECONDS:.0f} s")


def _workers(server: Server) -> list[int]:
    """The worker and the process in which it judges."""
    works = [one for one in children_of(server.pid) if " work" in command_of(one)]
    return sorted({one for work in works for one in (work, *children_of(work))})


def _import() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import app.main"], check=True)
    return time.perf_counter() - started

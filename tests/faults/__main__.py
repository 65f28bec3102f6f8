"""Run faults at full length and write down what was found."""

import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.faults import hostile, judging, killing, storage  # noqa: F401 - the faults register themselves
from tests.faults.registry import FAULTS, Fault, Found, World

REPORT = Path("benchmarks/faults.md")


def main() -> None:
    wanted = {word for word in sys.argv[1:] if not word.startswith("-")}
    lines = []
    broken = False
    for one in FAULTS:
        if wanted and one.number not in wanted:
            continue
        for database in one.databases:
            line, found = run(one, database)
            lines.append(line)
            broken = broken or bool(found.wrong)
    if not wanted:
        write_report(lines)
    sys.exit(1 if broken else 0)


def run(one: Fault, database: str) -> tuple[str, Found]:
    print(f"{one.number} {one.title} ({database}) ...", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        found = one.run(World(Path(folder), database, full=True))
    seconds = time.monotonic() - started
    for name, value in found.figures.items():
        print(f"    {name}: {value}")
    verdict = "held" if not found.wrong else "BROKEN: " + "; ".join(found.wrong)
    print(f"    {verdict} ({seconds:.0f} s)", flush=True)
    figures = "; ".join(f"{name}: {value}" for name, value in found.figures.items())
    cells = (one.number, one.title, database, one.promise, verdict, figures, f"{seconds:.0f}")
    return f"| {' | '.join(cells)} |", found


def write_report(lines: list[str]) -> None:
    head = [
        "# Faults",
        "",
        "What was broken on purpose, and what was found. Made by `make faults`.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}.",
        "",
        "| Fault | What was done | Database | Promise | Verdict | Figures | Seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join([*head, *lines, ""]))


if __name__ == "__main__":
    main()

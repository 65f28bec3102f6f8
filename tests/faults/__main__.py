"""Run faults at full length and write down what was found."""

import argparse
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.catalogue import FAULTS
from tests.faults.registry import Fault, Found, World

REPORT = Path("benchmarks/faults.md")


def main() -> None:
    wanted = set(_asked())
    broken = False
    for one in sorted(FAULTS, key=lambda one: one.number):
        for database in one.databases if not wanted or one.number in wanted else ():
            found = run(one, database)
            broken = broken or bool(found.wrong)
    sys.exit(1 if broken else 0)


def _asked() -> list[str]:
    numbers = sorted({one.number for one in FAULTS})
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=f"{__doc__} All of them take about an hour."
    )
    parser.add_argument("fault", nargs="*", help=f"a number such as F01, of {', '.join(numbers)}")
    asked: list[str] = parser.parse_args().fault
    unknown = sorted(set(asked) - set(numbers))
    if unknown:
        parser.error(f"there is no fault {', '.join(unknown)}; there are {', '.join(numbers)}")
    return asked


def run(one: Fault, database: str) -> Found:
    """Do it, print what was found, and put it into the report."""
    print(f"{one.number} {one.title} ({database}) ...", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        found = one.run(World(Path(folder), database, full=True))
    seconds = time.monotonic() - started
    for name, value in found.figures.items():
        print(f"    {name}: {value}")
    print(f"    {verdict_of(found)} ({seconds:.0f} s)", flush=True)
    note(one, database, found, seconds)
    return found


def verdict_of(found: Found) -> str:
    return "held" if not found.wrong else "BROKEN: " + "; ".join(found.wrong)


def note(one: Fault, database: str, found: Found, seconds: float) -> None:
    """Put one row into the report, in place of the row that an earlier run left."""
    figures = "; ".join(f"{name}: {value}" for name, value in found.figures.items())
    when = f"{datetime.now(UTC):%Y-%m-%d}, {seconds:.0f} s, load {os.getloadavg()[0]:.0f}"
    cells = (one.number, one.title, database, one.promise, verdict_of(found), figures, when)
    row = f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
    rows = {key_of(line): line for line in rows_of_report()} | {key_of(row): row}
    head = [
        "# Faults",
        "",
        "What was broken on purpose, and what was found. `make faults` does all of it again;",
        "`python -m tests.faults F01` does one and replaces its row.",
        "",
        f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}. Load is that of the machine when a fault ended.",
        "",
        "| Fault | What was done | Database | Promise | Verdict | Figures | When |",
        "|---|---|---|---|---|---|---|",
    ]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join([*head, *(rows[key] for key in sorted(rows)), ""]))


def rows_of_report() -> list[str]:
    lines = REPORT.read_text().splitlines() if REPORT.exists() else []
    return [line for line in lines if line.startswith("| F") and line[3:5].isdigit()]


def key_of(row: str) -> str:
    return "|".join(row.split("|")[1:4])


if __name__ == "__main__":
    main()

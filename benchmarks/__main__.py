"""`python -m benchmarks`: measure everything and write benchmarks/results.md."""

import argparse
import importlib
import signal
import subprocess
import sys
import time
from pathlib import Path

from app.settings import share_cores
from benchmarks.machine import describe
from benchmarks.tables import Section

RESULTS = Path(__file__).with_name("results.md")
PARTS = {
    "encoding": "benchmarks.encoding:encoder_section",
    "precision": "benchmarks.precision:precision_section",
    "judging": "benchmarks.judging:judging_section",
    "latency": "benchmarks.judging:latency_section",
    "receiving": "benchmarks.receiving:receiving_section",
    "reading": "benchmarks.reading:reading_section",
    "starting": "benchmarks.starting:starting_section",
    "peers": "benchmarks.peers:peers_section",
}
ON_REQUEST = ("peers",)
"""Parts that only run when they are named."""


def main() -> None:
    """Run the chosen parts one after the other; the file is written anew after each of them."""
    arguments = _arguments()
    # A run that is stopped must stop its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    share_cores()
    about, started = describe(), time.perf_counter()
    sections: list[Section] = []
    for name in _parts(arguments):
        sections.append(_run(name, quick=arguments.quick))
        minutes = (time.perf_counter() - started) / 60
        arguments.out.write_text(_report(arguments, about, sections, minutes))
    print(arguments.out.read_text())


def _report(
    arguments: argparse.Namespace, about: list[str], sections: list[Section], minutes: float
) -> str:
    chosen = f" --only {arguments.only}" if arguments.only else ""
    how = "python -m benchmarks" + " --quick" * arguments.quick + chosen
    lines = [
        "# Speed",
        "",
        f"Made by `{how}` in {minutes:.1f} minutes. Figures are medians, with the lowest and the",
        "highest round in brackets.",
        "",
        *(f"* {one}" for one in about),
        "",
    ]
    return "\n".join([*lines, *(section.markdown() for section in sections)])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    parser.add_argument("--only", default="", help="names of parts, separated by commas")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file to write")
    return parser.parse_args()


def _parts(arguments: argparse.Namespace) -> list[str]:
    wanted = [one for one in arguments.only.split(",") if one]
    unknown = [one for one in wanted if one not in PARTS]
    if unknown:
        raise SystemExit(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    return wanted or [name for name in PARTS if name not in ON_REQUEST]


def _run(name: str, *, quick: bool) -> Section:
    """Measure a part, whose libraries are loaded only for it."""
    print(f"measuring: {name} …", file=sys.stderr, flush=True)
    module, _, function = PARTS[name].partition(":")
    try:
        section: Section = getattr(importlib.import_module(module), function)(quick=quick)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        # What the other parts found must not be lost with it.
        return Section(f"{name}: not measured", ("why",), [(str(error),)])
    return section


if __name__ == "__main__":
    main()

"""The machine and the versions that a result belongs to."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

PACKAGES = ("torch", "sentence-transformers", "transformers", "tokenizers", "sqlalchemy", "fastapi")
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")


def describe() -> list[str]:
    """Sentences about processor, memory, load, versions and commit."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return [
        f"{os.cpu_count()} cores of {_processor()}, {_memory_gib():.0f} GiB of memory; "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}.",
        f"Load averages before the run: {load}.",
        f"{versions}.",
        f"Touchstone at commit {_commit()}.",
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
    named = {name.strip(): value.strip() for name, value in fields.items()}
    has = [flag for flag in FLAGS if flag in named.get("flags", "").split()]
    return f"{named.get('model name', platform.machine())} ({', '.join(has)})"


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"

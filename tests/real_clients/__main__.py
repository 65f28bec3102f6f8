"""Install every real client in an environment of its own, and let each talk to a live server.

    python -m tests.real_clients FOLDER [CLIENT ...]

FOLDER keeps the environments from one run to the next; `--upgrade` brings them up to date. Needs a
package index, and Node with npm for the clients in JavaScript. Writes benchmarks/clients.md.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.faults.processes import PATIENCE_SECONDS, ROOT, free_port, wait_for

REPORT = ROOT / "benchmarks" / "clients.md"
EXPORTER = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")
OPENAI = ("openai", *EXPORTER)


@dataclass(frozen=True, slots=True)
class Environment:
    """Packages that can be installed together, and the clients that they hold.

    `bare` packages are installed without what they ask for: their requirements contradict others.
    """

    packages: Sequence[str]
    clients: Sequence[str]
    bare: Sequence[str] = ()


ENVIRONMENTS: Mapping[str, Environment] = {
    "opentelemetry": Environment(
        [*EXPORTER, "urllib3"],
        ["opentelemetry_sdk", "opentelemetry_sdk_json"],
        bare=[
            f"opentelemetry-{one}>=0.66b0"
            for one in (
                *("exporter-otlp-json-http", "exporter-http-transport", "exporter-otlp-common"),
                *("exporter-otlp-json-common", "proto-json"),
            )
        ],
    ),
    "openinference": Environment(
        [
            *OPENAI,
            "openinference-instrumentation-openai",
            "openinference-instrumentation-langchain",
            "langchain-core",
        ],
        ["openinference", "openinference_stream", "openinference_responses", "langchain"],
    ),
    "llama_index": Environment(
        [*EXPORTER, "llama-index-core", "openinference-instrumentation-llama-index"],
        ["llama_index"],
    ),
    # From version 3 on, its tracer is a package of its own.
    "haystack": Environment([*EXPORTER, "haystack-ai<3"], ["haystack"]),
    "genai": Environment(
        [*OPENAI, "opentelemetry-instrumentation-genai-openai"],
        ["genai_openai_span", "genai_openai_event"],
    ),
    # Deprecated; its later versions ask for what is not published.
    "openai_v2": Environment(
        [
            *("openai<2", "opentelemetry-instrumentation-openai-v2==2.1b0"),
            *(f"{one}<1.39" for one in EXPORTER),
        ],
        ["openai_v2"],
    ),
    "openllmetry": Environment(
        [
            *OPENAI,
            "langchain-core",
            "opentelemetry-instrumentation-openai",
            "opentelemetry-instrumentation-langchain",
        ],
        ["openllmetry", "openllmetry_langchain"],
    ),
    "traceloop": Environment(
        [
            *(*OPENAI, "opentelemetry-exporter-otlp-proto-grpc"),
            *(f"opentelemetry-instrumentation-{one}" for one in ("logging", "requests", "urllib3")),
            *(f"opentelemetry-instrumentation-{one}" for one in ("redis", "sqlalchemy")),
            "opentelemetry-instrumentation-threading",
            *("aiohttp", "colorama", "deprecated", "httpx", "jinja2", "pydantic", "tenacity"),
        ],
        ["traceloop"],
        bare=[
            *("cuid", "traceloop-sdk", "opentelemetry-instrumentation-openai"),
            "opentelemetry-semantic-conventions-ai<0.6",
        ],
    ),
    "langfuse": Environment(["langfuse"], ["langfuse"]),
    "langfuse3": Environment(["langfuse<4"], ["langfuse3"]),
    "mlflow": Environment(["mlflow-tracing", *EXPORTER], ["mlflow"]),
    "trulens": Environment(["trulens-core", *EXPORTER], ["trulens"]),
    "pydantic": Environment(
        ["pydantic-ai-slim", "logfire", *OPENAI],
        ["pydantic_ai", "logfire"],
    ),
    "langsmith": Environment(["langsmith[otel]", "openai"], ["langsmith"]),
    "node": Environment(
        [
            *("ai", "@ai-sdk/otel", "@ai-sdk/openai", "@vercel/otel"),
            *("@opentelemetry/api", "@opentelemetry/api-logs", "@opentelemetry/resources"),
            *("@opentelemetry/sdk-trace-base", "@opentelemetry/sdk-trace-node"),
            *("@opentelemetry/sdk-logs", "@opentelemetry/instrumentation"),
            "@opentelemetry/exporter-trace-otlp-http",
            "@opentelemetry/exporter-trace-otlp-proto",
        ],
        [
            *("javascript_json", "javascript_protobuf"),
            *("vercel_genai", "vercel_legacy", "vercel_otel", "vercel_otel_stream"),
        ],
    ),
}


def main() -> int:
    folder, wanted = Path(sys.argv[1]).absolute(), {one for one in sys.argv[2:] if one[:1] != "-"}
    upgrade = "--upgrade" in sys.argv
    rows: list[dict[str, Any]] = []
    with live_server() as (endpoint, key):
        for name, one in ENVIRONMENTS.items():
            clients = [c for c in one.clients if not wanted or c in wanted or name in wanted]
            if clients:
                problem = install(folder / name, name, one, upgrade=upgrade)
                rows += [run(folder / name, name, c, endpoint, key, problem) for c in clients]
    if not wanted:
        write(rows)
    return 1 if any(row["faults"] for row in rows) else 0


@contextmanager
def live_server() -> Iterator[tuple[str, str]]:
    """The address of a server with its worker and judges, and a key for it."""
    with tempfile.TemporaryDirectory() as home:
        port = free_port()
        own = {
            "TOUCHSTONE_DATABASE_URL": f"sqlite:///{home}/touchstone.db",
            "TOUCHSTONE_PORT": str(port),
            "TOUCHSTONE_TRACE_QUIET_SECONDS": "2",
        }
        environment = {k: v for k, v in os.environ.items() if "TOUCHSTONE" not in k} | own
        command = [sys.executable, "-m", "app"]
        with Path(home, "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "serve"], env=environment, cwd=ROOT, stdout=log, stderr=log
            )
        try:
            wait_for(f"http://127.0.0.1:{port}", process)
            made = subprocess.check_output(
                [*command, "keys", "create", "live", "--scope", "ingest", "--scope", "read"],
                env=environment,
                cwd=ROOT,
                text=True,
            )
            found = re.search(r"ts_\S+", made)
            assert found is not None, made
            wait_for_worker(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}", found.group()
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def wait_for_worker(endpoint: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if httpx.get(f"{endpoint}/readyz", timeout=30).json()["checks"]["worker"] == "ok":
            return
        time.sleep(0.5)
    raise RuntimeError("the worker did not start")


def install(place: Path, name: str, one: Environment, *, upgrade: bool) -> str:
    """Make the environment unless it is there; an empty text, or why it cannot be had."""
    if (place / "ready").exists() and not upgrade:
        return ""
    print(f"installing {name} ...", flush=True)
    place.mkdir(parents=True, exist_ok=True)
    python = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--upgrade"]
    if name == "node":
        (place / "package.json").write_text('{"private": true}')
        steps = [["npm", "install", "--no-audit", "--no-fund", *one.packages]]
    else:
        steps = [[sys.executable, "-m", "venv", str(place)], [*python, *one.packages]]
        steps += [[*python, "--no-deps", *one.bare]] if one.bare else []
    for step in steps:
        done = subprocess.run(step, cwd=place, capture_output=True, text=True)
        if done.returncode:
            return f"could not be installed: {done.stderr.strip().splitlines()[-1]}"
    (place / "ready").touch()
    return ""


def run(
    place: Path, name: str, client: str, endpoint: str, key: str, problem: str
) -> dict[str, Any]:
    """What came of one client, printed and returned."""
    row = {"name": client, "client": client, "version": "?", "compared": [], "faults": [problem]}
    if not problem:
        python = sys.executable if name == "node" else str(place / "bin" / "python")
        script = str(ROOT / "tests" / "real_clients" / "live.py")
        environment = {**os.environ, "TOUCHSTONE_KEY": key}
        done = subprocess.run(
            [python, script, endpoint, client],
            env=environment, cwd=place, capture_output=True, text=True,
        )  # fmt: skip
        said = done.stdout.strip().splitlines()
        told = said and said[-1].startswith('{"name"')
        row = json.loads(said[-1]) if told else {**row, "faults": [done.stderr[-300:]]}
    print(f"{client}: {'; '.join(row['faults']) or 'found'}", flush=True)
    return row


def write(rows: Sequence[Mapping[str, Any]]) -> None:
    """Put what was found into the report."""
    lines = [
        "# Real clients against a live server",
        "",
        "Each client runs its own program in an environment of its own and sends to a running",
        "`touchstone serve` with a key. What the server shows is compared with what the program",
        "said. `make clients FOLDER=folder` does it again; `tests/payloads/` holds what the same",
        f"clients sent, for tests. Last run: {datetime.now(UTC):%Y-%m-%d}.",
        "",
        "| Client | Version | Program | Compared and equal | Not found |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        fault = "; ".join(row["faults"]).replace("|", "/").replace("\n", " ") or "nothing"
        compared = ", ".join(row["compared"])
        lines.append(
            f"| {row['client']} | {row['version']} | `{row['name']}` | {compared} | {fault} |"
        )
    REPORT.write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    sys.exit(main())

"""Let one real client talk to a running server, and compare what the server shows with its words.

    TOUCHSTONE_KEY=ts_… python tests/real_clients/live.py http://127.0.0.1:8000 CLIENT

Run it with the interpreter of an environment that holds the client, or, for a client in Node, from
a folder that holds its packages. Prints a JSON object; the exit code is 1 if something is missing.
"""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from capture import KEY, send
from fake_openai import fake_openai

PATIENCE_SECONDS = 120.0
# These have a setting of their own for the key, which must do without the general one.
OWN_SETTING = ("langfuse", "langfuse3", "langsmith", "traceloop")


def main(endpoint: str, name: str) -> int:
    if name not in OWN_SETTING:
        os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{KEY}"
    before = set(shown_ids(endpoint))
    with fake_openai() as openai_url:
        said = send(name, endpoint, openai_url)
    deadline = time.monotonic() + PATIENCE_SECONDS
    faults = missing(said, endpoint, before)
    while faults and time.monotonic() < deadline:
        time.sleep(0.5)
        faults = missing(said, endpoint, before)
    told = {key: said[key] for key in ("client", "version")}
    compared = sorted(said.keys() - told.keys())
    print(json.dumps({"name": name, **told, "compared": compared, "faults": faults}))
    return 1 if faults else 0


def missing(said: Mapping[str, Any], endpoint: str, before: set[str]) -> list[str]:
    """What the server does not show of what the client's program said, one sentence each."""
    new = [one for one in shown_ids(endpoint) if one not in before]
    if len(new) != 1:
        return [f"expected one new interaction, the server shows {len(new)}"]
    got = fetch(f"{endpoint}/api/v1/interactions/{new[0]}")
    wanted = {"contexts": [], **said}
    return [
        f"{field}: said {words!r}, the server shows {got.get(field)!r}"
        for field, words in wanted.items()
        if field not in ("client", "version") and got.get(field) != words
    ]


def shown_ids(endpoint: str) -> list[str]:
    """The ids of the newest interactions of the project."""
    rows = fetch(f"{endpoint}/api/v1/interactions?limit=100")["interactions"]
    return [row["id"] for row in rows]


def fetch(url: str) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        answer: dict[str, Any] = json.load(reply)
        return answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/"), sys.argv[2]))

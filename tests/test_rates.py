"""A key that asks too often is told when to come back, in a way that loses nothing."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.errors import Limited
from app.rates import Rates
from app.requests import current_time
from app.settings import Settings
from tests.clients import BODIES, JSON, PROTOBUF, a_key, an_app

SECOND = timedelta(seconds=1)


def taken(rates: Rates, n: int, per_minute: int, now: datetime, key: str = "a") -> int:
    """How many of so many requests at a moment get through."""
    through = 0
    for _ in range(n):
        try:
            rates.take(key, per_minute, now=now)
        except Limited:
            continue
        through += 1
    return through


def test_a_minute_at_once_then_evenly_and_each_key_for_itself(now: datetime) -> None:
    rates = Rates()
    assert taken(rates, 100, 0, now) == 100
    assert taken(rates, 100, 30, now) == 30
    assert taken(rates, 100, 30, now + SECOND) == 0
    assert taken(rates, 100, 30, now + 2 * SECOND) == 1
    assert taken(rates, 100, 30, now + 12 * SECOND) == 5
    assert taken(rates, 100, 30, now, key="b") == 30
    with pytest.raises(Limited) as refused:
        rates.take("b", 30, now=now)
    assert refused.value.retry_seconds == 2
    assert taken(rates, 1, 30, now + 2 * SECOND, key="b") == 1


@pytest.fixture
def limited(
    settings: Settings, criteria: Criteria, engine: Engine, now: datetime
) -> Iterator[tuple[TestClient, dict[str, str], list[datetime]]]:
    clock = [now]
    app = an_app(settings, criteria, open_access=False, requests_per_minute=2)
    app.dependency_overrides[current_time] = lambda: clock[0]
    with TestClient(app) as client:
        yield client, a_key(engine, ["ingest", "read"], now=now), clock


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_senders_of_traces_get_what_every_exporter_tries_again(limited: Any) -> None:
    client, key, clock = limited
    for encoding in (PROTOBUF, JSON):
        headers = {**key, "Content-Type": encoding}
        answers = [
            client.post("/v1/traces", content=BODIES[encoding](), headers=headers) for _ in "abc"
        ]
        assert [one.status_code for one in answers] == [200, 200, 503]
        # A longer wait than an exporter has left makes it drop the batch at once.
        assert answers[2].headers["retry-after"] == "1"
        assert answers[2].headers["content-type"] == encoding
        body = answers[2].content
        told = json.loads(body)["message"] if encoding == JSON else Status.FromString(body).message
        assert "2 requests a minute" in told
        clock[0] += timedelta(minutes=1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_others_get_429_and_people_are_not_counted(limited: Any) -> None:
    client, key, _ = limited
    said = {"prompt": "When?", "response": "Soon."}
    answers = [client.post("/api/v1/interactions", json=said, headers=key) for _ in "abc"]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert answers[2].json()["error"] == "Limited"
    assert answers[2].headers["retry-after"] == "30"
    assert {client.get("/sign-in").status_code for _ in range(5)} == {200}

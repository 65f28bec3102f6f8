"""`touchstone keys`: a key is shown once, works at once, and ends at once."""

import json
from typing import Any

import pytest
from click.testing import Result
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.__main__ import command_line
from app.criteria import Criteria
from app.errors import NotFound, UnknownField
from app.settings import Settings
from tests.clients import JSON, an_app, otlp_json


@pytest.fixture
def keys(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `touchstone keys` with those words on the database of the test."""
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", settings.database_url)

    def run(*words: str) -> Result:
        return CliRunner().invoke(command_line(["keys"]), ["keys", *words])

    return run


def test_a_key_lets_in_from_its_making_to_its_revocation(
    keys: Any, settings: Settings, criteria: Criteria
) -> None:
    text = keys("create", "shop", "--project", "p2", "--scope", "ingest").stdout.strip()
    (listed,) = json.loads(keys("list", "--json").stdout)
    assert (listed["name"], listed["project"], listed["state"]) == ("shop", "p2", "valid")
    assert listed["scopes"] == ["ingest"]
    secret = text.rsplit("_", 1)[1]
    assert secret not in keys("list", "--json").output + keys("list").output
    headers = {"Content-Type": JSON, "Authorization": f"Bearer {text}"}
    with TestClient(an_app(settings, criteria, open_access=False)) as client:
        assert client.post("/v1/traces", content=otlp_json(), headers=headers).status_code == 200
        assert "is revoked" in keys("revoke", listed["key_id"]).output
        assert client.post("/v1/traces", content=otlp_json(), headers=headers).status_code == 401
    assert json.loads(keys("list", "--json").stdout)[0]["state"] == "revoked"


def test_unknown_scopes_and_keys_are_refused_with_a_sentence(keys: Any) -> None:
    assert isinstance(keys("create", "x", "--scope", "everything").exception, UnknownField)
    for several in ("ingest,read", "ingest, read", "ingest read"):
        refused = keys("create", "x", "--scope", several).exception
        assert isinstance(refused, UnknownField)
        assert str(refused).endswith("give it again for each: --scope ingest --scope read")
    assert isinstance(keys("revoke", "ab" * 8).exception, NotFound)

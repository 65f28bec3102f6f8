"""`touchstone keys`: a key is shown once, works at once, and ends at once."""

import json
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.__main__ import command_line
from app.criteria import Criteria
from app.database import transaction
from app.errors import NotFound, UnknownField
from app.settings import Settings
from app.store.interactions import InteractionFilter
from app.store.preferences import save_view
from app.store.reviewers import add_reviewer
from app.store.reviews import Plan, create_queue
from tests.builders import WEDNESDAY
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


NOTHING = ("", "  ", "\u200b", "\t\n", "x" * 101, "a\0b")


@pytest.mark.parametrize("nothing", NOTHING)
def test_a_key_needs_a_name_and_a_project_that_can_be_seen(keys: Any, nothing: str) -> None:
    for words in (("create", nothing), ("create", "x", "--project", nothing)):
        refused = keys(*words).exception
        assert isinstance(refused, UnknownField)
        assert "name needs 1 to 100 characters" in str(refused)
    assert json.loads(keys("list", "--json").stdout) == []


@pytest.mark.parametrize("nothing", NOTHING)
def test_reviewers_queues_and_views_need_names_that_can_be_seen(
    engine: Engine, criteria: Criteria, nothing: str
) -> None:
    made: Any = {"project": "p", "now": WEDNESDAY}
    drawn: Any = {"filters": InteractionFilter(), "plan": Plan(size=1), "criteria": criteria}
    with transaction(engine) as session:
        for make in (
            lambda: add_reviewer(session, name=nothing, **made),
            lambda: add_reviewer(session, name="x", **made | {"project": nothing}),
            lambda: save_view(session, name=nothing, query="", created_by="x", **made),
            lambda: create_queue(session, name=nothing, created_by="x", **made, **drawn),
        ):
            with pytest.raises(UnknownField, match="name needs 1 to 100 characters"):
                make()


def test_a_name_is_kept_without_the_blanks_around_it(keys: Any) -> None:
    keys("create", " shop \u2764\ufe0f ", "--project", " p2")
    (listed,) = json.loads(keys("list", "--json").stdout)
    assert (listed["name"], listed["project"]) == ("shop \u2764\ufe0f", "p2")

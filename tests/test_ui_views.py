"""A filter of the list is kept under a name, for everybody, and forgotten on request."""

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from tests.builders import save, some_interactions

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

QUERY = "text=money&application=shop"


@pytest.fixture
def saved(client: TestClient, engine: Engine) -> TestClient:
    save(engine, some_interactions(2))
    form = {"name": "Money in the shop", "query": QUERY + "&cursor=abc&label="}
    answer = client.post("/views", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/interactions?{QUERY}")
    return client


def test_a_view_is_a_link_that_everybody_sees(saved: TestClient) -> None:
    html = saved.get("/interactions").text
    assert 'href="/interactions?text=money&amp;application=shop">Money in the shop</a>' in html
    assert "Save this view" not in html
    opened = saved.get(f"/interactions?{QUERY}").text
    assert 'aria-current="true">Money in the shop' in opened
    assert "Forget this view" in opened


def test_a_view_is_forgotten(saved: TestClient) -> None:
    saved.post("/views/1/delete")
    assert "Money in the shop" not in saved.get("/interactions").text
    assert "Save this view" in saved.get(f"/interactions?{QUERY}").text


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"name": "", "query": QUERY}, 422),
        ({"name": "Money in the shop", "query": QUERY}, 409),
        ({"name": "x", "query": "segment=nonsense"}, 422),
        ({"name": "x", "query": "from=never"}, 400),
        ({"name": "x", "query": "text=" + "x" * 3000}, 422),
    ],
)
def test_a_view_that_makes_no_sense_is_refused(
    saved: TestClient, form: dict[str, str], status: int
) -> None:
    assert saved.post("/views", data=form).status_code == status
    assert saved.get("/interactions").text.count('class="btn" href="/interactions?') == 1

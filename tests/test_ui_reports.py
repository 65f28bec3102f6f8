"""The list of weekly reports leads to what there is."""

import re

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.criteria import Criteria
from app.database import transaction
from tests.report_world import Plan, write_weeks


def test_a_week_leads_to_the_reports_of_those_applications_that_answered_in_it(
    engine: Engine, criteria: Criteria, client: TestClient
) -> None:
    plans = {
        "2026-W45": Plan(n=9, applications=("shop & more", "city")),
        # A week without any answers lies between.
        "2026-W47": Plan(n=9, applications=("shop & more",)),
    }
    with transaction(engine) as session:
        write_weeks(session, plans)
    html = client.get("/reports").text
    links = re.findall(r'href="/reports/(\d{4}-W\d\d)\?application=([^"]+)">([^<]+)<', html)
    assert links == [
        ("2026-W47", "shop%20%26%20more", "shop &amp; more"),
        ("2026-W45", "city", "city"),
        ("2026-W45", "shop%20%26%20more", "shop &amp; more"),
    ]
    assert 'href="/reports/2026-W46"' in html

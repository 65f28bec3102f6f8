"""One browser for all tests in here, and a desk of its own for each."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from sqlalchemy import Engine

from app.criteria import Criteria
from app.settings import Settings
from tests.browser.desk import Desk, served_desk, started_browser


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with started_browser() as browser:
        yield browser


@pytest.fixture
def desk(engine: Engine, settings: Settings, criteria: Criteria) -> Iterator[Desk]:
    with served_desk(engine, settings, criteria) as desk:
        yield desk

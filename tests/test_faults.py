"""Every fault at short length; `make faults` runs them at full length."""

from pathlib import Path

import pytest

from tests.conftest import POSTGRES_HOMES, require_or_skip
from tests.faults import killing  # noqa: F401 - the faults register themselves
from tests.faults.registry import FAULTS, Fault, World

CASES = [
    pytest.param(one, database, id=f"{one.number}-{one.run.__name__}-{database}")
    for one in FAULTS
    for database in one.databases
]


@pytest.mark.parametrize(("one", "database"), CASES)
def test_a_fault_breaks_no_promise(one: Fault, database: str, tmp_path: Path) -> None:
    if database == "postgresql":
        found = any(Path("/").glob(POSTGRES_HOMES))
        require_or_skip("postgres", found, "install PostgreSQL to run these tests")
    outcome = one.run(World(tmp_path, database, full=False))
    assert outcome.wrong == [], outcome.figures

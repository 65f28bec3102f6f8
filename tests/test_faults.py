"""Some faults at short length; `make faults` runs all of them at full length."""

from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.registry import Fault, World

QUICK = {
    *("kill_server", "kill_worker", "duplicates", "counters", "wrong_verdicts"),
    *("out_of_memory", "lost_device", "wrong_weights", "hanging_judge"),
    *("any_order", "wrong_clocks", "odd_keys", "odd_words"),
    *("parallel_labels", "same_item_twice", "erase_under_load"),
}
CASES = [
    pytest.param(one, one.databases[0], id=f"{one.number}-{one.run.__name__}")
    for one in FAULTS
    if one.run.__name__ in QUICK
]


@pytest.mark.parametrize(("one", "database"), CASES)
def test_a_fault_breaks_no_promise(one: Fault, database: str, tmp_path: Path) -> None:
    outcome = one.run(World(tmp_path, database, full=False))
    assert outcome.wrong == [], outcome.figures


def test_the_quick_ones_are_faults_that_exist() -> None:
    assert len(CASES) == len(QUICK)

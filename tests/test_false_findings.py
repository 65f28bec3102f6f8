"""A short version of `make bench-findings`: hardly a false claim, and large changes are found."""

import pytest

from app.reports.tallies import Slice
from benchmarks.false_findings import (
    Change,
    design_effect,
    false_claims,
    found,
    theory,
    theory_of_rules,
)

QUIET_WEEKS, CHANGED_WEEKS = 24, 6


def test_hardly_any_quiet_week_with_forty_slices_claims_a_regression() -> None:
    assert false_claims(200, QUIET_WEEKS) <= 0.05 * QUIET_WEEKS + 2


def test_a_rise_of_five_points_is_named_in_most_weeks_of_two_thousand_answers() -> None:
    assert found(2000, Change(0.05), CHANGED_WEEKS) >= CHANGED_WEEKS - 1


def test_a_large_rise_in_one_of_forty_slices_is_named_where_it_is() -> None:
    change = Change(0.25, Slice("segment_0", "0"))
    assert found(2000, change, CHANGED_WEEKS) >= CHANGED_WEEKS - 1


def test_the_power_of_theory_grows_with_the_change_and_is_the_level_without_one() -> None:
    assert theory(2000, 0.0) < 0.02
    assert theory(2000, 0.03) < theory(2000, 0.05)


def test_the_rules_together_find_less_than_one_test_and_more_of_a_larger_change() -> None:
    assert theory_of_rules(2000, 0.0) < 0.01
    assert 0.6 < theory_of_rules(2000, 0.03) < theory(2000, 0.03)
    assert theory_of_rules(2000, 0.05) > 0.97


def test_turns_of_one_conversation_lower_the_power() -> None:
    assert design_effect(1, 0.2) == 1
    assert design_effect(4, 0.2) == pytest.approx(1.6)
    assert theory_of_rules(2000, 0.03, effect=1.6) < theory_of_rules(2000, 0.03) - 0.05

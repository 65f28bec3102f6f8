"""The power of a comparison, against statsmodels, and the rise that it finds."""

import pytest
from statsmodels.stats.proportion import power_proportions_2indep

from app.statistics.power import POWER, detectable_rise, power_of_rise


@pytest.mark.parametrize(("rate", "n", "other_n"), [(0.12, 300, 2400), (0.02, 2000, 2000)])
def test_the_power_equals_that_of_statsmodels(rate: float, n: int, other_n: int) -> None:
    known = power_proportions_2indep(0.04, rate, n, ratio=other_n / n, alpha=0.02)
    assert power_of_rise(0.04, rate, n, other_n, 0.02) == pytest.approx(known.power, abs=1e-3)


def test_the_rise_that_can_be_found_has_the_power_and_exceeds_what_it_must() -> None:
    rise = detectable_rise(0.12, 300, 2400, level=0.02)
    assert rise is not None
    assert power_of_rise(rise, 0.12, 300, 2400, 0.02) == pytest.approx(POWER)
    larger = detectable_rise(0.12, 300, 2400, level=0.02, least=0.1)
    assert larger is not None
    assert larger > 0.1


def test_no_rise_can_be_found_among_two_answers() -> None:
    assert detectable_rise(0.5, 2, 2, level=0.02) is None

"""Control charts, against worked examples and a second calculation."""

import numpy as np
import pytest

from app.statistics.control_charts import ControlChart, p_prime, signals, xmr
from app.statistics.intervals import Interval

FLOW = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]
"""NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.2: flowrate readings of ten batches."""


def test_xmr_gives_the_limits_of_the_nist_handbook() -> None:
    chart = xmr(FLOW, range(10))
    assert chart.centre == pytest.approx(50.81)
    assert chart.limits[0] == pytest.approx((45.8159, 55.8041), abs=0.005)


def test_an_outlying_moving_range_does_not_widen_the_limits() -> None:
    calm = [10.0, 10.2, 9.9, 10.1, 9.8, 10.0, 10.2, 9.9, 10.1, 9.9, 10.0, 10.1, 9.8]
    wild = [*calm[:6], 30.0, *calm[6:]]
    assert xmr(wild, range(14)).limits[0].width < 3 * xmr(calm, range(13)).limits[0].width


def test_p_prime_equals_a_second_calculation_of_laneys_formulas() -> None:
    failing, n = (
        np.array([230, 310, 260, 420, 280, 300]),
        np.array([4000, 4100, 3900, 4200, 4000, 4050]),
    )
    centre = failing.sum() / n.sum()
    sigma = np.sqrt(centre * (1 - centre) / n)
    z = (failing / n - centre) / sigma
    sigma_z = np.abs(np.diff(z)).mean() / 1.128
    chart = p_prime(failing.tolist(), n.tolist(), range(6))
    assert chart.sigma_z == pytest.approx(sigma_z)
    assert sigma_z > 2
    for limits, spread in zip(chart.limits, 3 * sigma * sigma_z, strict=True):
        assert limits == pytest.approx((centre - spread, centre + spread))


def test_p_prime_is_the_plain_p_chart_where_weeks_vary_less_than_chance() -> None:
    chart = p_prime([10, 10, 10, 30], [100, 100, 100, 100], [0, 1, 2])
    assert chart.sigma_z == 1.0
    assert chart.limits[3] == pytest.approx((0.01, 0.19))
    assert p_prime([10] * 3, [100] * 3, range(3), least_sigma_z=0.0).sigma_z == 0.0


def test_a_week_without_answers_has_no_limits_and_a_rate_of_zero_no_width() -> None:
    chart = p_prime([0, 0, 0], [50, 60, 0], [0, 1])
    assert chart.limits[2] == Interval(0.0, 1.0)
    assert chart.limits[0] == Interval(0.0, 0.0)


def chart_of(n: int) -> ControlChart:
    return ControlChart(10.0, (Interval(7.0, 13.0),) * n)


@pytest.mark.parametrize(
    ("values", "signal"),
    [
        ([10, 11, 9, 13.1], "outside"),
        ([10.1, 10.2, 11, 10.3, 10.1, 12, 10.4], "shift"),
        ([8, 8.5, 9, 9.5, 10.5, 11, 11.5], "trend"),
        ([10, 12.5, 10, 12.6], "two_of_three"),
        ([10, 7.5, 7.6], "two_of_three"),
    ],
)
def test_each_rule_of_the_nhs_raises_its_signal_at_the_last_point(
    values: list[float], signal: str
) -> None:
    found = signals(values, chart_of(len(values)))
    assert found[-1] == {signal}
    assert not any(found[:-1])


def test_two_points_near_opposite_limits_are_no_signal() -> None:
    assert not any(signals([10, 12.5, 7.5], chart_of(3)))


def test_six_points_on_one_side_are_no_signal_and_gaps_are_skipped() -> None:
    assert not any(signals([11.0, 10.5] * 3, chart_of(6)))
    values = [11.0, None, 10.5, 11.0, 10.5, 11.0, 10.5, 11.0]
    found = signals(values, chart_of(8))
    assert found[1] == frozenset()
    assert found[-1] == {"shift"}


def test_any_failure_is_outside_where_none_is_usual() -> None:
    chart = p_prime([0, 0, 1], [50, 50, 50], [0, 1])
    assert signals([0.0, 0.0, 0.02], chart)[-1] == {"outside"}


def test_weeks_without_a_failure_are_no_signal_where_a_failure_is_rare() -> None:
    """The lower limit is cut at zero, so zero lies on it although it is no distance away."""
    failing, n = [1, 0, 1, 0, 0, 0], [100] * 6
    chart = p_prime(failing, n, range(6))
    assert chart.limits[0].low == 0.0
    assert not any(signals([each / 100 for each in failing], chart))

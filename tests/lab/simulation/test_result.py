import pytest

from concur_proxy.lab.simulation.result import jains_index, percentile


def test_percentiles_are_values_that_were_there() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([], 0.5)) == (51.0, 100.0, 0.0)


def test_jains_index_is_one_for_equals_and_one_in_n_for_one_that_has_all() -> None:
    assert jains_index([3.0] * 7) == pytest.approx(1.0)
    assert jains_index([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert jains_index([]) == 1.0

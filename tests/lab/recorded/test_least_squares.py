import pytest

from concur_proxy.lab.recorded.least_squares import Row, least_deviations, least_squares

EXACT = [Row((1.0, float(x)), 3.0 + 2.0 * x) for x in range(1, 20)]


def test_exact_observations_give_the_exact_numbers() -> None:
    assert least_squares(EXACT, (1.0, 1.0)) == pytest.approx([3.0, 2.0], rel=1e-3)


def test_a_number_cannot_be_negative() -> None:
    falling = [Row((1.0, float(x)), 30.0 - x) for x in range(1, 20)]
    constant, slope = least_squares(falling, (1.0, 1.0))
    assert slope == 0.0
    assert 10 < constant < 30


def test_a_number_that_no_observation_shows_keeps_its_start() -> None:
    assert least_squares([Row((2.0, 0.0), 4.0)], (1.0, 7.0)) == pytest.approx([2.0, 7.0])


def test_a_few_observations_that_are_far_too_large_change_little() -> None:
    rows = [*EXACT, Row((1.0, 5.0), 200.0), Row((1.0, 16.0), 90.0)]
    assert least_deviations(rows, (1.0, 1.0)) == pytest.approx([3.0, 2.0], rel=0.05)

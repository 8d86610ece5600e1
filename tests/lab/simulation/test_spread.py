from random import Random
from statistics import median

import pytest

from concur_proxy.lab.simulation.spread import HeavyTailed, Uniform


def test_uniform_values_lie_between_the_two() -> None:
    values = [Uniform(2.0, 3.0).draw(Random(seed)) for seed in range(100)]
    assert all(2.0 <= value <= 3.0 for value in values)


def test_a_heavy_tail_has_its_median_and_its_bound() -> None:
    random = Random(1)
    values = [HeavyTailed(2.0, 1.5, 100.0).draw(random) for _ in range(2_000)]
    assert median(values) == pytest.approx(2.0, rel=0.2)
    assert max(values) == 100.0
    assert sum(value > 20.0 for value in values) > 50

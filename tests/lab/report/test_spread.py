from random import Random

import pytest

from concur_proxy.lab.report.spread import Spread


def spread(*values: float) -> Spread:
    made = Spread()
    for value in values:
        made.add(value)
    return made


def test_quantiles_are_near_the_exact_ones() -> None:
    random = Random(1)
    values = sorted(random.lognormvariate(0, 2) for _ in range(5000))
    made = spread(*values)
    for share in (0.05, 0.5, 0.95, 0.999):
        assert made.quantile(share) == pytest.approx(values[int(share * len(values))], rel=0.05)
    assert made.mean == pytest.approx(sum(values) / len(values))
    assert made.quantile(1.0) == pytest.approx(values[-1], rel=0.05)
    assert made.most == values[-1]


def test_no_value_and_no_wait() -> None:
    assert (Spread().mean, Spread().quantile(0.5), Spread().share_above(1.0)) == (0.0, 0.0, 0.0)
    assert spread(0.0, 0.0, 3.0).quantile(0.5) == 0.0


def test_a_share_above_a_value_and_a_merge() -> None:
    made = spread(0.0, 0.01, 4.0, 5.0)
    assert made.share_above(1.0) == 0.5
    made.merge(spread(8.0, 9.0))
    assert (made.count, made.most) == (6.0, 9.0)
    assert made.share_above(1.0) == pytest.approx(4 / 6)


def test_its_memory_is_bounded() -> None:
    random = Random(1)
    assert len(spread(*(random.expovariate(0.1) for _ in range(20_000)))._classes) < 300

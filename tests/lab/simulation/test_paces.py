from random import Random

import pytest

from concur_proxy.lab.simulation.paces import HUMAN, TRAINING, Percentiles


@pytest.mark.parametrize("pace", [HUMAN, TRAINING])
def test_the_percentiles_of_what_is_drawn_are_those_that_were_given(pace: Percentiles) -> None:
    random = Random(1)
    values = sorted(pace.draw(random) for _ in range(20_000))
    for share, value in pace.points[1:-1]:
        below = sum(drawn < value for drawn in values) / len(values)
        assert below == pytest.approx(share, abs=0.015)
    assert pace.points[0][1] <= values[0]
    assert values[-1] <= pace.points[-1][1]

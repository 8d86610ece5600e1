from dataclasses import replace

import pytest

from concur_proxy.lab.report.trace_verdict import trace_verdict
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import Population, Scenario, Uniform
from concur_proxy.lab.simulation.suite import Row

_SMALL = Scenario(name="x", summary="", populations=[Population(agents=1, turns=Uniform(1, 1))])
_RESULT = replace(
    Experiment(_SMALL, POLICIES["off"], 1).run(),
    served_mean_s=2040.0,
    busy_s=4740.0,
    recomputed_tokens=72_100_000,
    prompt_tokens=100_000_000,
)


def row(**more: float) -> Row:
    return Row(scenario="x", policy="y", makespan_s=1.0, relative=1.0, results=(replace(_RESULT, **more),))  # type: ignore[arg-type]


def test_it_says_what_is_saved_and_what_to_use() -> None:
    controlled = row(served_mean_s=1740.0, busy_s=4200.0, recomputed_tokens=14_300_000)
    assert trace_verdict(row(), controlled, setting="") == (
        "Control would have saved 15 % of the mean session (34 min to 29 min), 11 % of the engines' time (9 min) and "
        'the recomputation of 57.8M of 72.1M tokens. Use mode = "enforce" (--mode enforce).'
    )
    assert trace_verdict(row(), controlled, setting=" with --law aimd").endswith("(--mode enforce) with --law aimd.")


@pytest.mark.parametrize(
    ("without", "controlled", "says"),
    [
        ({}, {"served_mean_s": 3000.0}, "Control would not have helped: 72 % of the prompt tokens"),
        ({}, {"busy_s": 4000.0, "served_mean_s": 3000.0}, "Control would not have helped"),
        ({"recomputed_tokens": 2_000_000}, {}, "Control is not needed: this load fits into the cache; 2 % of the"),
        ({}, {"busy_s": 4700.0}, "Control would make no clear difference: less than 5 %"),
    ],
)
def test_it_says_that_none_is_needed(without: dict[str, float], controlled: dict[str, float], says: str) -> None:
    sentence = trace_verdict(row(**without), row(**controlled), setting="")
    assert sentence.startswith(says)
    assert sentence.endswith('Keep mode = "observe".')

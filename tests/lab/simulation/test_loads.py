"""The random loads and the table of `tests.benchmarks.suite`."""

import dataclasses
from random import Random

import pytest

from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenarios import KINDS
from tests.benchmarks import suite
from tests.benchmarks.arms import Load, Row, best_cap, measure, table
from tests.benchmarks.held_out import chosen
from tests.benchmarks.paper import SETTINGS, sentences
from tests.benchmarks.paper import Row as PaperRow
from tests.benchmarks.random_loads import RANDOM_KINDS, draw
from tests.lab.simulation.small import small


def test_every_kind_of_scenario_but_the_papers_can_be_drawn_at_random() -> None:
    assert {*RANDOM_KINDS, "paper"} == set(KINDS)


@pytest.mark.parametrize("kind", RANDOM_KINDS)
def test_a_seed_is_a_load(kind: str) -> None:
    names = [draw(kind, seed).name for seed in range(6)]
    assert len(set(names)) == 6
    assert draw(kind, 3).name == names[3]


def test_a_load_without_keys_runs() -> None:
    scenario = draw("no-key", 1)
    plans = list(scenario.plans(Random(1)))
    assert not any(plan.has_name for plan in plans)
    result = Experiment(scenario, POLICIES["off"], 1, keeps_courses=False).run()
    assert result.sessions == len(plans)


def test_the_best_cap_is_found_with_few_runs() -> None:
    caps = (4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 96)
    for best in caps:
        tried: list[int] = []

        def seconds(cap: int, best: int = best, tried: list[int] = tried) -> float:
            tried.append(cap)
            return abs(caps.index(cap) - caps.index(best))

        assert best_cap(caps, seconds) == (best, 0)
        assert len(tried) == len(set(tried)) <= 9


def test_a_load_is_compared_with_the_best_of_all_caps_and_of_none() -> None:
    row = measure(Load(kind="separate", scenario=small(), seeds=[1]))
    assert row.best_s == min(row.off_s, row.cap_s)
    assert row.law_s == Experiment(small(), POLICIES["tokens"], 1).run().makespan_s


def test_the_table_has_a_mean_for_each_kind_and_the_worst_of_all() -> None:
    def row(kind: str, law_s: float) -> Row:
        return Row(kind=kind, name=f"{kind} {law_s}", off_s=200.0, cap=8, cap_s=100.0, law_s=law_s, paper_s=150.0)

    lines = list(table([row("a", 100.0), row("a", 121.0), row("b", 90.0)]))
    assert "| a 121.0 | 200 | 100 (8) | 121 | 150 | 1.21 | 1.50 | 0.60 | 0.75 |" in lines
    assert "| a: geometric mean | | | | | 1.100 | 1.500 | 0.550 | 0.750 |" in lines
    assert "| **all: worst** | | | | | 1.210 | 1.500 | 0.605 | 0.750 |" in lines


def test_the_suite_takes_scenarios_and_random_loads() -> None:
    every = suite.loads_of(suite.DEFAULT, count=2, seed=7)
    assert len(every) == sum(len(KINDS[kind]) for kind in suite.DEFAULT) + 2 * len(RANDOM_KINDS)
    assert suite.named("shared:2005") == ("shared", draw("shared", 2005))
    assert suite.named("compaction")[0] == "histories"
    with pytest.raises(ValueError, match="there is no load"):
        suite.named("paper:1")


def test_the_kinds_take_turns() -> None:
    loads = chosen(RANDOM_KINDS, count=len(RANDOM_KINDS) + 1, seed=1000, law="tokens")
    assert [load.kind for load in loads] == [*RANDOM_KINDS, RANDOM_KINDS[0]]
    assert loads[-1].seeds == [1000 + len(RANDOM_KINDS)]


def test_what_is_explained_of_a_reported_gain() -> None:
    setting = SETTINGS[0]
    assert setting.reported == pytest.approx(4.09, abs=0.005)
    assert SETTINGS[2].reported == pytest.approx(1.90, abs=0.005)

    def row(controlled_s: float) -> PaperRow:
        seconds = {"off": setting.off_s, "aimd": controlled_s}
        return PaperRow(setting=setting, scenario=small(), seconds=seconds, hit_rate=0.1, cap=None, is_given=True)

    assert row(setting.controlled_s).explained == pytest.approx(1.0)
    assert row(setting.off_s * 1.1).explained == 0.0
    assert row(setting.off_s / setting.reported**0.5).explained == pytest.approx(0.5)


def test_the_sentence_names_the_load_that_shows_the_gain() -> None:
    setting = dataclasses.replace(SETTINGS[0])

    def row(gain: float, *, context: int = 5_700, is_given: bool) -> PaperRow:
        seconds = {"off": 400.0, "aimd": 400.0 / gain, "tokens": 300.0, "infinite-cache": 90.0}
        load = setting.load(context=context, steps=10)
        return PaperRow(
            setting=dataclasses.replace(setting), scenario=load, seconds=seconds, hit_rate=0.1, cap=8, is_given=is_given
        )

    (told,) = sentences([row(1.5, is_given=True), row(2.0, context=12_000, is_given=False)])
    assert "of 4.09x the model explains 1.50x" in told
    assert "None of the longer loads shows it. The nearest has 10 steps to 12.0k tokens: 2.00x" in told
    (told,) = sentences([row(1.5, is_given=True), row(4.2, context=12_000, is_given=False)])
    assert "A load with 10 steps to 12.0k tokens shows it" in told

"""Tenants and priority classes in virtual time, with all parts of the gateway that decide."""

import pytest

from concur_proxy.admission.orders.resuming_first import ResumingFirst
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.arrivals import AtOnce
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.policy import POLICIES, Policy, static
from concur_proxy.lab.simulation.portions import Portions
from concur_proxy.lab.simulation.result import Result
from concur_proxy.lab.simulation.scenario import Population, Scenario, Uniform
from concur_proxy.lab.simulation.scenarios import SCENARIOS
from tests.benchmarks.tenants import LONG, SHORT, Case, Outcome


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_a_flood_gets_its_share_and_no_more(weight: float) -> None:
    outcome = Outcome(Case(policy=static(2), weight=weight, turns=LONG), flood=300)
    assert outcome.is_contested
    assert outcome.share == pytest.approx(outcome.due, abs=0.05)
    assert outcome.wait_s <= 2 * outcome.alone_s + outcome.turn_s


@pytest.mark.parametrize("policy", [static(8), POLICIES["tokens"]], ids=["static", "tokens"])
def test_a_tenant_below_its_share_waits_for_one_turn_of_the_flood_at_most(policy: Policy) -> None:
    outcome = Outcome(Case(policy=policy, weight=1.0, turns=SHORT), flood=150)
    assert outcome.large_wait_s > 60.0, "the flood does not fill the engine"
    assert outcome.wait_s <= 2 * outcome.alone_s + outcome.turn_s


def _classes(*, batch: int, interactive: int) -> Portions:
    common = {"turns": Uniform(5, 7), "gap_s": Uniform(0.2, 2.0)}
    populations = [
        Population(agents=batch, tenant="batch", priority=-1, **common),  # type: ignore[arg-type]
        Population(agents=interactive, tenant="people", arrivals=AtOnce(at_s=30.0), **common),  # type: ignore[arg-type]
    ]
    shape = EngineShape(capacity_tokens=200_000)
    portions = Portions()
    scenario = Scenario(name="classes", summary="", populations=populations, shape=shape)
    Experiment(scenario, static(4), 1, keeps_courses=False, watch=portions.add).run()
    return portions


def test_batch_work_keeps_a_tenth_while_interactive_work_waits() -> None:
    portions = _classes(batch=200, interactive=200)
    both_wait = (60.0, 460.0)
    assert portions.waiting_s("batch", both_wait) == portions.waiting_s("people", both_wait) == 400.0
    assert portions.shares(both_wait)["batch"] == pytest.approx(0.1, abs=0.03)


def test_batch_work_fills_what_interactive_work_leaves() -> None:
    portions = _classes(batch=60, interactive=2)
    alone = _classes(batch=60, interactive=0)
    ends = [max(each.ended_at for each in run.served) for run in (portions, alone)]
    assert ends[0] < 1.15 * ends[1]
    assert portions.longest_wait_s("people") <= portions.longest_turn_s()


@pytest.mark.parametrize("name", ["base", "families", "chat-beside-agents"])
def test_with_one_tenant_nothing_differs_from_resuming_first(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Result:
        return Experiment(SCENARIOS[name], POLICIES["tokens"], 1).run()

    fair = run()
    monkeypatch.setattr("concur_proxy.admission.gate_view.Fair", ResumingFirst)
    assert run() == fair

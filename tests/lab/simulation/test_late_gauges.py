"""Engines whose gauges are late: requests in flight decide whether an engine is idle or has room."""

import dataclasses
from itertools import pairwise

import pytest

from concur_proxy.control.law import DecisionKind
from concur_proxy.control.signal import CongestionSignal
from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.experiment import Experiment
from concur_proxy.lab.simulation.gateway import ControlLoop
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import Population, Scenario, Uniform

CAPACITY = 6144
FLEET = Population(
    agents=12,
    turns=Uniform(8, 8),
    shared_tokens=64,
    first_tokens=Uniform(300, 500),
    growth_tokens=Uniform(150, 300),
    answer_tokens=Uniform(16, 24),
    gap_s=Uniform(0.5, 1.5),
)


def scenario(prefill_tokens_s: float) -> Scenario:
    """A fleet as it was measured on a real SGLang, with an engine that needs seconds for its first prompts."""
    cost = CostModel(step_s=0.05, prefill_tokens_s=prefill_tokens_s, decode_s=0.01)
    shape = EngineShape(capacity_tokens=CAPACITY, token_budget=1024, cost=cost)
    return Scenario(name="late", summary="", populations=[FLEET], shape=shape, late_gauges=True)


@dataclasses.dataclass(frozen=True, slots=True)
class Decided:
    """A decision, and what the law and the engine knew."""

    signal: CongestionSignal
    share: float
    """The window as a share of the cache."""
    kind: DecisionKind
    reason: str
    computing: int
    """Requests that are at the engine, whatever its gauges say."""


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> list[Decided]:
    """All decisions of the runs in a test."""
    seen: list[Decided] = []
    decide = ControlLoop.decide

    def record(loop: ControlLoop, signal: CongestionSignal) -> float:
        window, last, model = decide(loop, signal), loop.course[-1], loop.engine.model
        budget = loop.governor.budget
        assert budget is not None
        computing = model.running + model.waiting
        seen.append(Decided(signal, budget.tokens / CAPACITY, last.kind, last.reason, computing))
        return window

    monkeypatch.setattr(ControlLoop, "decide", record)
    return seen


def first_round(decisions: list[Decided]) -> list[Decided]:
    """The decisions before a whole window of tokens has been computed or promised: too early for any movement."""
    prefilled = promised = 0.0
    early = []
    for each in decisions:
        prefilled += each.signal.prefilled_tokens or 0.0
        promised += each.signal.promised_tokens
        if max(prefilled, promised) >= decisions[0].share * CAPACITY:
            break
        early.append(each)
    return early


@pytest.mark.parametrize("prefill_tokens_s", [100.0, 260.0])
def test_late_gauges_do_not_open_the_window(decisions: list[Decided], prefill_tokens_s: float) -> None:
    result = Experiment(scenario(prefill_tokens_s), POLICIES["tokens"], 1).run()
    assert result.sessions == FLEET.agents
    looked_idle = [each for each in decisions if each.signal.running == each.signal.waiting == 0 and each.computing]
    assert looked_idle, "the gauges of this engine are never late: the test tests nothing"
    assert {each.share for each in first_round(decisions)} == {decisions[0].share}
    for before, after in pairwise(decisions):
        if "idle" in after.reason and after.kind is DecisionKind.INCREASE:
            assert after.computing == 0, f"raised at {after.signal.now} s while requests were in flight"
        if after.signal.running == after.signal.waiting == 0 and after.computing:
            assert after.share <= max(before.share, 1.0)


@pytest.mark.parametrize("prefill_tokens_s", [100.0, 260.0])
def test_late_gauges_hardly_cost_time(prefill_tokens_s: float) -> None:
    late = scenario(prefill_tokens_s)
    prompt = dataclasses.replace(late, late_gauges=False)
    late_s, prompt_s = (Experiment(each, POLICIES["tokens"], 1).run().makespan_s for each in (late, prompt))
    assert late_s < 1.15 * prompt_s
    assert late_s < 0.6 * Experiment(late, POLICIES["off"], 1).run().makespan_s

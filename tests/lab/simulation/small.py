"""A scenario that takes a moment: the suite's shape at a tenth of its size."""

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.simulation.arrivals import AtOnce, Poisson, Waves
from concur_proxy.lab.simulation.scenario import Population, Scenario, Uniform


def small(
    *,
    agents: int = 24,
    engines: int = 1,
    replicas: int = 1,
    side_requests: int = 0,
    arrivals: AtOnce | Poisson | Waves | None = None,
    says_end: bool = False,
    prefill_tokens_s: float = 11_000.0,
    gap_s: tuple[float, float] = (0.2, 3.0),
) -> Scenario:
    """Agents whose contexts do not fit into the cache together."""
    population = Population(
        agents=agents,
        turns=Uniform(4, 8),
        shared_tokens=200,
        first_tokens=Uniform(300, 600),
        growth_tokens=Uniform(200, 600),
        answer_tokens=Uniform(10, 60),
        gap_s=Uniform(*gap_s),
        side_requests=side_requests,
        arrivals=arrivals or AtOnce(),
        says_end=says_end,
    )
    shape = EngineShape(capacity_tokens=24_000, cost=CostModel(prefill_tokens_s=prefill_tokens_s))
    return Scenario(name="small", summary="", populations=[population], shape=shape, engines=engines, replicas=replicas)

from prometheus_client import CollectorRegistry

from concur_proxy.admission.changes import Reachable, Resize
from concur_proxy.control.law import Budget
from concur_proxy.telemetry.engines_wanted import EnginesWantedCollector
from tests.telemetry.test_fleet import ENGINES, Scene


class Wanted(Scene):
    """Two engines with a window of 1000 tokens each."""

    def __init__(self, *models: str) -> None:
        super().__init__()
        self.registry = CollectorRegistry()
        self.registry.register(EnginesWantedCollector(self.coordinator, self.monitors))
        for engine in ENGINES:
            budget = Budget(tokens=1000.0, reserve_turns=0.0)
            self.coordinator.apply(Resize(engine=engine, window=float("inf"), budget=budget))
        for monitor in self.monitors:
            monitor.has_answered = True
            monitor.models = frozenset(models) or None

    def wanted(self) -> dict[str, float]:
        """The value for each model."""
        return {sample.labels["model"]: sample.value for sample in self.samples()}

    def need(self) -> float:
        """What the sessions need at both engines, tokens."""
        demands = [gate.demand(is_up=True) for gate in self.coordinator.fleet.gates.values()]
        return sum(demand.active_tokens + demand.waiting_tokens for demand in demands)


def test_no_engine_is_wanted_without_sessions() -> None:
    assert Wanted().wanted() == {"": 0}
    assert Wanted("a", "b").wanted() == {"a": 0, "b": 0}


async def test_sessions_that_wait_call_for_engines() -> None:
    scene = Wanted("model")
    for number in range(60):
        scene.arrive(f"s{number}")
    assert all(gate.waiting for gate in scene.coordinator.fleet.gates.values())
    assert scene.need() > 4000
    assert scene.wanted() == {"model": -(-scene.need() // 1000)}


def test_sessions_that_wait_are_assumed_to_share_what_the_others_share() -> None:
    scene = Wanted()
    scene.arrive("first")
    gate = next(gate for gate in scene.coordinator.fleet.gates.values() if gate.active)
    alone = gate.demand(is_up=True)
    assert alone.active_tokens == gate.footprint_tokens > 0
    assert (alone.active, alone.waiting, alone.waiting_tokens) == (1, 0, 0)
    assert alone.usable_tokens == 1000


def test_an_engine_that_is_down_brings_its_sessions_but_is_not_there() -> None:
    scene = Wanted("model")
    for number in range(2):
        scene.arrive(f"s{number}")
    before = scene.wanted()["model"]
    scene.coordinator.apply(Reachable(engine=ENGINES[0], is_up=False))
    assert scene.wanted()["model"] == before == 1

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineModel, EngineShape
from concur_proxy.lab.engine.gauges import DECODE_STEPS, IDLE_S, LateGauges
from concur_proxy.lab.engine.request import EngineRequest


class Engine:
    """A model and its gauges, stepped together; every step takes a second."""

    def __init__(self) -> None:
        cost = CostModel(step_s=1.0, prefill_tokens_s=1e9, decode_s=0.0)
        self.model = EngineModel(EngineShape(capacity_tokens=4000, block_tokens=4, token_budget=64, cost=cost))
        self.gauges = LateGauges(self.model)
        self.now = 0.0

    def add(self, output_tokens: int, *, prompt_tokens: int = 20) -> None:
        self.model.add(EngineRequest(keys=(), prompt_tokens=prompt_tokens, output_tokens=output_tokens))

    def step(self, steps: int = 1) -> None:
        for _ in range(steps):
            assert self.model.begin_step() is not None
            self.now += 1.0
            self.model.end_step()
            self.gauges.on_step_end(now=self.now)

    @property
    def running(self) -> int:
        return self.gauges.read(now=self.now).running


def test_running_requests_are_not_seen_before_their_prefill_has_ended() -> None:
    engine = Engine()
    engine.add(10)
    engine.add(10)
    engine.model.begin_step()
    assert (engine.model.running, engine.running) == (2, 0)
    engine.now += 1.0
    engine.model.end_step()
    engine.gauges.on_step_end(now=engine.now)
    assert engine.running == 2


def test_decode_steps_refresh_only_every_fortieth_time() -> None:
    engine = Engine()
    engine.add(3)
    engine.add(200)
    engine.step()
    engine.step(DECODE_STEPS - 1)
    assert (engine.model.running, engine.running) == (1, 2)
    engine.step()
    assert engine.running == 1


def test_a_prefill_refreshes_between_two_fortieth_decode_steps() -> None:
    engine = Engine()
    engine.add(3)
    engine.add(200)
    engine.step(4)
    assert (engine.model.running, engine.running) == (1, 2)
    engine.add(200)
    engine.step()
    assert engine.running == 2


def test_an_idle_engine_shows_its_last_load_for_half_a_minute() -> None:
    engine = Engine()
    engine.add(5)
    engine.step(5)
    assert engine.model.begin_step() is None
    seen = engine.gauges.read(now=engine.now)
    assert (seen.running, seen.used) == (1, 5)
    refreshed_at = 1.0
    assert engine.gauges.read(now=refreshed_at + IDLE_S - 0.1).running == 1
    seen = engine.gauges.read(now=refreshed_at + IDLE_S)
    assert (seen.running, seen.kv_usage, seen.used) == (0, 0.0, 0)

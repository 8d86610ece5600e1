import asyncio
import time

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineModel, EngineShape
from concur_proxy.lab.engine.request import EngineRequest
from concur_proxy.lab.server.clockwork import Clockwork


async def test_tokens_come_as_they_are_made_and_an_idle_engine_wakes_up_for_the_next_request() -> None:
    clockwork = Clockwork(EngineModel(EngineShape(cost=CostModel(step_s=0.001))), time_scale=1.0)
    stepping = asyncio.create_task(clockwork.run())
    for _ in range(2):
        request = EngineRequest(keys=(), prompt_tokens=5, output_tokens=4)
        ranges = [part async for part in clockwork.generate(request)]
        assert [start for start, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
        assert ranges[-1][1] == 4
    stepping.cancel()


async def test_closing_early_aborts() -> None:
    model = EngineModel(EngineShape(cost=CostModel(step_s=0.001)))
    clockwork = Clockwork(model, time_scale=1.0)
    stepping = asyncio.create_task(clockwork.run())
    tokens = clockwork.generate(EngineRequest(keys=(), prompt_tokens=5, output_tokens=10_000))
    await anext(tokens)
    await tokens.aclose()
    assert (model.running, model.counters.aborted) == (0, 1)
    stepping.cancel()


async def test_a_machine_that_was_busy_makes_no_later_step_shorter() -> None:
    model = EngineModel(EngineShape(cost=CostModel(step_s=0.05)))
    clockwork = Clockwork(model, time_scale=1.0)
    stepping = asyncio.create_task(clockwork.run())
    tokens = clockwork.generate(EngineRequest(keys=(), prompt_tokens=5, output_tokens=3))
    await anext(tokens)
    time.sleep(0.2)  # noqa: ASYNC251 - the whole process stands still
    await anext(tokens)
    began = time.monotonic()
    await anext(tokens)
    assert time.monotonic() - began > 0.045
    stepping.cancel()

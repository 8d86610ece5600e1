import asyncio
import time

import pytest

from concur_proxy.lab.engine.cost import CostModel
from concur_proxy.lab.engine.engine import EngineModel, EngineShape
from concur_proxy.lab.engine.request import EngineRequest
from concur_proxy.lab.server.clockwork import Clockwork


def _ignore(_: float) -> None:
    """Does nothing, because no test reads this engine's gauges."""


async def test_tokens_come_as_they_are_made_and_an_idle_engine_wakes_up_for_the_next_request() -> None:
    clockwork = Clockwork(EngineModel(EngineShape(cost=CostModel(step_s=0.001))), 1.0, _ignore)
    stepping = asyncio.create_task(clockwork.run())
    for _ in range(2):
        request = EngineRequest(keys=(), prompt_tokens=5, output_tokens=4)
        ranges = [part async for part in clockwork.generate(request)]
        assert [start for start, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
        assert ranges[-1][1] == 4
    stepping.cancel()


async def test_closing_early_aborts() -> None:
    model = EngineModel(EngineShape(cost=CostModel(step_s=0.001)))
    clockwork = Clockwork(model, 1.0, _ignore)
    stepping = asyncio.create_task(clockwork.run())
    tokens = clockwork.generate(EngineRequest(keys=(), prompt_tokens=5, output_tokens=10_000))
    await anext(tokens)
    await tokens.aclose()
    assert (model.running, model.counters.aborted) == (0, 1)
    stepping.cancel()


async def test_a_machine_that_was_busy_makes_later_steps_only_a_little_shorter() -> None:
    model = EngineModel(EngineShape(cost=CostModel(step_s=0.05)))
    clockwork = Clockwork(model, 1.0, _ignore)
    stepping = asyncio.create_task(clockwork.run())
    tokens = clockwork.generate(EngineRequest(keys=(), prompt_tokens=5, output_tokens=3))
    await anext(tokens)
    time.sleep(0.2)  # noqa: ASYNC251 - the whole process stands still
    await anext(tokens)
    began = time.monotonic()
    await anext(tokens)
    assert time.monotonic() - began > 0.75 * 0.05 - 0.005
    stepping.cancel()


async def _answer(clockwork: Clockwork, tokens: int) -> None:
    async for _ in clockwork.generate(EngineRequest(keys=(), prompt_tokens=5, output_tokens=tokens)):
        pass


async def test_the_time_that_a_busy_machine_took_away_is_measured() -> None:
    clockwork = Clockwork(EngineModel(EngineShape(cost=CostModel(step_s=0.2, decode_s=0.0))), 10.0, _ignore)
    stepping = asyncio.create_task(clockwork.run())
    answering = asyncio.create_task(_answer(clockwork, 5))
    await asyncio.sleep(0.03)
    time.sleep(0.3)  # noqa: ASYNC251 - the whole process stands still
    await answering
    stepping.cancel()
    reading = clockwork.reading
    assert reading.due_s == pytest.approx(5 * 0.2, rel=0.01)
    # 0.3 s minus the 0.01 s that remained of that step, sped up 10x, minus what later steps caught up
    assert 2.5 < reading.late_s < 4.0


async def test_later_steps_catch_up_with_a_short_delay() -> None:
    clockwork = Clockwork(EngineModel(EngineShape(cost=CostModel(step_s=0.01, decode_s=0.0))), 1.0, _ignore)
    stepping = asyncio.create_task(clockwork.run())
    answering = asyncio.create_task(_answer(clockwork, 60))
    await asyncio.sleep(0.025)
    time.sleep(0.03)  # noqa: ASYNC251 - the whole process stands still
    most_s = 0.0
    while not answering.done():
        await asyncio.sleep(0.005)
        most_s = max(most_s, clockwork.reading.late_s)
    stepping.cancel()
    assert most_s > 0.015
    assert clockwork.reading.late_s < most_s - 0.01


async def test_the_gauges_are_refreshed_at_the_end_of_each_step_in_the_engines_time() -> None:
    ends: list[float] = []
    clockwork = Clockwork(EngineModel(EngineShape(cost=CostModel(step_s=0.1, decode_s=0.0))), 100.0, ends.append)
    began = clockwork.now
    stepping = asyncio.create_task(clockwork.run())
    await _answer(clockwork, 11)
    stepping.cancel()
    assert len(ends) == 11
    assert ends == sorted(ends)
    # Eleven steps of 0.1 s: steps that follow a late one may be shorter, but all together never are.
    assert ends[-1] - began > 1.0

"""A fleet through the real gateway to an emulated SGLang whose gauges refresh as late as the real one's."""

import asyncio
import math

import pytest

from concur_proxy.control.governor import WindowGovernor
from concur_proxy.control.law import Decision
from concur_proxy.control.signal import CongestionSignal
from concur_proxy.lab.demo import servers
from concur_proxy.lab.demo.fleet import AgentFleet
from concur_proxy.lab.demo.options import engine_flags
from concur_proxy.lab.demo.workload import Workload, write_scripts
from concur_proxy.lab.server.options import EmulatorOptions
from tests.http.running_gateway import running_gateway

SCALE = 10.0
ENGINE = EmulatorOptions(
    flavour="sglang", capacity_tokens=6144, prefill_tokens_s=100.0, token_budget=1024, step_s=0.05, time_scale=SCALE
)
FLEET = Workload(
    agents=12, turns=2, shared_tokens=64, first_tokens=400, growth_tokens=200, answer_tokens=20, tool_s=(0.5, 1.5)
)
FIRST_PROMPTS_S = 40.0
"""The first prompts alone, some 4,800 tokens, take longer than this, in the engine's seconds. The window may move only
once a whole window of tokens has been computed.
"""


async def test_the_window_stays_at_its_start_while_first_prompts_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    signals: list[CongestionSignal] = []
    on_signal = WindowGovernor.on_signal

    def record(governor: WindowGovernor, signal: CongestionSignal) -> Decision:
        decision = on_signal(governor, signal)
        signals.append(signal)
        shares.append(decision.budget.tokens / ENGINE.capacity_tokens if decision.budget else math.inf)
        return decision

    monkeypatch.setattr(WindowGovernor, "on_signal", record)
    async with (
        servers.engine(*engine_flags(ENGINE)) as engine,
        running_gateway(engine, scrape_interval_s=1 / SCALE) as gateway,
    ):
        await gateway.until(lambda: len(signals) > 0, "the engine is read")
        fleet = AgentFleet(base_url=gateway.url, model="emulated", scripts=write_scripts(FLEET), time_scale=SCALE)
        running = asyncio.create_task(fleet.run())
        await asyncio.wait((running,), timeout=FIRST_PROMPTS_S / SCALE)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert not fleet.progress.failures
    looked_idle = [each for each in signals if each.running == each.waiting == 0 and each.in_flight]
    assert len(looked_idle) > 1, "the gauges were never late: the test tests nothing"
    assert any(each.queued_sessions for each in looked_idle)
    assert shares == pytest.approx([0.9] * len(shares))

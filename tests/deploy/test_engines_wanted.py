"""The query by which KEDA scales the engines, sent to a real Prometheus while agents run."""

import asyncio
import math
from contextlib import ExitStack

import pytest

from tests.deploy.dashboard_load import Engine
from tests.deploy.prometheus_server import Prometheus, prometheus
from tests.deploy.test_kubernetes import by_kind
from tests.http.running_gateway import RunningGateway, running_gateway

CAPACITY = 6000
AGENTS = 16


def query(model: str) -> str:
    """The query of the chart's ScaledObject."""
    values = {"engineAutoscaling": {"enabled": True, "model": model}}
    (trigger,) = by_kind(values)["ScaledObject"]["spec"]["triggers"]
    return str(trigger["metadata"]["query"])


async def agent(gateway: RunningGateway, name: str) -> None:
    """Turns with a context of its own, about 1000 tokens long."""
    messages = [{"role": "user", "content": f"{name} " * 500}]
    while True:
        await gateway.chat(name, model="emulated", messages=messages)
        await asyncio.sleep(0.05)


async def until(server: Prometheus, text: str, values: list[float]) -> None:
    """Wait until Prometheus answers this; fails after 20 s."""
    for _ in range(200):
        found = await server.query(text)
        if found == values:
            return
        await asyncio.sleep(0.1)
    assert found == values


def called_for(gateway: RunningGateway) -> float:
    """The demand of all sessions by the gateway's own account, in engines of the usable size."""
    fleet = gateway.app.coordinator.fleet
    (demand,) = (gate.demand(is_up=True) for gate in fleet.gates.values())
    assert demand.usable_tokens is not None
    return (demand.active_tokens + demand.waiting_tokens) / demand.usable_tokens


@pytest.mark.timeout(90)
async def test_kedas_query_returns_the_engines_that_the_sessions_call_for() -> None:
    with ExitStack() as stack:
        engine = Engine(stack, "--time-scale", "20", "--capacity-tokens", str(CAPACITY), "--answer-tokens", "8")
        engine.start()
        async with (
            running_gateway(engine.url, health_interval_s=0, session_ttl_s=1.0) as gateway,
            prometheus(gateway.url.removeprefix("http://"), labels={"namespace": "default"}) as server,
        ):
            await until(server, query("emulated"), [0.0])
            agents = [asyncio.create_task(agent(gateway, f"agent-{number}")) for number in range(AGENTS)]
            await gateway.until(lambda: gateway.snapshot().waiting > 0, "sessions wait")
            await gateway.until(lambda: gateway.snapshot().answered_tokens > 40_000, "agents at work")
            # what the sessions need hardly changes now, so a scrape of any moment shows it
            low, high = math.inf, 0.0
            for _ in range(20):
                load = called_for(gateway)
                low, high = min(low, load), max(high, load)
                await asyncio.sleep(0.05)
            (wanted,) = await server.query(query("emulated"))
            assert math.ceil(low) - 1 <= wanted <= math.ceil(high) + 1
            assert wanted >= 2, f"{AGENTS} agents do not fit into one cache of {CAPACITY} tokens"
            assert await server.query(query("another")) == []
            for task in agents:
                task.cancel()
            await asyncio.gather(*agents, return_exceptions=True)
            await until(server, query("emulated"), [0.0])

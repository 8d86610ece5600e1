"""Every query of the dashboard, asked of a real Prometheus that scrapes a gateway under load."""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.running_gateway import RunningGateway, running_gateway
from tests.benchmarks.process import free_port, running
from tests.deploy.prometheus_server import Prometheus, prometheus
from tests.stores.redis_server import RedisServer

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "concur-proxy.json"
VARIABLES = {"$engine": ".*", "$model": ".*", "$__rate_interval": "30s"}
AGENTS = 6


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def queries() -> Iterator[tuple[str, str]]:
    """Where each query stands, and the query as Grafana would send it."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", substituted(target["expr"])
    for annotation in dashboard()["annotations"]["list"]:
        yield annotation["name"], substituted(annotation["expr"])


def substituted(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that the dashboard does not define: {expression}"
    return expression


class Engine:
    """An emulated engine in a process of its own, on one port, which may start again."""

    def __init__(self, stack: ExitStack) -> None:
        self.port = free_port()
        self._stack = stack
        self._running: ExitStack | None = None

    def start(self) -> None:
        """Start, and start anew with an empty cache when it runs."""
        if self._running is not None:
            self._running.close()
        arguments = ("--time-scale", "20", "--capacity-tokens", "6000", "--answer-tokens", "8")
        self._running = self._stack.enter_context(ExitStack())
        command = ("engine", "--port", str(self.port), *arguments)
        self._running.enter_context(running("concur_proxy", *command, port=self.port, core=None))


async def agent(gateway: RunningGateway, name: str) -> None:
    """Turn after turn, streamed, with a short tool call; goes on after an engine's restart."""
    history = [{"role": "user", "content": f"{name} " * 400}]
    while True:
        await gateway.chat(name, model="emulated", messages=history, stream=True)
        if len(history) < 12:
            history += [{"role": "assistant", "content": "yes"}, {"role": "user", "content": f"{name} " * 60}]
        await asyncio.sleep(0.05)


@asynccontextmanager
async def load(gateway: RunningGateway) -> AsyncIterator[None]:
    agents = [asyncio.create_task(agent(gateway, f"agent-{number}")) for number in range(AGENTS)]
    try:
        yield
    finally:
        for task in agents:
            task.cancel()
        await asyncio.gather(*agents, return_exceptions=True)


async def until_all_have_data(server: Prometheus) -> dict[str, str]:
    """Queries that still have no data after 20 s, with where they stand."""
    missing = dict(queries())
    for _ in range(40):
        for place, expression in list(missing.items()):
            if any(not math.isnan(value) for value in await server.query(expression)):
                del missing[place]
        if not missing:
            break
        await asyncio.sleep(0.5)
    return missing


@pytest.mark.timeout(90)
async def test_every_query_has_data_under_load(redis: RedisServer) -> None:
    settings = {"store": "redis", "redis_url": redis.url, "redis_prefix": "dashboard", "health_interval_s": 0}
    with ExitStack() as stack:
        engine = Engine(stack)
        engine.start()
        async with (
            running_gateway(f"http://127.0.0.1:{engine.port}", **settings) as gateway,
            prometheus(gateway.url.removeprefix("http://")) as server,
            load(gateway),
        ):
            await gateway.until(lambda: gateway.snapshot().answered_tokens > 20_000, "agents at work")
            while not await server.query("concur_engine_restarts_total == 0"):
                await asyncio.sleep(0.1)  # what happens before the first scrape is no increase
            gateway.app.monitors[0].on_overload()  # as an engine's 429 would: the window is cut
            await asyncio.to_thread(engine.start)
            missing = await until_all_have_data(server)
            assert not missing, f"no data for {missing}"
            for variable in dashboard()["templating"]["list"][1:]:
                found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
                assert found is not None
                assert await server.label_values(found[1], found[2]), f"no values for {variable['name']}"
            assert await server.label_values("concur_generation_duration_seconds_count", "model") == ["emulated"]
            for rule in await server.rules():
                assert rule["health"] == "ok", f"{rule['name']}: {rule.get('lastError')}"
            for name in {rule["name"] for rule in await server.rules() if rule["type"] == "recording"}:
                assert await server.query(name), f"no data for the recording rule {name}"


def test_each_panel_tells_what_it_shows_and_no_two_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
        assert panel["type"] == "row" or (panel["description"] and panel["targets"])
    identifiers = [panel["id"] for panel in dashboard()["panels"]]
    assert len(identifiers) == len(set(identifiers))

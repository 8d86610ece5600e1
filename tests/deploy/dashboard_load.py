"""A load for the dashboard: emulated engines, gateways, agents, and a real Prometheus that scrapes them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from concur_proxy.lab.demo import servers
from concur_proxy.lab.demo.endless import keep_busy
from concur_proxy.lab.demo.options import SMALL_ENGINE, engine_flags
from concur_proxy.lab.demo.workload import Workload
from tests.benchmarks.process import free_port, running
from tests.coordination.redis_server import RedisServer
from tests.deploy.prometheus_server import Prometheus, prometheus

SCALE = 4.0
"""The engines and the agents' tools run sped up by this factor."""
SCRAPE_S = 1
FLEETS = {
    "coder": [Workload(agents=24, seed=seed) for seed in (1000, 2000, 3000)],
    "writer": [Workload(agents=12, growth_tokens=400, seed=seed) for seed in (4000, 5000)],
}
"""Agents for each model: more than fit into the caches, with new ones all the time. The first model has two engines."""
STAGGER_S = 9.0


class Engine:
    """An emulated engine in its own process, on one port. It can be started again."""

    def __init__(self, stack: ExitStack, *arguments: str) -> None:
        self.port = free_port()
        self._arguments = arguments
        self._stack = stack
        self._running: ExitStack | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the engine. If it runs, restart it with an empty cache."""
        if self._running is not None:
            self._running.close()
        self._running = self._stack.enter_context(ExitStack())
        command = ("engine", "--port", str(self.port), *self._arguments)
        self._running.enter_context(running("concur_proxy", *command, port=self.port, core=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyFleet:
    """The processes of the load."""

    engines: tuple[Engine, ...]
    prometheus: Prometheus


@asynccontextmanager
async def busy_fleet() -> AsyncIterator[BusyFleet]:
    """Two gateways that share a Redis, in front of two engines with one model and one engine with another.

    The agents of each model use their own gateway.
    """
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        flags = engine_flags(replace(SMALL_ENGINE, time_scale=SCALE))
        engines = tuple(Engine(stack, "--model", model, *flags) for model in ("coder", "coder", "writer"))
        for engine in engines:
            engine.start()
        urls = [word for engine in engines[1:] for word in ("--engine", engine.url)]
        shared = ("--store", "redis", "--redis-url", redis.url, "--max-waiting-sessions", "16")
        in_its_time = ("--scrape-interval-s", f"{1 / SCALE:g}", "--move-after-s", "2", "--log-level", "error")
        async with AsyncExitStack() as rest:
            arguments = (*urls, *shared, *in_its_time)
            gateways = [await rest.enter_async_context(servers.gateway(engines[0].url, *arguments)) for _ in FLEETS]
            targets = [gateway.removeprefix("http://") for gateway in gateways]
            server = await rest.enter_async_context(prometheus(*targets, interval=f"{SCRAPE_S}s"))
            agents = await rest.enter_async_context(asyncio.TaskGroup())
            working = [
                agents.create_task(_work(gateway, model, workload, number * STAGGER_S))
                for gateway, (model, workloads) in zip(gateways, FLEETS.items(), strict=True)
                for number, workload in enumerate(workloads)
            ]
            try:
                yield BusyFleet(engines=engines, prometheus=server)
            finally:
                for task in working:
                    task.cancel()


async def _work(gateway: str, model: str, workload: Workload, begin_s: float) -> None:
    await asyncio.sleep(begin_s)
    await keep_busy(gateway, workload, time_scale=SCALE, model=model)

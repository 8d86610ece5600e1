"""A load to look at the dashboard by: emulated engines, gateways, agents, and a real Prometheus that scrapes them."""

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
"""How many times faster than life."""
SCRAPE_S = 1
FLEETS = {
    "coder": [Workload(agents=24, seed=seed) for seed in (1000, 2000, 3000)],
    "writer": [Workload(agents=12, growth_tokens=400, seed=seed) for seed in (4000, 5000)],
}
"""By model, of which the first has two engines: more agents than their caches hold, some of whom always begin."""
STAGGER_S = 9.0


class Engine:
    """An emulated engine in a process of its own, on one port, which may start again."""

    def __init__(self, stack: ExitStack, *arguments: str) -> None:
        self.port = free_port()
        self._arguments = arguments
        self._stack = stack
        self._running: ExitStack | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and start anew with an empty cache when it runs."""
        if self._running is not None:
            self._running.close()
        self._running = self._stack.enter_context(ExitStack())
        command = ("engine", "--port", str(self.port), *self._arguments)
        self._running.enter_context(running("concur_proxy", *command, port=self.port, core=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyFleet:
    """What runs."""

    engines: tuple[Engine, ...]
    prometheus: Prometheus


@asynccontextmanager
async def busy_fleet() -> AsyncIterator[BusyFleet]:
    """Two gateways that are one, before two engines of one model and one of another, with agents for each model, which
    come by a gateway of their own.
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

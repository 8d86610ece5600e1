"""All that reads one engine in the background."""

import asyncio
import time
from collections.abc import Callable

import httpx

from concur_proxy.runtime.engine_probe import EngineProbe
from concur_proxy.runtime.monitor import EngineMonitor
from concur_proxy.runtime.scraper import EngineScraper
from concur_proxy.wire.models import LIST_PATH

MODELS_INTERVAL_S = 15.0
"""Adapters are loaded by hand; and a list is read anew at once when its engine comes up."""
MODELS_TIMEOUT_S = 10.0
HEALTH_TIMEOUT_S = 5.0
"""vLLM answers at once; SGLang computes a token first, or tells that it has computed others since it was asked."""


class EngineWatch:
    """Tells an engine's monitor what its metrics, its list of models and its health check say."""

    def __init__(
        self,
        monitor: EngineMonitor,
        client: httpx.AsyncClient,
        *,
        scrape_interval_s: float,
        scrape_timeout_s: float,
        health_interval_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scraper = EngineScraper(
            monitor.engine,
            client,
            interval_s=scrape_interval_s,
            timeout_s=scrape_timeout_s,
            on_sample=monitor.on_sample,
            on_failure=monitor.on_failure,
            is_wanted=lambda: monitor.is_read,
            clock=clock,
        )
        self._models = EngineProbe(
            f"{monitor.engine}{LIST_PATH}",
            client,
            interval_s=MODELS_INTERVAL_S,
            timeout_s=MODELS_TIMEOUT_S,
            on_answer=monitor.on_models,
            on_silence=lambda _: None,  # the last list holds; whether the engine lives, others ask
            clock=clock,
        )
        monitor.on_up = self._models.hurry
        self._health = EngineProbe(
            f"{monitor.engine}/health",
            client,
            interval_s=health_interval_s,
            timeout_s=HEALTH_TIMEOUT_S,
            on_answer=monitor.on_health,
            on_silence=monitor.on_health_silence,
            clock=clock,
        )
        self._asks_health = health_interval_s > 0

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scraper.run())
            group.create_task(self._models.run())
            if self._asks_health:
                group.create_task(self._health.run())

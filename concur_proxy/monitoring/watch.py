"""The background tasks that read one inference server's metrics, models and health."""

import asyncio
import time
from collections.abc import Callable, Sequence

import httpx

from concur_proxy.engines.kind import KnownKinds
from concur_proxy.engines.pages import MetricsPage
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.monitoring.probe import EngineProbe
from concur_proxy.monitoring.scraper import EngineScraper
from concur_proxy.wire.request.models import LIST_PATH

MODELS_INTERVAL_S = 15.0
"""Operators load adapters now and then. The list is also read at once when its engine comes up."""
MODELS_TIMEOUT_S = 10.0
HEALTH_TIMEOUT_S = 5.0
"""Some servers answer a health check at once, others generate a token first."""


class ServerWatch:
    """Reads a server's metrics, list of models and health check, and reports them to the monitors of its engines.

    A server is one engine, or as many as it has data-parallel ranks.
    """

    def __init__(
        self,
        monitors: Sequence[EngineMonitor],
        client: httpx.AsyncClient,
        *,
        kinds: KnownKinds,
        scrape_interval_s: float,
        scrape_timeout_s: float,
        health_interval_s: float,
        pages: Sequence[tuple[MetricsPage, httpx.AsyncClient]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`health_interval_s` is 0 to leave out health checks. `pages` are read instead of the server's own metrics."""
        self._monitors = monitors
        url = monitors[0].address.url
        self._scraper = EngineScraper(
            pages or [(url, client)],
            kinds=kinds,
            timeout_s=scrape_timeout_s,
            on_samples={monitor.address.dp_rank: monitor.on_sample for monitor in monitors},
            on_failure=self._on_failure,
            is_wanted=lambda: monitors[0].is_read,
            clock=clock,
        )
        self._models = EngineProbe(
            f"{url}{LIST_PATH}",
            client,
            interval_s=MODELS_INTERVAL_S,
            timeout_s=MODELS_TIMEOUT_S,
            on_answer=self._on_models,
            on_silence=lambda _: None,  # the last list stays valid, and other requests show whether the engine is up
            clock=clock,
        )
        self._health = EngineProbe(
            f"{url}/health",
            client,
            interval_s=health_interval_s,
            timeout_s=HEALTH_TIMEOUT_S,
            on_answer=self._on_health,
            on_silence=self._on_health_silence,
            clock=clock,
        )
        self._scrape_interval_s = scrape_interval_s
        self._asks_health = health_interval_s > 0
        for monitor in monitors:
            monitor.on_up = self._models.hurry

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scraper.run(interval_s=self._scrape_interval_s))
            group.create_task(self._models.run())
            if self._asks_health:
                group.create_task(self._health.run())

    def _on_failure(self, reason: str, *, reachable: bool | None) -> None:
        for monitor in self._monitors:
            monitor.on_failure(reason, reachable=reachable)

    def _on_models(self, status: int, body: bytes) -> None:
        for monitor in self._monitors:
            monitor.on_models(status, body)

    def _on_health(self, status: int, body: bytes) -> None:
        for monitor in self._monitors:
            monitor.on_health(status, body)

    def _on_health_silence(self, reason: str) -> None:
        for monitor in self._monitors:
            monitor.on_health_silence(reason)

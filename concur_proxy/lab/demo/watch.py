"""Samples an engine, and the gateway in front of it, while a fleet runs."""

import asyncio
import math
import time
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from concur_proxy import plugins
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.engines.sample import EngineSample, IntervalRates
from concur_proxy.lab.demo.course import Point
from concur_proxy.monitoring.scraper import EngineScraper


@dataclass(slots=True, kw_only=True)
class Watch:
    """Signals of one run: hit rate and preemptions of the whole run, and the newest values for the display."""

    usage: list[float] = field(default_factory=list)
    active: list[float] = field(default_factory=list)
    """Sessions that the gateway had admitted, over time."""
    first: EngineSample | None = None
    last: EngineSample | None = None
    rates: IntervalRates | None = None
    gateway: dict[str, float] = field(default_factory=dict)
    """The gateway's newest `concur_sessions` by state."""
    held: float = 0.0
    """Requests that wait at the gateway now."""
    window_tokens: float | None = None
    """Cache tokens that the admitted sessions may fill now; None without such a limit."""
    time_scale: float = 1.0
    points: list[Point] = field(default_factory=list)
    """What was seen, in the engine's seconds since the first reading."""

    @property
    def hit_rate(self) -> float | None:
        """Share of prompt tokens found in the prefix cache; None if the engine does not report it."""
        queries = self._over_run("prefix_queries")
        hits = self._over_run("prefix_hits")
        return hits / queries if queries and hits is not None else None

    @property
    def preemptions(self) -> float | None:
        """Requests that the engine preempted; None if it does not report them."""
        return self._over_run("preemptions")

    def _over_run(self, name: str) -> float | None:
        first, last = (getattr(sample, name, None) for sample in (self.first, self.last))
        return None if first is None or last is None else float(last - first)

    def on_sample(self, rates: IntervalRates, sample: EngineSample) -> None:
        """Add the engine's next sample."""
        self.first = self.first or sample
        self.last, self.rates = sample, rates
        if rates.kv_usage is not None:
            self.usage.append(rates.kv_usage)
        size, window = rates.capacity_tokens, self.window_tokens
        self.points.append(
            Point(
                at_s=(sample.at - self.first.at) * self.time_scale,
                running=rates.running,
                waiting=None if rates.waiting is None else rates.waiting + self.held,
                cache_used=rates.kv_usage,
                hit_rate=rates.hit_rate,
                window=min(1.0, window / size) if window is not None and size else None,
            )
        )


async def watch(watch: Watch, *, engine_url: str, gateway_url: str | None, interval_s: float) -> None:
    """Fill `watch` until cancelled."""
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.TaskGroup() as group:
        scraper = EngineScraper(
            [(engine_url, client)],
            kinds=KnownKinds(plugins.load_engine_kinds()),
            timeout_s=5.0,
            on_samples={None: watch.on_sample},
            on_failure=lambda *_, **__: None,
        )
        group.create_task(scraper.run(interval_s=interval_s))
        if gateway_url is not None:
            group.create_task(_watch_gateway(watch, client, gateway_url, interval_s))


async def _watch_gateway(watch: Watch, client: httpx.AsyncClient, url: str, interval_s: float) -> None:
    while True:
        began = time.monotonic()
        text = (await client.get(f"{url}/metrics")).text
        for family in text_string_to_metric_families(text):
            if family.name == "concur_held_requests":
                watch.held = sum(sample.value for sample in family.samples)
            elif family.name == "concur_window_tokens":
                limits = [sample.value for sample in family.samples if math.isfinite(sample.value)]
                watch.window_tokens = sum(limits) if limits else None
            elif family.name == "concur_sessions":
                watch.gateway.update({sample.labels["state"]: sample.value for sample in family.samples})
                watch.active.append(watch.gateway["active"])
        await asyncio.sleep(max(0.0, interval_s - (time.monotonic() - began)))

"""Reads one server's metrics at regular intervals."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import httpx

from concur_proxy.engines.exposition import Exposition
from concur_proxy.engines.kind import EngineKind, KnownKinds
from concur_proxy.engines.pages import MetricsPage, PageReading, combine
from concur_proxy.engines.sample import EngineSample, IntervalRates, SignalRates
from concur_proxy.monitoring.loop import Loop
from concur_proxy.monitoring.page_reader import NoPage, Page, PageReader

LEFT_OUT_AFTER_S = 15.0
"""A page that could not be read for so long is left out, if another one has the same role: one of several servers is
gone. Until then its silence counts as that of the engine, so that a short one does not change the window.
"""

OnSample = Callable[[IntervalRates, EngineSample], None]


class OnFailure(Protocol):
    """Called after each scrape without a usable answer."""

    def __call__(self, reason: str, *, reachable: bool | None) -> None:
        """`reason` is shown to operators, and `reachable` is as in `NoPage`."""
        ...


class EngineScraper:
    """Reads one server's metrics. Each scraper has its own task, so a slow server delays no other."""

    def __init__(
        self,
        pages: Sequence[tuple[str | MetricsPage, httpx.AsyncClient]],
        *,
        kinds: KnownKinds,
        timeout_s: float,
        on_samples: Mapping[int | None, OnSample],
        on_failure: OnFailure,
        is_wanted: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pages` is the server's base URL, or the pages that an operator has named instead, each with the client that
        reads it. `on_samples` has a listener for each data-parallel rank, or one under None for the whole server.
        Nothing is read while `is_wanted` returns False.
        """
        self._pages = [
            PageReader(where, client, kinds=kinds, timeout_s=timeout_s, clock=clock) for where, client in pages
        ]
        self._on_samples = on_samples
        self._rates = self._new_rates()
        self._on_failure = on_failure
        self._is_wanted = is_wanted
        self._clock = clock

    async def run(self, *, interval_s: float) -> None:
        """Scrape until cancelled. An unexpected error, such as a plug-in's, counts as a scrape without an answer."""
        what = f"reading the metrics of {self._pages[0].name}"
        loop = Loop(what, self._step, interval_s=interval_s, on_error=self._on_error, clock=self._clock)
        await loop.run()

    async def scrape(self) -> None:
        """Read each page once and report to the listeners."""
        answers = list(zip(self._pages, await asyncio.gather(*(page.read() for page in self._pages)), strict=True))
        read = [(reader, page) for reader, page in answers if isinstance(page, Page)]
        roles = {reader.role for reader, _ in read}
        for reader, page in answers:
            if isinstance(page, NoPage) and (reader.role not in roles or reader.silent_s < LEFT_OUT_AFTER_S):
                self._on_failure(page.reason, reachable=page.reachable)
                return
        at = self._clock()
        for dp_rank, on_sample in self._on_samples.items():
            readings = []
            for reader, page in read:
                sample = page.kind.read(_of_rank(page.exposition, page.kind, dp_rank), at=at)
                rates = self._rates[reader, dp_rank].advance(sample)
                readings.append(PageReading(role=reader.role, rates=rates, sample=sample))
            on_sample(*combine(readings))

    async def _step(self) -> None:
        if self._is_wanted():
            await self.scrape()
        else:
            self._rates = self._new_rates()  # the next reading must not be compared with the last one

    def _new_rates(self) -> dict[tuple[PageReader, int | None], SignalRates]:
        return {(page, dp_rank): SignalRates() for page in self._pages for dp_rank in self._on_samples}

    def _on_error(self, error: Exception) -> None:
        self._on_failure(f"{self._pages[0].name}: {type(error).__name__}: {error}", reachable=None)


def _of_rank(exposition: Exposition, kind: EngineKind, dp_rank: int | None) -> Exposition:
    if dp_rank is None or kind.rank_label is None:
        return exposition
    return exposition.of_rank(kind.rank_label, dp_rank)

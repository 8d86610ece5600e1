"""Reads one engine's `/metrics` again and again."""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Protocol

import httpx

from concur_proxy.engines.rates import IntervalRates, SignalRates
from concur_proxy.engines.sample import EngineSample
from concur_proxy.monitoring.dialects import KnownDialects
from concur_proxy.monitoring.loop_guard import LoopGuard

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Real expositions have 0.1 MB; a larger answer is no exposition."""
JITTER = 0.1
"""Scrapes of several engines, or by several gateways, must not fall into step."""

OnSample = Callable[[IntervalRates, EngineSample], None]


class OnFailure(Protocol):
    """Hears of a scrape without a usable answer."""

    def __call__(self, reason: str, *, reachable: bool | None) -> None:
        """`reason` in words. `reachable` is True when the engine at least answered, False when no connection to it
        could be made, and None when neither is certain: one that is late or breaks off may only be busy.
        """
        ...


class _TooLarge(Exception):  # noqa: N818  # what the answer is
    """The answer is no exposition."""


class EngineScraper:
    """One engine's scrape loop. Each has a task of its own, so a slow engine delays no other."""

    def __init__(
        self,
        engine_url: str,
        client: httpx.AsyncClient,
        *,
        interval_s: float,
        timeout_s: float,
        on_samples: Mapping[int | None, OnSample],
        on_failure: OnFailure,
        is_wanted: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_samples`: who hears of each data-parallel rank, or under None of the server as a whole. `is_wanted`:
        whether the engine shall be read now.
        """
        self._url = f"{engine_url}/metrics"
        self._client = client
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._listeners = [(rank, SignalRates(), on_sample) for rank, on_sample in on_samples.items()]
        self._on_failure = on_failure
        self._is_wanted = is_wanted
        self._clock = clock
        self._random = Random()  # noqa: S311 - jitter, no secret
        self._dialects = KnownDialects()
        self._scraping = LoopGuard(f"reading {self._url}")
        self._telling = LoopGuard(f"telling that {self._url} could not be read")

    async def run(self) -> None:
        """Scrape until cancelled; an interval is counted from start to start, and a slow scrape is not overtaken.

        An unexpected error, maybe a plug-in's, costs its round and counts as a scrape without an answer.
        """
        while True:
            began = self._clock()
            if not self._is_wanted():
                # What is read later is no interval since the last reading.
                self._listeners = [(rank, SignalRates(), on_sample) for rank, _, on_sample in self._listeners]
                await asyncio.sleep(self._interval_s)
                continue
            error = await self._scraping.attempt(self.scrape)
            if error is not None:
                reason = f"{self._url}: {type(error).__name__}: {error}"
                await self._telling.attempt(partial(self._fail, reason, reachable=None))
            pause = self._interval_s * self._random.uniform(1 - JITTER, 1 + JITTER)
            await asyncio.sleep(max(0.0, began + pause - self._clock()))

    async def scrape(self) -> None:
        """One reading, told to one of the two listeners."""
        try:
            async with asyncio.timeout(self._timeout_s):
                text = await self._fetch()
        except TimeoutError:
            self._on_failure(f"no answer from {self._url} within {self._timeout_s:g} s", reachable=None)
        except httpx.HTTPStatusError as error:
            self._on_failure(f"{self._url} answers {error.response.status_code}", reachable=True)
        except (httpx.DecodingError, _TooLarge) as error:
            self._on_failure(f"{self._url}: {error}", reachable=True)
        except httpx.HTTPError as error:
            reachable = False if isinstance(error, httpx.ConnectError) else None
            self._on_failure(f"{self._url}: {str(error) or type(error).__name__}", reachable=reachable)
        else:
            self._read(text)

    async def _fetch(self) -> str:
        async with self._client.stream("GET", self._url, timeout=None) as response:
            response.raise_for_status()
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise _TooLarge(f"the answer exceeds {MAX_BODY_BYTES} bytes")
        return body.decode("utf-8", "replace")

    async def _fail(self, reason: str, *, reachable: bool | None) -> None:
        self._on_failure(reason, reachable=reachable)

    def _read(self, text: str) -> None:
        dialect, exposition = self._dialects.read(text)
        if dialect is None:
            what = "malformed series" if exposition.malformed_lines else "no series of a known engine"
            self._on_failure(f"{self._url} answers, but exports {what}", reachable=True)
            return
        at = self._clock()
        for rank, rates, on_sample in self._listeners:
            own = exposition if rank is None else exposition.of_rank(dialect.rank_label, rank)
            sample = dialect.read(own, at=at)
            on_sample(rates.advance(sample), sample)

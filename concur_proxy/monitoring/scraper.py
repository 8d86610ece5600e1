"""Reads one server's metrics at regular intervals."""

import time
from collections.abc import Callable, Generator, Mapping
from typing import Protocol

import httpx

from concur_proxy.engines.exposition import Exposition, exposition_in_steps
from concur_proxy.engines.kind import EngineKind, KnownKinds
from concur_proxy.engines.sample import EngineSample, IntervalRates, SignalRates
from concur_proxy.monitoring.loop import Loop
from concur_proxy.monitoring.probe import describe, fetch
from concur_proxy.monitoring.turns import in_turns
from concur_proxy.upstream.exhaustion import is_own_exhaustion

MAX_BODY_BYTES = 1024 * 1024
"""Real expositions have 0.1 MB. A larger answer is not an exposition."""


OnSample = Callable[[IntervalRates, EngineSample], None]


class OnFailure(Protocol):
    """Called after each scrape without a usable answer."""

    def __call__(self, reason: str, *, reachable: bool | None) -> None:
        """`reason` is shown to operators.

        `reachable` is True if the server answered, and False if no connection could be made. It is None if neither is
        certain: a server that answers late or breaks off may only be busy.
        """
        ...


class EngineScraper:
    """Reads one server's metrics. Each scraper has its own task, so a slow server delays no other."""

    def __init__(
        self,
        server_url: str,
        client: httpx.AsyncClient,
        *,
        kinds: KnownKinds,
        timeout_s: float,
        on_samples: Mapping[int | None, OnSample],
        on_failure: OnFailure,
        is_wanted: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_samples` has a listener for each data-parallel rank, or one under None for the whole server. Nothing is
        read while `is_wanted` returns False.
        """
        self._server_url = server_url
        self._client = client
        self._kinds = kinds
        self._kind: EngineKind | None = None
        """The kind that recognised the last answer."""
        self._timeout_s = timeout_s
        self._listeners = [(dp_rank, SignalRates(), on_sample) for dp_rank, on_sample in on_samples.items()]
        self._on_failure = on_failure
        self._is_wanted = is_wanted
        self._clock = clock

    async def run(self, *, interval_s: float) -> None:
        """Scrape until cancelled. An unexpected error, such as a plug-in's, counts as a scrape without an answer."""
        what = f"reading the metrics of {self._server_url}"
        loop = Loop(what, self._step, interval_s=interval_s, on_error=self._on_error, clock=self._clock)
        await loop.run()

    async def scrape(self) -> None:
        """Read once and report to the listeners.

        A server's kind is recognised from its metrics. So the metrics path of each kind is tried until one kind
        recognises what is there. The path of the last time comes first.
        """
        known = () if self._kind is None else (self._kind.metrics_path,)
        reasons = []
        for path in dict.fromkeys((*known, *self._kinds.metrics_paths)):
            url = f"{self._server_url}{path}"
            try:
                status, body = await fetch(self._client, url, timeout_s=self._timeout_s, max_bytes=MAX_BODY_BYTES)
            except TimeoutError:
                self._on_failure(f"no answer from {url} within {self._timeout_s:g} s", reachable=None)
                return
            except httpx.HTTPError as error:
                is_refused = isinstance(error, httpx.ConnectError) and not is_own_exhaustion(error)
                reachable = False if is_refused else None
                self._on_failure(f"{url}: {describe(error)}", reachable=reachable)
                return
            reason = await self._read(path, body) if httpx.codes.is_success(status) else f"answers {status}"
            if reason is None:
                return
            reasons.append(f"{url} {reason}")
        self._on_failure("; ".join(reasons), reachable=True)

    async def _step(self) -> None:
        if self._is_wanted():
            await self.scrape()
        else:
            # the next reading must not be compared with the last one
            self._listeners = [(dp_rank, SignalRates(), on_sample) for dp_rank, _, on_sample in self._listeners]

    def _on_error(self, error: Exception) -> None:
        self._on_failure(f"{self._server_url}: {type(error).__name__}: {error}", reachable=None)

    async def _read(self, path: str, body: bytes | None) -> str | None:
        """Report a reading to the listeners. Returns the reason if the body is not a known engine's."""
        if body is None:
            return f"answers with more than {MAX_BODY_BYTES} bytes, in tiny chunks, or compressed though not asked for"
        kind, exposition = await in_turns(self._recognise(path, body.decode("utf-8", "replace")))
        if kind is None:
            what = "malformed series" if exposition.malformed_lines else "no series of a known engine"
            return f"answers, but exports {what}"
        self._kind, at = kind, self._clock()
        for dp_rank, rates, on_sample in self._listeners:
            sample = kind.read(_of_rank(exposition, kind, dp_rank), at=at)
            on_sample(rates.advance(sample), sample)
        return None

    def _recognise(self, path: str, text: str) -> Generator[None, None, tuple[EngineKind | None, Exposition]]:
        if self._kind is not None and self._kind.metrics_path == path:
            exposition = yield from exposition_in_steps(text, self._kind.wants)
            if self._kind.recognises(exposition):
                return self._kind, exposition
        return (yield from self._kinds.read_in_steps(path, text))


def _of_rank(exposition: Exposition, kind: EngineKind, dp_rank: int | None) -> Exposition:
    if dp_rank is None or kind.rank_label is None:
        return exposition
    return exposition.of_rank(kind.rank_label, dp_rank)

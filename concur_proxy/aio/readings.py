"""An engine's signals from a function of your own, for an engine in the same process or without a metrics page."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from concur_proxy.engines.kind import KnownKinds
from concur_proxy.engines.sample import EngineSample, SignalRates
from concur_proxy.monitoring.loop import Loop
from concur_proxy.monitoring.monitor import EngineMonitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an engine reports at one moment. Leave out what it does not report; the first three are needed."""

    kv_usage: float | None = None
    """Share of the KV cache that requests in flight hold, 0 to 1. What is cached for idle sessions counts as free."""
    running: int | None = None
    """Requests in the running batch."""
    waiting: int | None = None
    """Requests that wait inside the engine."""
    capacity_tokens: int | None = None
    """Size of the KV cache in tokens."""
    prefix_queries: float | None = None
    """Prompt tokens looked up in the prefix cache since the engine started."""
    prefix_hits: float | None = None
    """Prompt tokens found in the prefix cache since the engine started."""
    preemptions: float | None = None
    """Requests that were removed from the batch and recomputed later, since the engine started."""


Signals = Callable[[], Reading | str | Awaitable[Reading | str]]
"""Returns a `Reading`, or the text of a metrics page in Prometheus format."""


class SignalReader:
    """Calls the function at regular intervals, and reports to the engine's monitor."""

    def __init__(
        self, signals: Signals, monitor: EngineMonitor, *, kinds: KnownKinds, clock: Callable[[], float]
    ) -> None:
        self._signals = signals
        self._monitor = monitor
        self._kinds = kinds
        self._clock = clock
        self._rates = SignalRates()

    async def run(self, *, interval_s: float) -> None:
        """Read until cancelled. If the function raises, the window stays as it is, as if a page could not be read."""
        loop = Loop("reading the signals", self.read, interval_s=interval_s, on_error=self._on_error, clock=self._clock)
        await loop.run()

    async def read(self) -> None:
        """Read once. Raises what the function raises, and `ValueError` for the text of an unknown engine."""
        answer = self._signals()
        reading = await answer if inspect.isawaitable(answer) else answer
        sample = self._sample(reading, self._clock())
        self._monitor.on_sample(self._rates.advance(sample), sample)

    def _sample(self, reading: Reading | str, at: float) -> EngineSample:
        if isinstance(reading, Reading):
            return EngineSample(at=at, kind="signals", **asdict(reading))
        kind, exposition = self._kinds.read(None, reading)
        if kind is None:
            raise ValueError("the text has no series of a known engine")
        return kind.read(exposition, at=at)

    def _on_error(self, error: Exception) -> None:
        # reachable: whether calls reach the engine is not known here, so that it must not stop them
        self._monitor.on_failure(f"{type(error).__name__}: {error}", reachable=True)

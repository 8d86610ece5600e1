"""Counters and histograms of requests. To count is to add plain numbers; Prometheus' client gets them at a scrape.

They are exported exactly as the client's own `Counter` and `Histogram`, which lock, check and search for each value.
Only the thread of the event loop may count.
"""

import time
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import inf
from typing import Generic, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar


class Count:
    """One series of a counter. Add to `value`."""

    __slots__ = ("created", "value")

    def __init__(self) -> None:
        self.value = 0
        self.created = time.time()


class Spread:
    """One series of a histogram."""

    __slots__ = ("_bounds", "buckets", "created", "exemplars", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds`: the upper bounds of the buckets, the last one is infinite."""
        self._bounds = bounds
        self.buckets = [0] * len(bounds)
        self.total = 0.0
        self.exemplars: dict[int, Exemplar] = {}
        """The newest exemplar of each bucket that has one."""
        self.created = time.time()

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count a value. `exemplar`: labels that lead to its request."""
        bucket = bisect_left(self._bounds, amount)
        self.buckets[bucket] += 1
        self.total += amount
        if exemplar is not None:
            self.exemplars[bucket] = Exemplar(exemplar, amount, time.time())


T = TypeVar("T", Count, Spread)


class Tally(Collector, Generic[T]):
    """All series of one metric, by the values of its labels."""

    def __init__(
        self,
        kind: Literal["counter", "histogram"],
        name: str,
        text: str,
        labels: Sequence[str],
        registry: CollectorRegistry,
    ) -> None:
        """Export the metric in `registry`. Raises `ValueError` if it has a metric of this name."""
        self._kind, self._name, self._text, self._labels = kind, name, text, tuple(labels)
        self._series: dict[tuple[str, ...], T] = {}
        registry.register(self)

    def of(self, *values: str) -> T:
        """The series with these label values. A new one starts with 0, and is exported from now on."""
        series = self._series.get(values)
        if series is None:
            series = self._series[values] = self._make()
        return series

    def remove(self, *values: str) -> None:
        """Do not export the series with these label values any longer."""
        self._series.pop(values, None)

    def describe(self) -> Iterable[Metric]:
        """The metric without samples, so that the registry knows its name."""
        return [Metric(self._name, self._text, self._kind)]

    def collect(self) -> Iterable[Metric]:
        """The metric with its samples."""
        metric = Metric(self._name, self._text, self._kind)
        shows_created = _shows_created()
        for values, series in list(self._series.items()):
            labels = dict(zip(self._labels, values, strict=True))
            self._add_samples(metric, labels, series)
            if shows_created:
                metric.add_sample(f"{self._name}_created", labels, series.created)
        return [metric]

    @abstractmethod
    def _make(self) -> T:
        """Make a series that has counted nothing."""

    @abstractmethod
    def _add_samples(self, metric: Metric, labels: dict[str, str], series: T) -> None:
        """Add what the series has counted."""


class CounterTally(Tally[Count]):
    """A counter with all its series."""

    def __init__(self, name: str, text: str, labels: Sequence[str], *, registry: CollectorRegistry) -> None:
        """`name` is without the suffix `_total`."""
        super().__init__("counter", name, text, labels, registry)

    def _make(self) -> Count:
        return Count()

    def _add_samples(self, metric: Metric, labels: dict[str, str], series: Count) -> None:
        metric.add_sample(f"{self._name}_total", labels, float(series.value))


class HistogramTally(Tally[Spread]):
    """A histogram with all its series."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str], *, buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        """`buckets`: the upper bounds in rising order, from 0 or more, without the infinite one."""
        self._bounds = (*map(float, buckets), inf)
        self._shown_bounds = (*map(str, self._bounds[:-1]), "+Inf")
        super().__init__("histogram", name, text, labels, registry)

    def _make(self) -> Spread:
        return Spread(self._bounds)

    def _add_samples(self, metric: Metric, labels: dict[str, str], series: Spread) -> None:
        count = 0
        for bucket, bound in enumerate(self._shown_bounds):
            count += series.buckets[bucket]
            up_to = {**labels, "le": bound}
            exemplar = series.exemplars.get(bucket)
            metric.add_sample(f"{self._name}_bucket", up_to, float(count), exemplar=exemplar)
        metric.add_sample(f"{self._name}_count", labels, float(count))
        metric.add_sample(f"{self._name}_sum", labels, series.total)


def _shows_created() -> bool:
    """Whether Prometheus' client exports the time at which each series began, which its users can switch off."""
    family = next(iter(Counter("probe", "", registry=None).collect()))
    return any(sample.name == "probe_created" for sample in family.samples)

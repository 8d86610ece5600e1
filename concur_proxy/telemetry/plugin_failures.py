"""The metric for plug-ins that fail."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class PluginFailuresCollector(Collector):
    """Reads the counts at the moment of a scrape."""

    def __init__(self, counts: Mapping[tuple[str, str], int]) -> None:
        """`counts`: failures by the plug-in's kind and name."""
        self._counts = counts

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that the registry does not check names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the present counts."""
        counter = CounterMetricFamily(
            "concur_plugin_failures",
            "Failures of a placement, queue order or control law that is a plug-in; something built in decided instead",
            labels=["kind", "plugin"],
        )
        for names, count in sorted(self._counts.items()):
            counter.add_metric(names, count)
        yield counter

"""The metric for plug-ins that fail."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric

from concur_proxy.telemetry.at_scrape import AtScrape


class PluginFailuresCollector(AtScrape):
    """Reads the counts at the moment of a scrape."""

    def __init__(self, counts: Mapping[tuple[str, str], int]) -> None:
        """`counts`: failures by the plug-in's kind and name."""
        self._counts = counts

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

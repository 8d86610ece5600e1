"""What the collectors have in common that read the present state at the moment of a scrape."""

from collections.abc import Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector


class AtScrape(Collector):
    """A collector that keeps no values. Its `collect` reads them."""

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that the registry does not check names: it would have to collect for that."""
        return []

"""Series about where sessions are kept, and who decides on them."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from concur_proxy.coordination.coordinator import Coordinator, Role


class StoreCollector(Collector):
    """Reads the coordinator at the moment of a scrape."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry need not check the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One reading."""
        status = self._coordinator.status
        roles = GaugeMetricFamily("concur_store_role", "1 for how this gateway stands to the others", labels=["role"])
        for role in Role:
            roles.add_metric([role.value], float(status.role is role))
        yield roles
        yield GaugeMetricFamily(
            "concur_replicas", "Gateways that are one, as far as this one knows", value=status.replicas
        )

"""Metrics of the gateways that share a store: who decides, and how many there are."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from concur_proxy.coordination.coordinator import Coordinator, Role


class StoreCollector(Collector):
    """Reads the coordinator at the moment of a scrape."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that the registry does not check names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the present state."""
        status = self._coordinator.status
        roles = GaugeMetricFamily("concur_store_role", "1 for this gateway's role in the group", labels=["role"])
        for role in Role:
            roles.add_metric([role.value], float(status.role is role))
        yield roles
        yield GaugeMetricFamily(
            "concur_replicas", "Gateways that share the store, as far as this one knows", value=status.replicas
        )

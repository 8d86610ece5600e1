"""Metrics of the gateways that share a store: who decides, and how many there are."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from concur_proxy.coordination.coordinator import Coordinator, Role
from concur_proxy.telemetry.at_scrape import AtScrape


class StoreCollector(AtScrape):
    """Reads the coordinator at the moment of a scrape."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

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

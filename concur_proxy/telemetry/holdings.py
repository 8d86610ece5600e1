"""Metrics of what the requests in progress hold: memory for their bodies, and connections."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from concur_proxy.admission.tenant_totals import MOST_SHOWN, OTHERS
from concur_proxy.telemetry.at_scrape import AtScrape


class HoldingsCollector(AtScrape):
    """Reads the open requests at the moment of a scrape."""

    def __init__(self, tenants: Callable[[], Iterable[tuple[str, int, int]]], limit: Callable[[], int]) -> None:
        """`tenants` gives the name of each tenant with its open requests and the bytes of their bodies."""
        self._tenants = tenants
        self._limit = limit
        self._named = {""}
        """The tenants with a label of their own: the one without a name, and the first that a scrape
        has seen, because labels stay for ever."""

    def collect(self) -> Iterator[Metric]:
        """Read the present state."""
        rows: dict[str, tuple[int, int]] = dict.fromkeys(self._named, (0, 0))
        total = 0
        for tenant, count, size in self._tenants():
            if len(self._named) < MOST_SHOWN:
                self._named.add(tenant)
            name = tenant if tenant in self._named else OTHERS
            before = rows.get(name, (0, 0))
            rows[name] = before[0] + count, before[1] + size
            total += size
        yield GaugeMetricFamily("concur_buffered_bytes", "Bytes of request bodies that the gateway holds", value=total)
        yield GaugeMetricFamily(
            "concur_buffered_bytes_limit", "How many it may hold: `max_buffered_bytes`", value=self._limit()
        )
        requests = GaugeMetricFamily(
            "concur_tenant_open_requests", "Connections of a tenant with an open request", labels=["tenant"]
        )
        held = GaugeMetricFamily(
            "concur_tenant_buffered_bytes", "Bytes of a tenant's request bodies", labels=["tenant"]
        )
        for name, (count, size) in sorted(rows.items()):
            requests.add_metric([name], count)
            held.add_metric([name], size)
        yield from (requests, held)

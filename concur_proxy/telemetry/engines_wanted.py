"""The metric for an autoscaler of the engines: how many engines the sessions of each model call for."""

from collections.abc import Collection, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from concur_proxy.control.engines_wanted import EngineDemand, engines_wanted
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.telemetry.at_scrape import AtScrape

ANY_MODEL = ""
"""Label of engines whose models are not known. For Prometheus it is no label."""


class EnginesWantedCollector(AtScrape):
    """Reads the gates at the moment of a scrape."""

    def __init__(self, coordinator: Coordinator, monitors: Collection[EngineMonitor]) -> None:
        self._coordinator = coordinator
        self._monitors = monitors

    def collect(self) -> Iterator[Metric]:
        """Read the present state. An engine counts for each model that it lists."""
        gates = self._coordinator.fleet.gates
        pools: dict[str, list[EngineDemand]] = {}
        for monitor in self._monitors:
            if (gate := gates.get(monitor.engine)) is not None:
                demand = gate.demand(is_up=monitor.is_up and monitor.has_answered)
                for model in monitor.models or {ANY_MODEL}:
                    pools.setdefault(model, []).append(demand)
        gauge = GaugeMetricFamily(
            "concur_engines_wanted",
            "Engines that the active and the waiting sessions of a model call for, for an autoscaler",
            labels=["model"],
        )
        for model, pool in sorted(pools.items()):
            if (wanted := engines_wanted(pool)) is not None:
                gauge.add_metric([model], wanted)
        yield gauge

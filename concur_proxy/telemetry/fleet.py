"""Metrics of engines, windows and sessions, read from their owners at the moment of a scrape."""

from collections.abc import Callable, Collection, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.outcome import Outcome
from concur_proxy.control.law import DecisionKind
from concur_proxy.coordination.coordinator import Coordinator
from concur_proxy.monitoring.circuit import CircuitState
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.telemetry.at_scrape import AtScrape

Reading = Callable[[SessionGate, EngineMonitor], float | None]


def _gate(name: str) -> Reading:
    return lambda gate, _: getattr(gate.snapshot(), name)


def _goal(name: str) -> Reading:
    return lambda gate, monitor: getattr(gate.goal_standing(now=monitor.now), name)


def _engine(name: str) -> Reading:
    return lambda _, monitor: getattr(monitor, name)


def _signal(name: str) -> Reading:
    return lambda _, monitor: None if monitor.rates is None else getattr(monitor.rates, name)


GAUGES: Sequence[tuple[str, str, Reading]] = (
    ("concur_window_sessions", "Sessions that may be active on the engine", _gate("window")),
    ("concur_window_tokens", "KV cache that the active sessions may fill", _gate("budget_tokens")),
    ("concur_waiting_sessions", "Sessions with a waiting request", _gate("waiting")),
    ("concur_held_requests", "Requests that wait for their session's admission", _gate("held")),
    ("concur_in_flight_requests", "Admission-controlled requests at the engine", _gate("in_flight")),
    ("concur_footprint_tokens", "KV cache that the active sessions need", _gate("footprint_tokens")),
    ("concur_lease_seconds", "How long an idle session keeps its place while others wait", _gate("lease_s")),
    (
        "concur_first_token_tail_seconds",
        "Time to the first token, wait included, that 99 % of the latest 512 answers did not exceed",
        _goal("first_token_p99_s"),
    ),
    ("concur_first_token_target_seconds", "The target of the goal, if it has one", _goal("target_s")),
    ("concur_first_token_target_met", "1 while the target is met, 0 while it is not", _goal("is_met")),
    ("concur_engine_up", "1 while the engine can be reached", _engine("is_up")),
    ("concur_engine_signals_stale", "1 while the signals are too old to be used", _engine("is_stale")),
    ("concur_engine_signal_age_seconds", "Age of the newest usable signals", _engine("signal_age_s")),
    ("concur_engine_kv_usage_ratio", "KV blocks in use by running requests, 0 to 1", _signal("kv_usage")),
    ("concur_engine_prefix_hit_ratio", "Prefix-cache hit rate of the last interval", _signal("hit_rate")),
    ("concur_engine_running_requests", "Requests in the engine's batch", _signal("running")),
    ("concur_engine_waiting_requests", "Requests that wait inside the engine", _signal("waiting")),
    ("concur_engine_capacity_tokens", "KV cache size", _signal("capacity_tokens")),
)
"""Name, help and reading of each gauge with the one label `engine`. A gauge whose reading is None is not exported."""

_ADMITTED_BY = ("window", "room", "alone", "lease", "no_returns", "goal")
_REFUSED_BY = tuple(outcome.value for outcome in Outcome if outcome is not Outcome.ADMITTED)

EVENTS: Sequence[tuple[str, str, str, Sequence[str]]] = (
    ("concur_admissions", "Sessions admitted for the first time", "admit", _ADMITTED_BY),
    ("concur_resumes", "Paused sessions admitted again", "resume", _ADMITTED_BY),
    (
        "concur_pauses",
        "Sessions that lost their place between requests",
        "pause",
        ("window", "share", "lease", "client_gone", "refused"),
    ),
    ("concur_moves", "Sessions moved to another engine", "move", ("lost", "shared", "waited", "home")),
    ("concur_refusals", "Requests not admitted", "refuse", _REFUSED_BY),
    ("concur_ended_sessions", "Sessions that ended", "end", ("said", "answered", "refused", "idle", "memory")),
    ("concur_would_hold", "Sessions that would have waited, but the gateway only observes", "would_hold", ("window",)),
)
"""Name, help, the gate's event, and the reasons that are exported from the start: `rate()` misses the first event of a
counter that did not exist before.
"""


class FleetCollector(AtScrape):
    """Reads gates and monitors. It keeps no copy, so a metric always shows the values that the gate uses."""

    def __init__(self, coordinator: Coordinator, monitors: Collection[EngineMonitor]) -> None:
        self._coordinator = coordinator
        self._monitors = monitors

    def collect(self) -> Iterator[Metric]:
        """Read the present state."""
        gates = self._coordinator.fleet.gates
        # The monitor of a removed engine may exist a moment longer than its gate.
        pairs = [(gates[monitor.engine], monitor) for monitor in self._monitors if monitor.engine in gates]
        for name, text, reading in GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=["engine"])
            for gate, monitor in pairs:
                value = reading(gate, monitor)
                if value is not None:
                    gauge.add_metric([monitor.engine], float(value))
            yield gauge
        text = "Session keys that name many parallel conversations each"
        yield GaugeMetricFamily("concur_shared_keys", text, value=self._coordinator.fleet.shared_keys)
        yield self._states(pairs)
        yield self._circuits(pairs)
        for name, text, event, reasons in EVENTS:
            counter = CounterMetricFamily(name, text, labels=["engine", "reason"])
            for gate, monitor in pairs:
                seen = sorted(reason for kind, reason in gate.counters if kind == event)
                for reason in dict.fromkeys((*reasons, *seen)):
                    counter.add_metric([monitor.engine, reason], gate.counters[event, reason])
            yield counter
        yield from self._tenants(pairs)
        yield from self._engine_counters(pairs)

    def _tenants(self, pairs: list[tuple[SessionGate, EngineMonitor]]) -> Iterator[Metric]:
        """At most 50 tenants by name at each engine, and the others together."""
        labels = ["engine", "tenant"]
        active = GaugeMetricFamily("concur_tenant_active_sessions", "Sessions of a tenant with a place", labels=labels)
        waiting = GaugeMetricFamily("concur_tenant_waiting_sessions", "Sessions of a tenant that wait", labels=labels)
        served = CounterMetricFamily(
            "concur_tenant_served_tokens", "Tokens of a tenant's prompts and answers", labels=labels
        )
        weighted = CounterMetricFamily(
            "concur_tenant_weighted_tokens",
            "The same tokens as tenants share them: 1 for a computed one, 0.1 for a cached one, 2 for a generated one",
            labels=labels,
        )
        for gate, monitor in pairs:
            for name, standing in sorted(gate.tenants.items()):
                active.add_metric([monitor.engine, name], standing.active)
                waiting.add_metric([monitor.engine, name], standing.waiting)
                served.add_metric([monitor.engine, name], standing.served_tokens)
                weighted.add_metric([monitor.engine, name], standing.weighted_tokens)
        yield from (active, waiting, served, weighted)

    def _states(self, pairs: list[tuple[SessionGate, EngineMonitor]]) -> Metric:
        gauge = GaugeMetricFamily("concur_sessions", "Sessions by state", labels=["engine", "state"])
        for gate, monitor in pairs:
            snapshot = gate.snapshot()
            for state in ("active", "paused", "queued"):
                gauge.add_metric([monitor.engine, state], getattr(snapshot, state))
        return gauge

    def _circuits(self, pairs: list[tuple[SessionGate, EngineMonitor]]) -> Metric:
        gauge = GaugeMetricFamily("concur_engine_circuit", "1 for the circuit's state", labels=["engine", "state"])
        for _, monitor in pairs:
            for state in CircuitState:
                gauge.add_metric([monitor.engine, state.value], float(monitor.circuit.state is state))
        return gauge

    def _engine_counters(self, pairs: list[tuple[SessionGate, EngineMonitor]]) -> Iterator[Metric]:
        decisions = CounterMetricFamily("concur_control_decisions", "Control decisions", labels=["engine", "kind"])
        restarts = CounterMetricFamily("concur_engine_restarts", "Engine restarts seen", labels=["engine"])
        failures = CounterMetricFamily("concur_scrape_failures", "Scrapes without a usable answer", labels=["engine"])
        promised = CounterMetricFamily(
            "concur_promised_tokens",
            "Context of returning sessions that had kept their place, so it should be cached",
            labels=["engine"],
        )
        lost = CounterMetricFamily(
            "concur_lost_tokens",
            "Promised tokens that the engine had to compute again",
            labels=["engine"],
        )
        dropped = CounterMetricFamily(
            "concur_usage_dropped", "Answers whose token counts cannot be true and were left out", labels=["engine"]
        )
        wrong = CounterMetricFamily(
            "concur_signals_dropped",
            "Values in an engine's metrics that cannot be true",
            labels=["engine"],
        )
        preempted = CounterMetricFamily("concur_engine_preemptions", "Preemptions seen", labels=["engine"])
        for gate, monitor in pairs:
            for kind in DecisionKind:
                decisions.add_metric([monitor.engine, kind.value], monitor.decisions[kind])
            restarts.add_metric([monitor.engine], monitor.restarts)
            failures.add_metric([monitor.engine], monitor.scrape_failures)
            dropped.add_metric([monitor.engine], monitor.tokens.usage_dropped)
            wrong.add_metric([monitor.engine], monitor.signals_dropped)
            preempted.add_metric([monitor.engine], monitor.preemptions)
            snapshot = gate.snapshot()
            promised.add_metric([monitor.engine], snapshot.promised_tokens)
            lost.add_metric([monitor.engine], snapshot.lost_tokens)
        yield from (decisions, restarts, failures, dropped, wrong, preempted, promised, lost)
